"""The standardised mean difference of a paired, clustered comparison.

d = mean / SD of the clusters' mean differences (Cohen's d_z: Lakens 2013, doi 10.3389/fpsyg.2013.00863), times the
exact small-sample correction of Hedges (1981, doi 10.3102/10769986006002107). Its size depends on how alike the two
sides of a pair are, so it must not be compared with a d of unpaired groups.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import optimize, special, stats

from tunewright.statistics import ROUNDING, check_probability, cluster_means

CLUSTERS_MIN = 3  # the correction has no value with fewer


@dataclass(frozen=True)
class EffectSize:
    """How many standard deviations of the clusters' differences the mean difference is."""

    value: float
    low: float
    high: float
    n_clusters: int


def standardised_difference(
    differences: Sequence[float], clusters: Sequence[Hashable], confidence: float
) -> EffectSize | None:
    """The effect size, each cluster counted once; None with under 3 clusters or where they do not vary.

    The interval is exact for normal cluster means: the noncentralities between which the t that was seen is not in a
    tail of the noncentral t (Steiger and Fouladi 1997), over sqrt(C). It is of the population's value, so it is not
    corrected.
    """
    check_probability(confidence, "confidence")
    means = cluster_means(differences, clusters)
    count = len(means)
    spread = float(means.std(ddof=1)) if count >= CLUSTERS_MIN else 0.0
    if spread <= ROUNDING * max(1.0, float(abs(means).max())):
        return None
    raw, df, root = float(means.mean()) / spread, count - 1, math.sqrt(count)
    tail = (1 - confidence) / 2
    low, high = (_noncentrality(raw * root, df, share) / root for share in (tail, 1 - tail))
    return EffectSize(raw * hedges_correction(df), low, high, count)


def hedges_correction(df: int) -> float:
    """Gamma(df / 2) / (sqrt(df / 2) Gamma((df - 1) / 2)): what makes d unbiased; below 1, for df of 2 or more."""
    if df < 2:
        raise ValueError(f"the correction needs 2 degrees of freedom or more, found {df}")
    return math.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / math.sqrt(df / 2)


def _noncentrality(t: float, df: int, upper_share: float) -> float:
    """The noncentrality under which a t of `t` or more has this probability."""
    distribution: Any = stats.nct

    def excess(ncp: float) -> float:
        return float(distribution.sf(t, df, ncp)) - upper_share

    low, high, step = t, t, 1.0
    while excess(low) > 0:
        low, step = low - step, step * 2
    step = 1.0
    while excess(high) < 0:
        high, step = high + step, step * 2
    found: Any = optimize.brentq(excess, low, high)
    return float(found)
