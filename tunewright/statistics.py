"""Statistics for paired comparisons whose items come in clusters: plain arrays in, plain numbers out.

Conversations with one persona are not independent, so everything here takes a cluster label per item and counts
clusters, not items, as the evidence (Miller 2024, "Adding Error Bars to Evals", arXiv 2411.00640). No function
returns NaN: what cannot be estimated raises ValueError, and results at the edge are described where they arise.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
CHUNK = 1_000_000  # numbers held at once by the resampling loops: 8 MB
ROUNDING = 1e-12  # a standard error below this share of the values' size is rounding, not variation


@dataclass(frozen=True)
class ClusteredMean:
    """A mean with its cluster-robust t interval and the two-sided p of "the true mean is 0".

    Without variation between clusters `se` is 0, the interval has no width, `t` is 0 or infinite and `p` is 1 or 0:
    that is too few distinct values for a t test, and `permutation_p` is the number to go by.
    """

    mean: float
    se: float
    low: float
    high: float
    t: float
    p: float
    n: int
    n_clusters: int

    @property
    def has_variation(self) -> bool:
        """Whether the clusters differ at all, so that the interval and p mean something."""
        return self.se > 0


def clustered_mean(differences: Sequence[float], clusters: Sequence[Hashable], confidence: float) -> ClusteredMean:
    """Mean of items with SE = sqrt(C/(C-1) * sum_c (sum_{i in c} (d_i - mean))^2) / n and t with C-1 df.

    For a single level (the base model alone) pass its scores: the p then tests that level against 0.
    Raises ValueError for empty or non-finite input, fewer than 2 clusters, or a confidence outside (0, 1).
    """
    values, labels = _checked(differences, clusters)
    check_probability(confidence, "confidence")
    n, count = len(values), int(labels.max()) + 1
    if count < 2:
        raise ValueError(f"an interval needs at least 2 clusters, found {count}")
    mean = float(values.mean())
    residuals = np.bincount(labels, values - mean)  # (n_clusters,)
    se = math.sqrt(count / (count - 1) * float(residuals @ residuals)) / n
    if se <= ROUNDING * max(1.0, float(np.abs(values).max())):
        t = math.copysign(math.inf, mean) if mean else 0.0
        return ClusteredMean(mean, 0.0, mean, mean, t, 0.0 if mean else 1.0, n, count)
    t = mean / se
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1)) * se
    p = 2 * float(stats.t.sf(abs(t), count - 1))
    return ClusteredMean(mean, se, mean - half, mean + half, t, p, n, count)


def cluster_means(values: Sequence[float], clusters: Sequence[Hashable]) -> Floats:
    """The mean of every cluster, in order of appearance; raises ValueError as `clustered_mean` does."""
    array, labels = _checked(values, clusters)
    return np.bincount(labels, array) / np.bincount(labels)


def bootstrap_interval(
    differences: Sequence[float],
    clusters: Sequence[Hashable],
    confidence: float,
    samples: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Expanded percentile interval of the mean over resamples of whole clusters.

    Plain percentiles are too narrow with few clusters; these are taken further out, by t in place of z and by the
    factor sqrt(C / (C - 1)) (Hesterberg 2015, doi 10.1080/00031305.2015.1089789). It follows a skew that the t
    interval does not see; with under about 10 clusters it is little more than the range of their means.
    Raises ValueError as `clustered_mean` does, and for no samples.
    """
    values, labels = _checked(differences, clusters)
    check_probability(confidence, "confidence")
    sums, sizes = np.bincount(labels, values), np.bincount(labels).astype(float)
    count = len(sums)
    if count < 2 or samples < 1:
        raise ValueError(f"a bootstrap needs at least 2 clusters and 1 sample, found {count} and {samples}")
    means = np.empty(samples)
    for start, stop in _chunks(samples, count):
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=stop - start)  # (chunk, n_clusters)
        means[start:stop] = (drawn @ sums) / (drawn @ sizes)
    tail = expanded_tail(confidence, count)
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def expanded_tail(confidence: float, n_clusters: int) -> float:
    """The share of resampled means that lies beyond each end of the interval of `bootstrap_interval`."""
    reach = math.sqrt(n_clusters / (n_clusters - 1)) * stats.t.ppf((1 + confidence) / 2, n_clusters - 1)
    return float(stats.norm.sf(reach))


