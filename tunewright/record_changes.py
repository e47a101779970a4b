"""What changed in two versions of one file of records, as `record_index` has indexed them: verdicts, scores, examples.

Counts are of everything; examples are the first few, in the order of the file. An unscored verdict is no answer: it is
counted apart and is never a flip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunewright.record_index import Indexed, compare
from tunewright.wording import FirstChange, first_change

Key = tuple[str, str]  # criterion, judge
Row = Mapping[str, Any]


@dataclass(frozen=True)
class FileChange:
    """How a file differs by id; `examples` tell of the first transcripts that changed."""

    path: str
    n_before: int
    n_after: int
    added: list[str]
    removed: list[str]
    changed: list[str]
    examples: list[FirstChange]


@dataclass(frozen=True)
class Flip:
    """One answer that became another; `same_words` says that the transcript itself is the same."""

    transcript_id: str
    criterion: str
    judge: str
    before: str
    after: str
    reasoning_before: str
    reasoning_after: str
    same_words: bool


@dataclass
class CriterionFlips:
    """A criterion under one judge: flips by direction ("YES -> NO"), how many on transcripts that are the same."""

    criterion: str
    judge: str
    directions: dict[str, int] = field(default_factory=dict)
    on_same_words: int = 0
    now_unscored: int = 0
    now_scored: int = 0
    only_before: int = 0
    only_after: int = 0


@dataclass(frozen=True)
class VerdictChange:
    """One file of verdicts: counts for each criterion that changed, and some flips."""

    path: str
    n_flips: int
    criteria: list[CriterionFlips]
    examples: list[Flip]


@dataclass(frozen=True)
class Crossing:
    """A transcript whose result changed: pass, fail or open; scores are 0 to 1."""

    transcript_id: str
    before: str
    after: str
    score_before: float | None
    score_after: float | None


@dataclass(frozen=True)
class ScoreChange:
    """One file of scores: results that changed by direction, how many scores only moved, and some that crossed."""

    path: str
    directions: dict[str, int]
    n_moved: int
    examples: list[Crossing]


def file_change(path: str, before: Indexed, after: Indexed, n_examples: int) -> FileChange | None:
    """How a file differs by id; None where it does not. With `n_examples` its records are read as transcripts."""
    delta = compare(before.blocks, after.blocks)
    if not any(delta):
        return None
    examples = [first_change(i, before.records(i)[0], after.records(i)[0]) for i in delta.changed[:n_examples]]
    return FileChange(path, len(before.blocks), len(after.blocks), *delta, examples)


def verdict_change(
    path: str, before: Indexed, after: Indexed, other_words: Collection[str], limit: int
) -> VerdictChange | None:
    """Answers that changed on transcripts that both sides judged; `other_words` are transcripts that changed too."""
    criteria: dict[Key, CriterionFlips] = {}
    examples: list[Flip] = []
    n_flips = 0
    for id in compare(before.blocks, after.blocks).changed:
        for flip in flips(before.records(id), after.records(id), id not in other_words, criteria):
            n_flips += 1
            examples += [flip] * (len(examples) < limit)
    found = [c for c in criteria.values() if c != CriterionFlips(c.criterion, c.judge)]
    return VerdictChange(path, n_flips, found, examples) if found else None


def flips(
    before: Sequence[Row], after: Sequence[Row], same_words: bool, criteria: dict[Key, CriterionFlips]
) -> Iterator[Flip]:
    """One transcript's flips; what happened is counted in `criteria`."""
    old, new = ({(v["criterion"], v["judge"]): v for v in rows} for rows in (before, after))
    for key in dict.fromkeys([*old, *new]):
        count = criteria.setdefault(key, CriterionFlips(*key))
        left, right = old.get(key), new.get(key)
        if left is None or right is None:
            count.only_before += right is None
            count.only_after += left is None
            continue
        was, now = left.get("answer"), right.get("answer")
        count.now_unscored += now is None and was is not None
        count.now_scored += was is None and now is not None
        if was is not None and now is not None and was != now:
            direction = f"{was} -> {now}"
            count.directions[direction] = count.directions.get(direction, 0) + 1
            count.on_same_words += same_words
            yield Flip(right["transcript_id"], *key, was, now, _said(left), _said(right), same_words)


def score_change(path: str, before: Indexed, after: Indexed, limit: int) -> ScoreChange | None:
    """Results that changed on transcripts that both sides scored; None where no score differs."""
    directions: Counter[str] = Counter()
    examples: list[Crossing] = []
    n_moved = 0
    for id in compare(before.blocks, after.blocks).changed:
        old, new = before.records(id)[-1], after.records(id)[-1]
        was, now = result(old), result(new)
        n_moved += was == now and old.get("score") != new.get("score")
        if was != now:
            directions[f"{was} -> {now}"] += 1
            examples += [Crossing(id, was, now, old.get("score"), new.get("score"))] * (len(examples) < limit)
    return ScoreChange(path, dict(directions), n_moved, examples) if directions or n_moved else None


def result(score: Row) -> str:
    """A score's result in a word; `open` when coverage or an unscored gate leaves it undecided."""
    return {True: "pass", False: "fail", None: "open"}[score.get("passed")]


def _said(verdict: Row) -> str:
    """Why a verdict is as it is: the judge's reasoning, or a measure's numbers."""
    values = ", ".join(f"{name} {value:g}" for name, value in (verdict.get("values") or {}).items())
    return verdict.get("reasoning") or values
