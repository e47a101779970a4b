"""Shares of yes/no outcomes that come in clusters, compared, correlated and followed over batches.

Where a person has several conversations, or a conversation several replies, items of one cluster count for less than
as many independent ones: by the design effect, which is estimated and lies between 1 (independent) and Kish's value
for items that are all alike within their cluster. With one item a cluster everything here is the textbook's formula.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import gammaln

from tunewright.statistics import wilson_interval

TIE = 1e-9  # relative; tables of equal probability may differ by rounding
SETTLE_MAX = 10_000  # conversations; beyond this no number is named


@dataclass(frozen=True)
class Share:
    """A share (0 to 1) with its interval. `n_effective`: the independent items that the n are worth."""

    count: int
    n: int
    n_clusters: int
    n_effective: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A group's share against that of all others: the difference (-1 to 1) with its interval and two-sided p."""

    inside: Share
    outside: Share
    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Phi:
    """How two yes/no answers go together (-1 to 1). None where one never varies, or with under 4 clusters."""

    phi: float | None
    low: float | None
    high: float | None
    n: int
    n_clusters: int


@dataclass(frozen=True)
class Trend:
    """The Cochran-Armitage test. `z` is below 0 where the share falls; `p_falling` is one-sided."""

    z: float
    p_falling: float


def share_of(hits: Sequence[bool], clusters: Sequence[Hashable], confidence: float) -> Share:
    """The share of hits with a Wilson interval at the effective n (Dean and Pagano 2015, doi 10.1093/jssam/smv024).

    Raises ValueError for no items, or not one cluster an item.
    """
    n, count = len(hits), sum(hits)
    effect = design_effect(hits, clusters)
    n_effective = n / effect
    low, high = wilson_interval(count / effect, n_effective, confidence)
    return Share(count, n, len(set(clusters)), n_effective, count / n, low, high)


def design_effect(hits: Sequence[bool], clusters: Sequence[Hashable]) -> float:
    """The variance of the share by clusters over that of independent items; 1 with one item a cluster.

    Where all items are alike nothing can be estimated, and Kish's largest value (sum of squared sizes over n; Kish
    1965, Survey Sampling) stands in.
    """
    n, count = len(hits), sum(hits)
    if n < 1 or len(clusters) != n:
        raise ValueError(f"a share needs at least one item and one cluster an item, found {n} and {len(clusters)}")
    sizes, sums = {}, {}
    for hit, cluster in zip(hits, clusters, strict=True):
        sizes[cluster], sums[cluster] = sizes.get(cluster, 0) + 1, sums.get(cluster, 0) + hit
    largest = sum(size * size for size in sizes.values()) / n
    if count in (0, n) or len(sizes) < 2:
        return largest
    share, k = count / n, len(sizes)
    residuals = sum((sums[c] - share * size) ** 2 for c, size in sizes.items())
    found = k / (k - 1) * (n - 1) / n * residuals / (n * share * (1 - share))
    return min(max(found, 1.0), largest)


def compare_shares(
    hits: Sequence[bool], clusters: Sequence[Hashable], inside: Sequence[bool], confidence: float
) -> Comparison:
    """Items of a group against all others; both must have some.

    The interval is Newcombe's hybrid score interval (1998, method 10, doi
    10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I), the p Fisher's exact test on counts divided by
    their design effects (Rao and Scott 1992, doi 10.2307/2532311) and rounded.
    """
    rows = list(zip(hits, clusters, inside, strict=True))
    one, two = (
        share_of([h for h, _, i in rows if i == side], [c for _, c, i in rows if i == side], confidence)
        for side in (True, False)
    )
    difference = one.share - two.share
    low = difference - math.hypot(one.share - one.low, two.high - two.share)
    high = difference + math.hypot(one.high - one.share, two.share - two.low)
    return Comparison(one, two, difference, low, high, _fisher(*_worth(one), *_worth(two)))


def _worth(share: Share) -> tuple[int, int]:
    hits, n = round(share.share * share.n_effective), round(share.n_effective)
    return hits, n - hits


@lru_cache(maxsize=4096)
def _fisher(a: int, b: int, c: int, d: int) -> float:
    found: Any = stats.fisher_exact([[a, b], [c, d]])
    return min(1.0, float(found.pvalue))


