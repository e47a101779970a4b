"""Two yes/no outcomes of the same items, which come in clusters: their shares, the difference, and its bounds.

A difference of shares seldom looks normal: failures are few, and where nothing differs a t interval has no width. The
bounds here come from exact limits of the two kinds of flips, so that nothing seen never means nothing possible.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from scipy import stats

from tunewright.proportions import Share, share_of
from tunewright.statistics import check_probability, clustered_mean, sign_test_p

SETTLE_MAX = 100_000  # clusters; beyond this no number is named


@dataclass(frozen=True)
class Flips:
    """How many items say yes on both sides, on one of them, on neither."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def n(self) -> int:
        """All items."""
        return self.both + self.only_first + self.only_second + self.neither


@dataclass(frozen=True)
class PairedShares:
    """Both shares with cluster-aware intervals, second minus first with interval and p, and what flipped.

    `p` is None where no cluster differs from another; `mcnemar_p` takes items as independent.
    """

    first: Share
    second: Share
    flips: Flips
    difference: float
    low: float
    high: float
    p: float | None
    mcnemar_p: float


def flips_of(first: Sequence[bool], second: Sequence[bool]) -> Flips:
    """The fourfold table of two outcomes of the same items."""
    pairs = list(zip(first, second, strict=True))
    return Flips(
        *(sum(p == kind for p in pairs) for kind in ((True, True), (True, False), (False, True), (False, False)))
    )


def paired_shares(
    first: Sequence[bool], second: Sequence[bool], clusters: Sequence[Hashable], confidence: float
) -> PairedShares | None:
    """Second against first; None with fewer than 2 clusters.

    The interval is the clustered t of the items' differences (-1, 0, 1); where clusters do not vary, `difference_bound`
    on both sides with clusters as the unit.
    """
    if len(set(clusters)) < 2:
        return None
    flips = flips_of(first, second)
    found = clustered_mean([float(b) - float(a) for a, b in zip(first, second, strict=True)], clusters, confidence)
    low, high, p = max(found.low, -1.0), min(found.high, 1.0), found.p
    if not found.has_variation:
        one_sided = (1 + confidence) / 2
        lost, gained = flips.only_first / flips.n, flips.only_second / flips.n
        n = worst_case_n(clusters)
        low, high, p = -difference_bound(gained, lost, n, one_sided), difference_bound(lost, gained, n, one_sided), None
    shares = [share_of(side, clusters, confidence) for side in (first, second)]
    mcnemar = sign_test_p(flips.only_second, flips.only_first)
    return PairedShares(shares[0], shares[1], flips, found.mean, low, high, p, mcnemar)


def worst_case_n(clusters: Sequence[Hashable]) -> float:
    """The independent items that clustered ones are worth if all of a cluster are alike: n^2 / sum of squared sizes.

    Kish's largest design effect (1965, Survey Sampling). Of clusters of one size that is the number of clusters.
    """
    sizes: dict[Hashable, int] = {}
    for cluster in clusters:
        sizes[cluster] = sizes.get(cluster, 0) + 1
    if not sizes:
        raise ValueError("needs at least one item")
    return sum(sizes.values()) ** 2 / sum(size * size for size in sizes.values())


def clopper_pearson(count: float, n: float, confidence: float) -> tuple[float, float]:
    """The two one-sided exact limits of a share, each with this confidence (doi 10.1093/biomet/26.4.404).

    Neither need be whole (Korn and Graubard 1998, Survey Methodology 24:193). Of 0 in n the upper one is
    1 - (1 - confidence)^(1 / n): the "rule of three", about 3 / n at 95%.
    """
    check_probability(confidence, "confidence")
    if n <= 0 or not 0 <= count <= n:
        raise ValueError(f"a share needs n > 0 and 0 <= count <= n, found {count:g} of {n:g}")
    low = float(stats.beta.ppf(1 - confidence, count, n - count + 1)) if count else 0.0
    return low, float(stats.beta.ppf(confidence, count + 1, n - count)) if count < n else 1.0


def difference_bound(only_first: float, only_second: float, n: float, confidence: float) -> float:
    """Upper bound (one-sided, -1 to 1) of second minus first, from the shares of items that only one side has.

    The method of variance estimates recovery (Zou and Donner 2008, doi 10.1002/sim.3095) on the Clopper-Pearson limits
    of the two kinds of flips, whose correlation as parts of one whole is known. With no flip it is the exact bound.
    """
    low_first, _ = clopper_pearson(only_first * n, n, confidence)
    _, high_second = clopper_pearson(only_second * n, n, confidence)
    up, down = high_second - only_second, only_first - low_first
    odds = [share / (1 - share) if share < 1 else 0.0 for share in (only_first, only_second)]
    together = math.sqrt(odds[0] * odds[1])  # minus the correlation
    return min(1.0, only_second - only_first + math.sqrt(up * up + down * down + 2 * together * up * down))


def n_for_bound(only_first: float, only_second: float, margin: float, confidence: float) -> int | None:
    """The least n at which these shares of flips would give a bound below `margin`; None over SETTLE_MAX."""
    low, high = 1, 1
    while not difference_bound(only_first, only_second, high, confidence) < margin:
        low, high = high + 1, high * 2
        if low > SETTLE_MAX:
            return None
    while low < high:
        middle = (low + high) // 2
        enough = difference_bound(only_first, only_second, middle, confidence) < margin
        low, high = (low, middle) if enough else (middle + 1, high)
    return low
