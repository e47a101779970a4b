"""What a clustered comparison of a given size can find: power, smallest detectable effect, clusters needed.

All of it is the exact power of the two-sided t test on cluster means, by the noncentral t distribution (Cohen 1988,
Statistical Power Analysis, ch. 2); it takes the standard error as known from the clusters at hand, which with few of
them it is not: a range, not a promise.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from scipy import optimize, stats

from tunewright.statistics import check_probability

NCP_MAX = 1e6  # no test of interest needs more


def power_of(effect: float, se: float, n_clusters: int, confidence: float) -> float:
    """The chance (0 to 1) that a clustered t test with this SE finds a true mean of `effect`.

    Raises ValueError for fewer than 2 clusters or an SE that is not above 0.
    """
    check_probability(confidence, "confidence")
    if n_clusters < 2 or not 0 < se < math.inf:
        raise ValueError(f"needs at least 2 clusters and a finite SE above 0, found {n_clusters} and {se}")
    return _power(abs(effect) / se, n_clusters - 1, confidence)


def minimum_detectable_effect(se: float, n_clusters: int, confidence: float, power: float) -> float:
    """The true mean that a two-sided clustered t test with this SE would find with this power.

    An SE of 0 gives 0.
    """
    check_probability(confidence, "confidence")
    check_probability(power, "power")
    if n_clusters < 2 or not 0 <= se < math.inf:
        raise ValueError(f"needs at least 2 clusters and a finite SE, found {n_clusters} and {se}")
    return _detectable(n_clusters - 1, confidence, power) * se


def clusters_needed(
    se: float, n_clusters: int, effect: float, confidence: float, power: float, limit: int = 100_000
) -> int | None:
    """How many clusters like these would make `effect` detectable with this power; None over `limit`.

    Takes the SE to shrink with the square root of the number of clusters.
    """
    if effect <= 0:
        raise ValueError(f"the effect to detect must be above 0, found {effect}")

    def detects(count: int) -> bool:
        return minimum_detectable_effect(se * math.sqrt(n_clusters / count), count, confidence, power) <= effect

    low, high = 2, 2
    while not detects(high):  # the effect that can be detected falls with every cluster added
        low, high = high + 1, high * 2
        if low > limit:
            return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if detects(middle) else (middle + 1, high)
    return low


def _power(ncp: float, df: int, confidence: float) -> float:
    distribution: Any = stats.nct  # scipy's stubs do not know its shape parameters
    critical = float(stats.t.ppf((1 + confidence) / 2, df))
    return float(distribution.sf(critical, df, ncp) + distribution.sf(critical, df, -ncp))


@lru_cache(maxsize=1024)
def _detectable(df: int, confidence: float, power: float) -> float:
    """The effect in standard errors."""
    if power <= 1 - confidence:
        return 0.0  # chance alone finds that often
    high = 4.0
    while _power(high, df, confidence) < power:
        high *= 2
        if high > NCP_MAX:
            raise ValueError(f"no effect gives a power of {power} with {df} degrees of freedom at {confidence}")
    found: Any = optimize.brentq(lambda ncp: _power(ncp, df, confidence) - power, 0.0, high)
    return float(found)
