"""How far judges agree with each other, beside what chance would give: by pair of judges and by criterion.

Agreement with people's labels is another matter (`agreement`): two judges can agree and both be wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from tunewright.records import Answer

Opinions = Mapping[str, Mapping[str, Answer | None]]  # of one transcript: answers that count, by judge and criterion
ROUNDING = 1e-9


def judge_agreement(transcripts: Sequence[Opinions], criteria: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each pair of judges ("a and b", by name): n, agreement and kappa over all criteria and for each of them."""
    judges = sorted({judge for opinions in transcripts for judge in opinions})
    found = {}
    for one, other in combinations(judges, 2):
        answers = {c: list(_both(transcripts, one, other, c)) for c in criteria}
        together = [pair for pairs in answers.values() for pair in pairs]
        by_criterion = {c: compared(pairs) for c, pairs in answers.items() if pairs}
        found[f"{one} and {other}"] = {"all": compared(together), "criteria": by_criterion}
    return found


def lowest_agreement(found: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The agreement over all criteria of the pair that agrees least; None where no two judges answered the same."""
    shares = [pair["all"]["agreement"] for pair in found.values() if pair["all"]["n"]]
    return min(shares, default=None)


def _both(transcripts: Sequence[Opinions], one: str, other: str, criterion: str) -> Iterator[tuple[Answer, Answer]]:
    """The answers of two judges to one criterion, where both gave one that counts."""
    for opinions in transcripts:
        first, second = opinions.get(one, {}).get(criterion), opinions.get(other, {}).get(criterion)
        if first is not None and second is not None:
            yield first, second


def compared(pairs: Sequence[tuple[Answer, Answer]]) -> dict[str, float | int | None]:
    """The share of equal answers (0 to 1) and Cohen's kappa (doi 10.1177/001316446002000104).

    Kappa is None where both judges give one and the same answer throughout: chance alone would then agree as well.
    """
    n = len(pairs)
    if not n:
        return {"n": 0, "agreement": None, "kappa": None}
    agreement = sum(one == other for one, other in pairs) / n
    first, second = (Counter(pair[side] for pair in pairs) for side in (0, 1))
    by_chance = sum(first[answer] * second[answer] for answer in first) / n**2
    kappa = None if by_chance > 1 - ROUNDING else round((agreement - by_chance) / (1 - by_chance), 4)
    return {"n": n, "agreement": round(agreement, 4), "kappa": kappa}
