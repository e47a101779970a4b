"""How far judges agree with each other, beside what chance would give: by pair of judges and by criterion.

Agreement with people's labels is another matter (`agreement`): two judges can agree and both be wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, TypeVar

from tunewright.chance import by_chance, kappa, shares
from tunewright.records import Answer

Opinions = Mapping[str, Mapping[str, Answer | None]]  # of one transcript: answers that count, by judge and criterion
Both = tuple[Answer, Answer]  # what two judges say of one criterion
A = TypeVar("A", bound=str)  # what may be answered


class Agreeing:
    """Counts the answers of every two judges, transcript by transcript."""

    def __init__(self, criteria: Sequence[str]) -> None:
        self._criteria = criteria
        self._counts: dict[tuple[str, str], dict[str, Counter[Both]]] = {}

    def add(self, opinions: Opinions) -> None:
        """Count one transcript."""
        for one, other in combinations(sorted(opinions), 2):
            counts = self._counts.setdefault((one, other), {})
            for criterion in self._criteria:
                first, second = opinions[one].get(criterion), opinions[other].get(criterion)
                if first is not None and second is not None:
                    counts.setdefault(criterion, Counter())[first, second] += 1

    def found(self) -> dict[str, dict[str, Any]]:
        """For each pair of judges ("a and b", by name): n, agreement and kappa over all criteria and for each."""
        return {
            f"{one} and {other}": {
                "all": compared(sum(counts.values(), Counter[Both]())),
                "criteria": {c: compared(counts[c]) for c in self._criteria if c in counts},
            }
            for (one, other), counts in sorted(self._counts.items())
        }


def lowest_agreement(found: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The agreement over all criteria of the pair that agrees least; None where no two judges answered the same."""
    shares = [pair["all"]["agreement"] for pair in found.values() if pair["all"]["n"]]
    return min(shares, default=None)


def compared(counts: Counter[tuple[A, A]]) -> dict[str, float | int | None]:
    """The share of equal answers (0 to 1) and Cohen's kappa (doi 10.1177/001316446002000104).

    Kappa is None where both judges give one and the same answer throughout: chance alone would then agree as well.
    """
    n = counts.total()
    if not n:
        return {"n": 0, "agreement": None, "kappa": None}
    agreement = sum(times for (one, other), times in counts.items() if one == other) / n
    first, second = Counter[A](), Counter[A]()
    for (one, other), times in counts.items():
        first[one] += times
        second[other] += times
    corrected = kappa(agreement, by_chance(shares(first), shares(second)))
    return {"n": n, "agreement": round(agreement, 4), "kappa": corrected if corrected is None else round(corrected, 4)}
