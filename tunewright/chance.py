"""Agreement beyond what chance would give."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

A = TypeVar("A", bound=Hashable)
ROUNDING = 1e-9


def by_chance(one: Mapping[A, float], other: Mapping[A, float]) -> float:
    """How often (0 to 1) two sides would agree by chance, that give answers with these shares."""
    return sum(share * other.get(answer, 0.0) for answer, share in one.items())


def kappa(agreement: float, chance: float) -> float | None:
    """Cohen's kappa (doi 10.1177/001316446002000104), at least -1; None where chance alone would agree as well."""
    return None if chance > 1 - ROUNDING else max(-1.0, (agreement - chance) / (1 - chance))


def shares(counts: Mapping[A, int]) -> dict[A, float]:
    """Counts as shares of their sum."""
    total = sum(counts.values())
    return {answer: count / total for answer, count in counts.items()}
