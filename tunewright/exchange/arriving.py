"""Which labels of a file are new to a domain, and what they mean there.

A label belongs to the words that were exported: where the conversation or the criterion has changed since, it arrives
as a stale one and says nothing of the new words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tunewright.append_only import appending
from tunewright.exchange.said import Found, Said, same_words
from tunewright.label_book import Texts, is_private
from tunewright.labels import LABELS, REMARKS, TEXTS, Label, in_force, why_stale
from tunewright.records import Transcript, iter_jsonl
from tunewright.rubric import Rubric

TRANSCRIPTS = "data/generate/transcripts.jsonl"


@dataclass
class Arrival:
    """What an import would write, and what not."""

    new: list[Label] = field(default_factory=list)
    n_there: int = 0  # said already
    n_replacing: int = 0  # new ones that take the place of another answer of the same person
    n_outdated: int = 0  # new ones that the same person has decided again since
    stale: Counter[str] = field(default_factory=Counter)  # new ones that count nowhere, by reason


def arrival(said: Sequence[Said], existing: Sequence[Label], contents: Mapping[str, str], rubric: Rubric) -> Arrival:
    """Compare a file with the labels that are there. `contents`: today's content hashes by transcript id."""
    found = Arrival()
    ids = {label.id for label in existing}
    held = {_thing(label): label for label in in_force(existing) if label.label not in REMARKS}
    remarks = [label for label in in_force(existing) if label.label in REMARKS]
    for label in {one.label.id: one.label for one in said}.values():
        before = held.get(_thing(label))
        known = remarks if label.label in REMARKS else [before] if before else []
        if label.id in ids or any(_says_same(label, other) for other in known):
            found.n_there += 1
            continue
        found.new.append(label)
        if before and label.label not in REMARKS:
            found.n_replacing += before.time <= label.time
            found.n_outdated += before.time > label.time
        if reason := why_stale(label, contents, rubric):
            found.stale[reason] += 1
    return found


def take_contradictions_out(found: Found) -> None:
    """Make faults of what a file says twice, differently, of one person on one thing at one time."""
    first: dict[tuple[Hashable, str], Said] = {}
    contradicted: set[tuple[Hashable, str]] = set()
    for one in found.said:
        label, key = one.label, (_thing(one.label), one.label.time)
        other = one if label.label in REMARKS else first.setdefault(key, one)
        if not _says_same(label, other.label):
            contradicted.add(key)
            found.faults.append(
                f"{one.place}, {label.criterion or 'the whole'}: found {label.label!r} of {label.reviewer}, but "
                f"{other.label.label!r} at {other.place}; expected one answer of one person, and one note with it"
            )
    found.said = [
        one
        for one in found.said
        if one.label.label in REMARKS or (_thing(one.label), one.label.time) not in contradicted
    ]


def keep(folder: Path, labels: Iterable[Label], texts: Iterable[Transcript]) -> None:
    """Write labels down as they are, in one write, and before them the texts that may be in git.

    Raises RecordError, StorageError.
    """
    labels = sorted(labels, key=lambda label: (label.time, label.id))
    about = {(label.transcript_id, label.content_hash) for label in labels}
    Texts(folder / TEXTS).keep(*(t for t in texts if (t.id, t.content_hash) in about and not is_private(t)))
    with appending(folder / LABELS) as end:
        end.add(*labels)


def talks_of(said: Iterable[Said]) -> list[Transcript]:
    """Today's conversations that a file speaks of; none where none are generated."""
    wanted = {one.label.transcript_id for one in said}
    if not Path(TRANSCRIPTS).exists():
        return []
    return [talk for talk in iter_jsonl(TRANSCRIPTS, Transcript, "generate-transcripts") if talk.id in wanted]


def _thing(label: Label) -> Hashable:
    """What a label is about, and whose it is; remarks on one thing are alike in that."""
    return label.transcript_id, label.content_hash, label.criterion, label.reviewer


def _says_same(one: Label, other: Label) -> bool:
    return (_thing(one), one.label) == (_thing(other), other.label) and same_words(one.note, other.note)
