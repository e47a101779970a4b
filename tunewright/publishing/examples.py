"""The examples as they are published: each with who wrote it, imported people's left out, and the counts for the card.

A conversation holds imported words when its user or its replies do: an imported one, a replay of one, a repair of one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tunewright.errors import PublishError
from tunewright.records import Example, Message, Persona, Record, Transcript, iter_jsonl
from tunewright.training_set import FIXED_TRANSCRIPTS, TRANSCRIPTS, source_of

FOLDER, SPLITS = Path("data/generate"), ("train", "valid", "holdout")
IMPORTED = "imported"


class PublishedExample(Record):
    """A training example, and where its conversation comes from."""

    id: str
    transcript_id: str
    persona_id: str
    source: str  # authored, imported, simulated, replay, fixed
    user_by: str  # who wrote the user's messages: "author", "imported", or the model's identity
    assistant_by: str  # who wrote the replies, likewise
    n_exchanges: int
    n_tokens: int
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Origin:
    """Where a conversation comes from."""

    source: str
    user_by: str
    assistant_by: str

    @property
    def is_imported(self) -> bool:
        """Whether people's words from logs are in it."""
        return IMPORTED in (self.source, self.user_by, self.assistant_by)


@dataclass
class SplitCount:
    """What is published of one split."""

    n_examples: int = 0
    n_tokens: int = 0
    conversations: set[str] = field(default_factory=set)
    people: set[str] = field(default_factory=set)


@dataclass
class Examples:
    """All examples to publish, by split, with the counts."""

    by_split: dict[str, list[PublishedExample]]
    origins: dict[str, Origin]  # by conversation, of all that the splits hold
    learned: set[str]  # conversations of the training split, published or not
    left_out: Counter[str]  # examples with imported words, by split
    hidden: bool = False  # whether the run took in imported words, in splits or not, that are not to be published

    def counts(self) -> dict[str, SplitCount]:
        """What is published, by split."""
        found = {split: SplitCount() for split in self.by_split}
        for split, examples in self.by_split.items():
            for one in examples:
                found[split].n_examples += 1
                found[split].n_tokens += one.n_tokens
                found[split].conversations.add(one.transcript_id)
                found[split].people.add(one.persona_id)
        return found

    def by_origin(self) -> dict[Origin, Counter[str]]:
        """Published conversations by where they come from and split, the most frequent first."""
        counted: dict[Origin, Counter[str]] = {}
        for split, count in self.counts().items():
            for conversation in sorted(count.conversations):
                counted.setdefault(self.origins[conversation], Counter())[split] += 1
        return dict(sorted(counted.items(), key=lambda item: (-item[1].total(), str(item[0]))))

    @property
    def n_imported_learned(self) -> int:
        """Conversations with imported words that the model was trained on, published or not."""
        return sum(self.origins[id].is_imported for id in self.learned)


def read_examples(include_imported: bool) -> Examples:
    """The splits with their origins. Raises PublishError for an example of a conversation that is not there."""
    origins = {t.id: origin_of(t) for t in _transcripts()}
    hidden = not include_imported and any(origin.is_imported for origin in origins.values())
    found = Examples({}, {}, set(), Counter(), hidden)
    for split in SPLITS:
        kept = found.by_split.setdefault(split, [])
        for number, one in enumerate(iter_jsonl(FOLDER / f"{split}.jsonl", Example, "generate-slices"), 1):
            origin = origins.get(one.transcript_id)
            if origin is None:
                raise PublishError(
                    f"{FOLDER / split}.jsonl, line {number}: {one.transcript_id!r} is neither in {TRANSCRIPTS} nor in "
                    f"{FIXED_TRANSCRIPTS}, so nobody can say who wrote it; run: dvc repro generate-slices"
                )
            found.origins[one.transcript_id] = origin
            if split == "train":
                found.learned.add(one.transcript_id)
            if origin.is_imported and not include_imported:
                found.left_out[split] += 1
            else:
                kept.append(published(one, origin))
    found.by_split = {
        split: kept for split, kept in found.by_split.items() if kept
    }  # load_dataset fails on an empty one
    return found


def _transcripts() -> Iterator[Transcript]:
    yield from iter_jsonl(TRANSCRIPTS, Transcript, "generate-transcripts")
    yield from iter_jsonl(FIXED_TRANSCRIPTS, Transcript, "generate-fixup")


def origin_of(transcript: Transcript) -> Origin:
    """Who wrote a conversation; a repaired one's replies name the repairer too."""
    return Origin(source_of(transcript), transcript.user, transcript.assistant)


def published(example: Example, origin: Origin) -> PublishedExample:
    """An example with its origin."""
    values = {name: getattr(example, name) for name in Example.model_fields}
    return PublishedExample(source=origin.source, user_by=origin.user_by, assistant_by=origin.assistant_by, **values)


def personas_of(examples: Examples, people: Iterable[Persona]) -> list[Persona]:
    """The personas of what is published, in the order of their ids; a log's people have none to show."""
    wanted = {one.persona_id for split in examples.by_split.values() for one in split}
    known: Mapping[str, Persona] = {p.id: p for p in people if p.source != IMPORTED}
    return [known[id] for id in sorted(wanted & set(known))]
