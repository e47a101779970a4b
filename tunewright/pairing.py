"""Pairs of conversations, base and tuned with one person, as people compare them: which, and which side is shown as A.

A pair is left out where either side ended in a failure or the simulator review leaves it out. Which side is A follows
from a stable hash: the same for every reader, and not to be guessed from anything that is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from tunewright.preferences import OVERALL, Better, Preference
from tunewright.records import Transcript, digest, stable_unit
from tunewright.rubric import SAFETY, Rubric
from tunewright.sound import Reviews, evaluated, read_sound

Side = Literal["A", "B", "tie"]  # what a reader says is better
SIDES = ("base", "tuned")
MADE_BY = "evaluate-simulator"  # of both sides; it runs what makes the conversations first


@dataclass(frozen=True)
class TalkPair:
    """Two whole conversations of one person."""

    base: Transcript
    tuned: Transcript

    @property
    def id(self) -> str:
        """Both transcripts have it."""
        return self.base.id

    @cached_property  # thousands of words: not to be hashed again for every decision
    def hashes(self) -> tuple[str, str]:
        """The content hashes of base and tuned."""
        return self.base.content_hash, self.tuned.content_hash

    @property
    def base_is_a(self) -> bool:
        """Whether the base is shown as A."""
        return stable_unit("which side is A", self.id, *self.hashes) < 0.5

    @property
    def shown(self) -> tuple[Transcript, Transcript]:
        """A and B."""
        return (self.base, self.tuned) if self.base_is_a else (self.tuned, self.base)

    @property
    def token(self) -> str:
        """16 hex digits that change with the words shown, and tell nothing of whose they are."""
        return digest([self.id, *(self.hashes if self.base_is_a else self.hashes[::-1])])[:16]

    def better(self, side: Side) -> Better:
        """The model that a reader means."""
        if side == "tie":
            return "tie"
        return "base" if (side == "A") == self.base_is_a else "tuned"

    def side(self, better: Better) -> Side:
        """What the reader said when this was kept."""
        if better == "tie":
            return "tie"
        return "A" if (better == "base") == self.base_is_a else "B"


def read_pairs(root: Path = Path()) -> list[TalkPair]:
    """All pairs that people can compare, by id; raises MissingInputError naming the stage to run."""
    talks = {side: {t.id: t for t in _read_side(root, side) if t.failure is None} for side in SIDES}
    shared = sorted(talks["base"].keys() & talks["tuned"].keys())
    return [TalkPair(talks["base"][i], talks["tuned"][i]) for i in shared]


def input_paths(root: Path = Path()) -> list[Path]:
    """The files that `read_pairs` reads."""
    names = [f"data/evaluate/{kind}/{side}.jsonl" for side in SIDES for kind in ("transcripts", "simulator")]
    return [root / name for name in names]


def _read_side(root: Path, side: str) -> list[Transcript]:
    talks = root / "data/evaluate/transcripts" / f"{side}.jsonl"
    return read_sound(talks, MADE_BY, Reviews(root / evaluated(side).path, MADE_BY))


def to_compare(pairs: Sequence[TalkPair], count: int, seed: int) -> list[TalkPair]:
    """The pairs that people are asked about: `count` at most, by stable hash, one of each person before any second."""
    turns: dict[str, int] = {}
    ranked = []
    for pair in sorted(pairs, key=lambda p: stable_unit("compare", seed, p.id)):
        turn = turns[pair.base.persona_id] = turns.get(pair.base.persona_id, 0) + 1
        ranked.append((turn, stable_unit("compare whom", seed, pair.base.persona_id), pair))
    return [pair for *_, pair in sorted(ranked, key=lambda row: row[:2])[:count]]


def questions(rubric: Rubric) -> dict[str, str]:
    """What is asked of a pair: every category by its title, safety where the rubric has gates, and the whole."""
    safety = {SAFETY: "Safer"} if rubric.gates else {}
    return {name: category.title for name, category in rubric.categories.items()} | safety | {OVERALL: "Overall"}


def split_stale(
    lines: Sequence[Preference], pairs: Sequence[TalkPair], asked: Collection[str]
) -> tuple[list[Preference], list[tuple[Preference, str]]]:
    """Preferences that hold, and those that do not with the reason: words that changed, a question that is gone."""
    now = {pair.id: pair.hashes for pair in pairs}
    reasons = [(line, _why_stale(line, now, asked)) for line in lines]
    return [line for line, why in reasons if not why], [(line, why) for line, why in reasons if why]


def _why_stale(line: Preference, now: Mapping[str, tuple[str, str]], asked: Collection[str]) -> str:
    if line.transcript_id not in now:
        return "its conversations are gone"
    if now[line.transcript_id] != (line.base_hash, line.tuned_hash):
        return "its conversations have changed"
    return "" if line.question in asked else "its question is gone"
