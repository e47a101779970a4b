"""How much of the variation of nested measurements comes from each level: people, their conversations, reruns.

Analysis of variance with unbalanced groups (Henderson's method 1; Searle, Casella and McCulloch 1992, Variance
Components, ch. 5): the sum of squares of each level is set to what it is expected to be, and the equations are solved.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunewright.statistics import ROUNDING

Counts = NDArray[np.intp]


@dataclass(frozen=True)
class Component:
    """One level's variance, and its part of the mean's squared standard error.

    `negative`: the estimate was below 0, as happens where a level adds little, and is shown as 0.
    """

    source: str
    variance: float
    of_squared_se: float
    negative: bool


def variance_components(
    values: Sequence[float], levels: Mapping[str, Sequence[Hashable]], residual: str
) -> list[Component]:
    """The components of nested levels, outermost first; `residual` names what varies within the innermost.

    `levels`: a label per value for each level; labels of an inner level must tell apart groups of different outer ones.
    A level whose groups are those of the level before it cannot be told from it and is left out; so is the residual
    where the innermost groups have one value each. Raises ValueError for fewer than 2 values or groups not nested.
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size < 2 or not np.isfinite(array).all():
        raise ValueError(f"needs at least 2 finite values, found {array.size}")
    codes = _distinct(array.size, levels, residual)
    sums = [float((np.bincount(c, array) ** 2 / np.bincount(c)).sum()) for c in codes.values()]
    spread = np.array([[_coefficient(g, h) for h in list(codes.values())[1:]] for g in codes.values()])
    # the sum of squares of level l is sums[l] - sums[l - 1]; so is its expectation
    estimates = np.linalg.solve(np.diff(spread, axis=0), np.diff(sums))
    tiny = ROUNDING * max(1.0, float((array**2).max()))
    return [
        Component(name, max(0.0, float(v)), max(0.0, float(v)) * float(spread[0, k]) / array.size, bool(v < -tiny))
        for k, (name, v) in enumerate(zip(list(codes)[1:], estimates, strict=True))
    ]


def _distinct(n: int, levels: Mapping[str, Sequence[Hashable]], residual: str) -> dict[str, Counts]:
    """Codes of the whole, then of each level that divides the one before it further, the values themselves last."""
    found = {"": np.zeros(n, dtype=np.intp)}
    last = 1
    for name, labels in [*levels.items(), (residual, range(n))]:
        order: dict[Hashable, int] = {}
        codes = np.array([order.setdefault(label, len(order)) for label in labels], dtype=np.intp)
        outer = list(found.values())[-1]
        if len(codes) != n or len(set(zip(codes.tolist(), outer.tolist(), strict=True))) > len(order):
            raise ValueError(f"level {name!r}: needs a label a value and groups inside those of the level before it")
        if len(order) > last:
            found[name], last = codes, len(order)
    return found


def _coefficient(groups: Counts, finer: Counts) -> float:
    """The weight of a level's variance in the sum, over groups, of squared group totals over group sizes."""
    if groups.max() > finer.max():
        return float(len(groups))  # it is the same throughout a group
    sizes = np.bincount(finer).astype(float)
    group_of = np.zeros(len(sizes), dtype=np.intp)
    group_of[finer] = groups
    return float((np.bincount(group_of, sizes**2) / np.bincount(groups)).sum())