def phi_coefficient(
    left: Sequence[bool], right: Sequence[bool], clusters: Sequence[Hashable], confidence: float
) -> Phi:
    """The phi coefficient (Pearson's correlation of two yes/no answers) with an interval.

    The interval is Fisher's z with the delta method's variance (influence function of a correlation: xy - phi (x^2 +
    y^2) / 2 for standardised x, y), at half a count added to each cell so that a perfect table keeps a width, and n
    the number of clusters. Its ends are wide below about 20 clusters, which is the truth about them.
    """
    n, k = len(left), len(set(clusters))
    cells = np.array(
        [[sum((x, y) == (i, j) for x, y in zip(left, right, strict=True)) for j in (1, 0)] for i in (1, 0)]
    )
    product_of_margins = float(np.prod(cells.sum(0)) * np.prod(cells.sum(1)))
    if product_of_margins == 0 or k < 4:
        return Phi(None, None, None, n, k)
    phi = float(cells[0, 0] * cells[1, 1] - cells[0, 1] * cells[1, 0]) / math.sqrt(product_of_margins)
    shrunk, variance = _influence((cells + 0.5) / (n + 2))
    half = float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt(variance / k) / (1 - shrunk * shrunk)
    low, high = math.tanh(math.atanh(shrunk) - half), math.tanh(math.atanh(shrunk) + half)
    return Phi(phi, min(low, phi), max(high, phi), n, k)


def _influence(shares: np.ndarray) -> tuple[float, float]:
    """Phi of a table of shares, and the variance of one item's influence on it."""
    x, y = (np.array([1.0, 0.0]) - float(m[0]) for m in (shares.sum(1), shares.sum(0)))
    x, y = (v / math.sqrt(-float(v[0] * v[1])) for v in (x, y))  # a yes/no answer has variance p (1 - p)
    both = np.outer(x, y)
    phi = float((shares * both).sum())
    influence = both - phi / 2 * (x[:, None] ** 2 + y[None, :] ** 2)
    return phi, float((shares * influence**2).sum())


def homogeneity_p(counts: Sequence[int], sizes: Sequence[int]) -> float:
    """The p of "all batches have one rate", exact: tables no likelier than this one (Freeman and Halton 1951).

    For up to about four batches: it looks at every table with these margins. 1 when nothing varies. Raises ValueError
    for counts outside 0..size, or fewer than two batches.
    """
    if len(counts) < 2 or len(counts) != len(sizes) or any(not 0 <= c <= n for c, n in zip(counts, sizes, strict=True)):
        raise ValueError(f"needs two batches or more with 0 <= count <= size, found {list(counts)} of {list(sizes)}")
    logs = [[_log_choose(n, c) for c in range(n + 1)] for n in sizes]
    total, last = sum(counts), sizes[-1]
    seen = sum(log[c] for log, c in zip(logs, counts, strict=True))
    whole = _log_choose(sum(sizes), total)
    p = 0.0
    for table in product(*(range(n + 1) for n in sizes[:-1])):
        rest = total - sum(table)
        if 0 <= rest <= last:
            here = sum(log[c] for log, c in zip(logs, (*table, rest), strict=True))
            p += math.exp(here - whole) if here <= seen + TIE else 0.0
    return min(1.0, p)


def _log_choose(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def falling_trend(counts: Sequence[int], sizes: Sequence[int]) -> Trend | None:
    """Does the share fall from batch to batch (Cochran 1954, doi 10.2307/3001616; Armitage 1955, doi 10.2307/3001775)?

    None where there is nothing to test: fewer than two batches, or all items alike.
    """
    n, total = sum(sizes), sum(counts)
    if len(counts) < 2 or total in (0, n):
        return None
    share, places = total / n, range(len(counts))
    centre = sum(i * m for i, m in zip(places, sizes, strict=True)) / n
    statistic = sum(i * (c - m * share) for i, c, m in zip(places, counts, sizes, strict=True))
    spread = sum(m * (i - centre) ** 2 for i, m in zip(places, sizes, strict=True))
    z = statistic / math.sqrt(share * (1 - share) * spread)
    return Trend(z, float(stats.norm.cdf(z)))


def n_to_settle(share: float, marks: Sequence[float], n_min: int, confidence: float) -> int | None:
    """The least n, from `n_min` on, at which a Wilson interval around this share has no mark inside.

    None above SETTLE_MAX: the share is too close to a mark, or on it.
    """

    def settled(n: int) -> bool:
        low, high = wilson_interval(share * n, n, confidence)
        return not any(low < mark <= high for mark in marks)

    if not settled(SETTLE_MAX):
        return None
    low, high = max(1, n_min), SETTLE_MAX
    while low < high:  # the interval narrows with n, so it stays settled
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle + 1, high)
    return low
