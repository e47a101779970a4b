"""What changed between two revisions: the design, transcripts, verdicts, scores, splits, evaluation pairs, metrics.

Records are matched by id; ids say where a record came from, so one id is the same person, recording or slice on both
sides. An output that cannot be had (the cache lacks it) becomes a fault, and everything else is still compared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, get_args

from tunewright.design_changes import leaves
from tunewright.errors import ConfigError
from tunewright.history import design_changes
from tunewright.holdings import ID_FIELDS, Holding, Kind, holdings
from tunewright.json_text import JsonFault
from tunewright.outputs import OutputMissing, Side
from tunewright.record_changes import (
    FileChange,
    ScoreChange,
    VerdictChange,
    file_change,
    score_change,
    verdict_change,
)
from tunewright.record_index import Indexed, compare, id_of

Section = Literal["design", "personas", "transcripts", "verdicts", "scores", "splits", "evaluation", "metrics"]
SECTIONS: tuple[Section, ...] = get_args(Section)
PAIRS = ("baseline", "base", "tuned")  # parts in which a model under test speaks


@dataclass(frozen=True)
class Move:
    """A person whose examples went to another split; how many examples there are now."""

    persona_id: str
    before: str
    after: str
    n_examples: int


@dataclass
class Difference:
    """Everything that differs; `faults` say what could not be compared."""

    before: str
    after: str
    design: list[str] = field(default_factory=list)
    personas: list[FileChange] = field(default_factory=list)
    transcripts: list[FileChange] = field(default_factory=list)
    verdicts: list[VerdictChange] = field(default_factory=list)
    scores: list[ScoreChange] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    examples: list[FileChange] = field(default_factory=list)
    evaluation: list[FileChange] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def difference(before: Side, after: Side, only: Sequence[Section], limit: int) -> Difference:
    """Compare the named sections, with at most `limit` examples for each file."""
    found = Difference(before.name, after.name)
    pair = Pair(before, after)
    parts = {
        "design": lambda: found.design.extend(design(before, after)),
        "personas": lambda: found.personas.extend(files(pair, pair.holdings("persona"), 0)),
        "transcripts": lambda: found.transcripts.extend(files(pair, talks(pair, of_pairs=False), limit)),
        "verdicts": lambda: found.verdicts.extend(verdicts(pair, limit)),
        "scores": lambda: found.scores.extend(scores(pair, limit)),
        "splits": lambda: _splits(pair, found),
        "evaluation": lambda: found.evaluation.extend(files(pair, talks(pair, of_pairs=True), limit)),
        "metrics": lambda: found.metrics.extend(metrics(before, after)),
    }
    for section in only:
        parts[section]()
    found.faults = pair.faults()
    return found


def sections_named(names: Sequence[str] | None) -> list[Section]:
    """The sections with these names, in their own order; all without names. Raises ConfigError for an unknown one."""
    for name in names or ():
        if name not in SECTIONS:
            raise ConfigError(f"--only {name}: no such section; there are: {', '.join(SECTIONS)}")
    return [section for section in SECTIONS if not names or section in names]


class Pair:
    """The files of two sides, opened together; what cannot be had goes to `missing`."""

    def __init__(self, before: Side, after: Side) -> None:
        self.sides, self.missing = (before, after), list[OutputMissing]()

    def faults(self) -> list[str]:
        """A message for each side that lacks something."""
        gone = {side.name: {m.path: m.stage for m in self.missing if m.side is side} for side in self.sides}
        return [side.missing([*gone[side.name]], [*gone[side.name].values()]) for side in self.sides if gone[side.name]]

    def holdings(self, kind: Kind) -> list[Holding]:
        """A kind's files on either side: a domain that changed has sources in another folder."""
        sections = [side.params().get("domain") for side in self.sides]
        found = [h for section in sections if isinstance(section, dict) for h in holdings(section, [kind])]
        return list({h.path: h for h in found if h.part != "imported"}.values())  # those are in no revision

    @contextmanager
    def opened(self, path: str) -> Iterator[tuple[BinaryIO | None, BinaryIO | None] | None]:
        """A file on both sides, None for a side that never had it; None for both where one cannot be had."""
        with ExitStack() as stack:
            files: list[BinaryIO | None] = []
            for side in self.sides:
                try:
                    file = side.open(path)
                except OutputMissing as error:
                    self.missing.append(error)
                    continue
                files.append(stack.enter_context(file) if file else None)
            yield (files[0], files[1]) if len(files) == 2 else None

    @contextmanager
    def indexed(self, holding: Holding) -> Iterator[tuple[Indexed, Indexed] | None]:
        """A file's blocks on both sides; None where neither side has it, or one cannot be had."""
        with self.opened(holding.path) as files:
            if files is None or files == (None, None):
                yield None
                return
            before, after = (
                Indexed(f"{holding.path} at {side.name}", file, ID_FIELDS[holding.kind])
                for side, file in zip(self.sides, files, strict=True)
            )
            yield before, after