def permutation_p(
    differences: Sequence[float],
    clusters: Sequence[Hashable],
    samples: int,
    exact_max: int,
    rng: np.random.Generator,
) -> float:
    """Two-sided p of a sign-flip test that flips whole clusters; the null is symmetry around 0.

    Exact over all 2^C flips for C <= exact_max; else `samples` random flips with the +1 correction of Phipson and
    Smyth (2010, doi 10.2202/1544-6115.1585), so never 0. The least it can be with C clusters is 2 / 2^C: 1 for one
    cluster, 0.0625 for five.
    """
    values, labels = _checked(differences, clusters)
    sums = np.bincount(labels, values)
    count = len(sums)
    seen = abs(float(sums.sum())) - ROUNDING * max(1.0, float(np.abs(values).sum()))  # ties count as extreme
    exact = count <= exact_max
    if not exact and samples < 1:
        raise ValueError(f"{count} clusters are more than exact_max = {exact_max}, so samples must be 1 or more")
    total, extreme = (2**count if exact else samples), 0
    for start, stop in _chunks(total, count):
        if exact:
            bits = (np.arange(start, stop)[:, None] >> np.arange(count)) & 1  # (chunk, n_clusters)
        else:
            bits = rng.integers(0, 2, size=(stop - start, count))
        extreme += int((np.abs((2 * bits - 1) @ sums) >= seen).sum())
    return extreme / total if exact else (extreme + 1) / (total + 1)


def flips_needed(confidence: float) -> int:
    """The least number of clusters with which `permutation_p` can fall below 1 - confidence: 6 at 95%."""
    check_probability(confidence, "confidence")
    return math.floor(math.log2(2 / round(1 - confidence, 12))) + 1


def wilson_interval(successes: float, n: float, confidence: float) -> tuple[float, float]:
    """Wilson score interval of a proportion (doi 10.1080/01621459.1927.10502953); takes the n as independent.

    Neither need be whole: an item may be a mean of variants, n what clustered items are worth. Raises ValueError for
    n < 1 or successes outside 0..n.
    """
    check_probability(confidence, "confidence")
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"a proportion needs n >= 1 and 0 <= successes <= n, found {successes:g} of {n:g}")
    z = float(stats.norm.ppf((1 + confidence) / 2))
    share, scale = successes / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return low, 1.0 if successes == n else min(1.0, centre + half)


def paired_shares_interval(more: int, fewer: int, n: int, confidence: float) -> tuple[float, float]:
    """Interval of the difference of two shares of the same n items: `more` changed to a yes, `fewer` to a no.

    The adjusted Wald interval of Bonett and Price (2012, doi 10.3102/1076998611411915), recommended by Fagerland,
    Lydersen and Laake (2014, doi 10.1002/sim.6148): one item more in each kind of change, so that it has a width where
    nothing changed. Raises ValueError for counts that do not go together.
    """
    check_probability(confidence, "confidence")
    if n < 1 or min(more, fewer) < 0 or more + fewer > n:
        raise ValueError(f"needs n >= 1 and no more changes than items, found {more} and {fewer} of {n}")
    gained, lost = (more + 1) / (n + 2), (fewer + 1) / (n + 2)
    z = float(stats.norm.ppf((1 + confidence) / 2))
    centre = gained - lost
    half = z * math.sqrt((gained + lost - centre * centre) / (n + 2))
    return max(-1.0, centre - half), min(1.0, centre + half)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values, in the given order (1979, Scandinavian J. Statist. 6:65)."""
    for p in p_values:
        if not 0 <= p <= 1:
            raise ValueError(f"a p value lies in 0 to 1, found {p}")
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def paired_t(differences: Sequence[float], confidence: float) -> ClusteredMean | None:
    """The ordinary paired t test, which takes every item as independent: to compare with older work, not to believe.

    None with fewer than 2 items or no variation.
    """
    if len(differences) < 2:
        return None
    found = clustered_mean(differences, range(len(differences)), confidence)  # every item a cluster of its own
    return found if found.has_variation else None


def sign_test_p(wins: int, losses: int) -> float:
    """Two-sided exact p of "a win is as likely as a loss", ties left out: McNemar's exact test on discordant pairs.

    Takes the pairs as independent (McNemar 1947, doi 10.1007/BF02295996). 1 where nothing differs.
    """
    if wins < 0 or losses < 0:
        raise ValueError(f"counts are 0 or more, found {wins} and {losses}")
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def _checked(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[Floats, NDArray[np.intp]]:
    """Values as floats and cluster labels as 0..C-1 in order of appearance."""
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"needs a flat sequence of at least one value, found shape {array.shape}")
    if len(clusters) != array.size:
        raise ValueError(f"needs one cluster a value, found {len(clusters)} clusters for {array.size} values")
    if not np.isfinite(array).all():
        raise ValueError(f"values must be finite, found {array[~np.isfinite(array)][0]}")
    order: dict[Hashable, int] = {}
    labels = [order.setdefault(cluster, len(order)) for cluster in clusters]
    return array, np.asarray(labels, dtype=np.intp)


def check_probability(value: float, name: str) -> None:
    """Raise ValueError unless the value lies between 0 and 1, both excluded."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, found {value}")


def _chunks(total: int, width: int) -> list[tuple[int, int]]:
    """Ranges that cover `total` rows of `width` numbers in pieces of at most CHUNK numbers."""
    step = max(1, CHUNK // max(1, width))
    return [(start, min(start + step, total)) for start in range(0, total, step)]
