"""What tuning did to a model's general abilities: the same probes, right or wrong, before and after. Pure arithmetic.

A probe is right or wrong on both sides, so the pairs in which the sides differ are the evidence: McNemar's exact test
on them, and Holm over the categories. Probes are no sample of all that a model can do; they are what was asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tunewright.ability_verdicts import INTACT, LOST, OPEN
from tunewright.probes import Answered
from tunewright.rounding import as_json
from tunewright.statistics import holm, paired_shares_interval, sign_test_p


@dataclass(frozen=True)
class Row:
    """The probes of one category, or of all: how many each side got right; shares 0 to 1, their difference -1 to 1."""

    n: int
    base_right: int
    tuned_right: int
    both: int
    only_base: int
    only_tuned: int
    neither: int
    base_share: float
    tuned_share: float
    difference: float  # tuned - base
    low: float
    high: float
    p_value: float
    p_holm: float | None = None  # None: not one of several


Both = tuple[Answered, Answered]  # base and tuned on one probe


def answered_by_both(base: Sequence[Answered], tuned: Sequence[Answered]) -> list[Both]:
    """The probes to which both models gave a reply, in the order of the base."""
    there = {one.probe: one for one in tuned if one.passed is not None}
    return [(one, there[one.probe]) for one in base if one.passed is not None and one.probe in there]


def row(pairs: Sequence[Both], confidence: float) -> Row:
    """The counts of some probes, of which there must be one at least."""
    said = [(bool(one.passed), bool(other.passed)) for one, other in pairs]
    both, only_base, only_tuned, neither = (
        said.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))
    )
    n, base_right, tuned_right = len(said), both + only_base, both + only_tuned
    low, high = paired_shares_interval(only_tuned, only_base, n, confidence)
    shares = (base_right / n, tuned_right / n, (tuned_right - base_right) / n)
    cells = (n, base_right, tuned_right, both, only_base, only_tuned, neither)
    return Row(*cells, *shares, low, high, sign_test_p(only_base, only_tuned))


def capability_numbers(
    base: Sequence[Answered],
    tuned: Sequence[Answered],
    titles: Mapping[str, str],
    loss_max: float,
    confidence: float,
    n_examples: int,
) -> dict[str, Any]:
    """Everything that is said about the probes; `loss_max`: the loss of shares (0 to 1) that is put up with."""
    pairs = answered_by_both(base, tuned)
    if not pairs:
        return {"n_probes": 0, "n_unscored": len(base), "verdict": None, "says": "no probe was answered by both models"}
    names = [name for name in titles if any(one.category == name for one, _ in pairs)]
    rows = {name: row([pair for pair in pairs if pair[0].category == name], confidence) for name in names}
    adjusted = dict(zip(rows, holm([one.p_value for one in rows.values()]), strict=True))
    rows = {name: replace(one, p_holm=adjusted[name]) for name, one in rows.items()}
    overall = row(pairs, confidence)
    lost = [name for name, one in rows.items() if one.difference < 0 and adjusted[name] < 1 - confidence]
    verdict = verdict_of(overall, lost, loss_max)
    return {
        "n_probes": len(pairs),
        "n_unscored": max(len(base), len(tuned)) - len(pairs),
        "confidence": confidence,
        "loss_max": loss_max,
        "verdict": verdict,
        "says": says(verdict, overall, [titles[name] for name in lost], loss_max),
        "lost": lost,
        "overall": as_json(overall),
        "categories": as_json(rows),
        "titles": {name: titles[name] for name in names},
        "examples": examples(pairs, n_examples),
    }


def verdict_of(overall: Row, lost: Sequence[str], loss_max: float) -> str:
    """Lost: over `loss_max` fewer right in all, or surely fewer in a category. Open: the interval holds such a loss."""
    if overall.difference < -loss_max or lost:
        return LOST
    return OPEN if overall.low < -loss_max else INTACT


def says(verdict: str, overall: Row, lost: Sequence[str], loss_max: float) -> str:
    """The verdict in a sentence, with the numbers that it rests on."""
    where = f"; surely worse in {', '.join(lost)}" if lost else ""
    meaning = {
        LOST: f"general abilities were lost (up to {loss_max:.0%} fewer right is put up with){where}",
        OPEN: f"a loss of more than {loss_max:.0%} is not excluded",
        INTACT: f"a loss of more than {loss_max:.0%} is excluded",
    }[verdict]
    return (
        f"base gets {overall.base_right} of {overall.n} probes right, tuned {overall.tuned_right} "
        f"({overall.difference:+.0%}, {overall.low:+.0%} to {overall.high:+.0%}): {meaning}"
    )


def examples(pairs: Sequence[Both], count: int) -> list[dict[str, Any]]:
    """Probes that one side alone got right, at most `count` for each side, spread over the categories."""
    found: list[dict[str, Any]] = []
    for side in ("base", "tuned"):
        differing = [(b, t) for b, t in pairs if b.passed != t.passed and bool(b.passed) == (side == "base")]
        place: dict[str, int] = {}
        ranked = []
        for number, pair in enumerate(differing):
            category = pair[0].category
            place[category] = place.get(category, 0) + 1
            ranked.append((place[category], number, pair))
        found += [
            {"id": b.probe, "category": b.category, "ask": b.ask, "base": b.reply, "tuned": t.reply, "right": side}
            for _, _, (b, t) in sorted(ranked, key=lambda one: one[:2])[:count]
        ]
    return found