def design(before: Side, after: Side) -> list[str]:
    """Prompts, rubric, personas and the other design files, each change in a phrase; and what does not parse."""
    (old, faults), (new, more) = (side.reader.domain(side.revision.tree) for side in (before, after))
    phrases = [f"{side.name}: {fault}" for side, found in ((before, faults), (after, more)) for fault in found]
    if old is None or new is None:
        return phrases
    if old.id != new.id:
        return [*phrases, f"domain {new.id} in place of {old.id}"]
    was, now = (s.reader.snapshot(s.revision.tree, domain).design for s, domain in ((before, old), (after, new)))
    return phrases + (design_changes(before.reader, was, now) if was and now else [])


def talks(pair: Pair, of_pairs: bool) -> list[Holding]:
    """Files of transcripts: those that are learned from, or those in which a model is tested."""
    return [holding for holding in pair.holdings("transcript") if (holding.part in PAIRS) == of_pairs]


def files(pair: Pair, holdings: Sequence[Holding], n_examples: int) -> Iterator[FileChange]:
    """The files that differ."""
    for holding in holdings:
        with pair.indexed(holding) as both:
            if both and (change := file_change(holding.path, *both, n_examples)):
                yield change


def verdicts(pair: Pair, limit: int) -> Iterator[VerdictChange]:
    """Files of verdicts with an answer that changed."""
    for holding in pair.holdings("verdict"):
        with pair.indexed(holding) as both:
            if both and (change := verdict_change(holding.path, *both, _other_words(pair, holding.part), limit)):
                yield change


def _other_words(pair: Pair, part: str) -> set[str]:
    """Transcripts of a part that are not the same on both sides."""
    found: set[str] = set()
    for holding in pair.holdings("transcript"):
        if holding.part == part:
            with pair.indexed(holding) as both:
                found |= set(compare(both[0].blocks, both[1].blocks).changed) if both else set()
    return found


def scores(pair: Pair, limit: int) -> Iterator[ScoreChange]:
    """Files of scores in which a score moved or crossed the pass line."""
    for holding in pair.holdings("score"):
        with pair.indexed(holding) as both:
            if both and (change := score_change(holding.path, *both, limit)):
                yield change


def _splits(pair: Pair, found: Difference) -> None:
    """People whose examples moved between splits, and examples that came, went or changed."""
    people: tuple[dict[str, str], dict[str, str]] = ({}, {})
    n_now: Counter[str] = Counter()
    for holding in pair.holdings("example"):
        with pair.opened(holding.path) as files:
            for number, file in enumerate(files or ()):
                for line in file or ():
                    try:
                        persona = id_of(line, "persona_id") or ""
                    except JsonFault:
                        continue  # `indexed` tells of it
                    people[number][persona] = holding.part
                    n_now[persona] += number
        with pair.indexed(holding) as both:
            if both and (change := file_change(holding.path, *both, 0)):
                found.examples.append(change)
    moved = [(p, was, people[1].get(p)) for p, was in people[0].items()]
    found.moves = [Move(p, was, now, n_now[p]) for p, was, now in moved if now and now != was]


def metrics(before: Side, after: Side) -> list[str]:
    """Numbers and decisions in metrics/ that differ, each with the amount."""
    old, new = metric_values(before), metric_values(after)
    keys = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    return [
        f"{key} {_shown(old.get(key))} -> {_shown(new.get(key))}{_amount(old.get(key), new.get(key))}" for key in keys
    ]


def metric_values(side: Side) -> dict[str, Any]:
    """The leaves of every file in metrics/, by stage and dotted key."""
    objects, found = side.reader.objects, {}
    for path, blob in objects.files(side.revision.tree, "metrics").items():
        try:
            value = json.loads(objects.read(blob) or b"")
        except ValueError:
            value = "not JSON"
        stage = path.removeprefix("metrics/").removesuffix(".json").replace("/", "@")
        found |= leaves(value, f"{stage}: ")
    return found


def _amount(before: Any, after: Any) -> str:
    numbers = [v for v in (before, after) if isinstance(v, int | float) and not isinstance(v, bool)]
    return f" ({after - before:+.4g})" if len(numbers) == 2 else ""


def _shown(value: Any) -> str:
    return "none" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
