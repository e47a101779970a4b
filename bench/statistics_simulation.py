"""Simulated paired differences in clusters, and every test and interval on all simulations at once.

A difference is a persona effect plus a conversation effect, half of the variance each. This is arithmetic of its own,
written for arrays: `statistics_cases` holds it against the library's functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tunewright.statistics import expanded_tail

SIMULATIONS = 10_000
SD = 0.15  # of one difference, on the score's scale of 0 to 1
PERSONA_SHARE = 0.5  # of its variance: the correlation of two conversations with one persona
RESAMPLES = 2000
ALPHA = 0.05
Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]


@dataclass(frozen=True)
class Found:
    """What every method says of every simulation; shape (simulations,)."""

    mean: Floats
    p: dict[str, Floats]  # "t", "sign flips", "naive t"
    intervals: dict[str, tuple[Floats, Floats]]  # "t", "bootstrap", "naive t"

    def rejects(self) -> dict[str, float]:
        """The share of simulations in which each method excludes "no difference"."""
        low, high = self.intervals["bootstrap"]
        return {name: float((p < ALPHA).mean()) for name, p in self.p.items()} | {
            "bootstrap": float(((low > 0) | (high < 0)).mean())
        }

    def covers(self, truth: float) -> dict[str, float]:
        """The share of simulations whose interval holds the truth."""
        return {name: float(((low <= truth) & (truth <= high)).mean()) for name, (low, high) in self.intervals.items()}


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Standard normal effects."""
    return rng.normal(size=shape)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Effects of mean 0 and SD 1 with a long tail to the right."""
    return rng.exponential(size=shape) - 1


def differences(rng: np.random.Generator, sizes: Sequence[int], effect: float = 0.0, noise: Noise = normal) -> Floats:
    """Simulated differences, shape (simulations, pairs), clusters one after another."""
    people = np.repeat(noise(rng, (SIMULATIONS, len(sizes))), sizes, axis=1)
    own = noise(rng, (SIMULATIONS, sum(sizes)))
    return effect + SD * (np.sqrt(PERSONA_SHARE) * people + np.sqrt(1 - PERSONA_SHARE) * own)


def methods(values: Floats, labels: NDArray[np.intp], seed: int) -> Found:
    """All tests and intervals of all simulations at once; NaN is a missing pair."""
    there = ~np.isnan(values)
    members = np.eye(labels.max() + 1)[labels]  # (pairs, clusters)
    sums, sizes = np.nan_to_num(values) @ members, there.astype(float) @ members  # (simulations, clusters)
    n, count = sizes.sum(1), (sizes > 0).sum(1)
    mean = sums.sum(1) / n
    se = np.sqrt(count / (count - 1) * ((sums - mean[:, None] * sizes) ** 2).sum(1)) / n
    naive = np.sqrt(np.nansum((values - mean[:, None]) ** 2, axis=1) / (n - 1) / n)
    p = {"t": 2 * stats.t.sf(abs(mean) / se, count - 1), "sign flips": _flipped(sums, seed)}
    p["naive t"] = 2 * stats.t.sf(abs(mean) / naive, n - 1)
    reach = {"t": stats.t.ppf(1 - ALPHA / 2, count - 1) * se, "naive t": stats.t.ppf(1 - ALPHA / 2, n - 1) * naive}
    intervals = {name: (mean - half, mean + half) for name, half in reach.items()}
    return Found(mean, p, intervals | {"bootstrap": _bootstrapped(sums, sizes, seed)})


def _flipped(sums: Floats, seed: int) -> Floats:
    """Exact p for up to 15 clusters, else sampled; half of the flips do, the others are their mirror images."""
    count = sums.shape[1]
    if exact := count <= 15:
        signs = 2.0 * ((np.arange(2 ** (count - 1))[:, None] >> np.arange(count)) & 1) - 1
    else:
        signs = 2.0 * np.random.default_rng(seed).integers(0, 2, size=(RESAMPLES, count)) - 1
    found = []
    for part in np.array_split(sums, 60):
        seen = abs(part.sum(1)) - 1e-12
        extreme = (abs(signs @ part.T) >= seen).sum(0)
        found.append(extreme / len(signs) if exact else (extreme + 1) / (len(signs) + 1))
    return np.concatenate(found)


def _bootstrapped(sums: Floats, sizes: Floats, seed: int) -> tuple[Floats, Floats]:
    count = sums.shape[1]
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)
    tail = expanded_tail(1 - ALPHA, count)
    parts = [
        np.quantile((drawn @ s.T) / np.maximum(drawn @ m.T, 1e-9), [tail, 1 - tail], axis=0)
        for s, m in zip(np.array_split(sums, 20), np.array_split(sizes, 20), strict=True)
    ]
    low, high = np.concatenate(parts, axis=1)
    return low, high
