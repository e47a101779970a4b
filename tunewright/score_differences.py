"""Base against tuned in numbers: the whole by every method, categories with Holm's correction, criteria, passes.

Functions take pairs of scores and give JSON values; a number that cannot be estimated is None, never 0.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from pydantic import Field

from tunewright.aligning import Pair
from tunewright.config import Config
from tunewright.effect_size import standardised_difference
from tunewright.paired_shares import paired_shares
from tunewright.power import clusters_needed, minimum_detectable_effect
from tunewright.proportions import Share
from tunewright.rubric import Criterion, Rubric
from tunewright.score_pairs import Metrics, Value, paired_values
from tunewright.statistics import (
    ClusteredMean,
    bootstrap_interval,
    clustered_mean,
    flips_needed,
    holm,
    paired_t,
    permutation_p,
)

EFFECT = (
    "standardised mean difference of the personas' mean changes (d_z with Hedges' correction, noncentral t interval); "
    "not to be compared with a d of unpaired groups"
)
NAIVE = "ordinary paired t test: takes conversations as independent, which they are not; for comparison with older work"
TESTS = (
    "p_value p_permutation agreement_of_tests bootstrap_low bootstrap_high minimum_detectable_effect personas_needed "
    "personas_more naive_p naive effect_size"
)


class Resampling(Config):
    """What stands behind the numbers; points are on the score's scale of 0 to 1."""

    confidence: float = Field(gt=0, lt=1)
    power: float = Field(gt=0, lt=1)
    success_points: float = Field(gt=0)
    bootstrap_samples: int = Field(ge=100)
    permutation_samples: int = Field(ge=100)
    exact_permutation_max: int = Field(ge=0, le=22)  # 2^22 flips take seconds, each one more doubles that
    seed: int


def overall(pairs: Sequence[Pair], config: Resampling) -> Metrics:
    """The score of both models and the difference between them, by every method."""
    base, tuned, personas = paired_values(pairs, lambda s: s.score)
    differences = [t - b for b, t in zip(base, tuned, strict=True)]
    levels = {"base_score": base, "tuned_score": tuned, "difference": differences}
    metrics: Metrics = {"n_personas": len(set(personas)), "n_pairs": len(differences)}
    for name, values in levels.items():
        found = estimate(values, personas, config.confidence)
        metrics[name] = mean_of(values)
        least = -1.0 if name == "difference" else 0.0  # whatever the t interval says
        low, high = (max(found.low, least), min(found.high, 1.0)) if found else (None, None)
        metrics[f"{name}_low"], metrics[f"{name}_high"] = low, high
    return metrics | {"power": config.power} | tests(differences, personas, config)


def tests(differences: Sequence[float], personas: Sequence[Hashable], config: Resampling) -> Metrics:
    """Every test of "no difference", and how much could have been seen; None in all with fewer than 2 personas.

    Where all pairs differ alike the p is the permutation test's: a t test needs variation.
    """
    metrics: Metrics = dict.fromkeys(TESTS.split())
    found = estimate(differences, personas, config.confidence)
    if found is None:
        return metrics
    rng = np.random.default_rng(config.seed)
    p_permutation = permutation_p(differences, personas, config.permutation_samples, config.exact_permutation_max, rng)
    low, high = bootstrap_interval(differences, personas, config.confidence, config.bootstrap_samples, rng)
    p, alpha = found.p if found.has_variation else p_permutation, 1 - config.confidence
    metrics |= {
        "p_value": p,
        "p_permutation": p_permutation,
        "agreement_of_tests": (p < alpha) == (p_permutation < alpha),
    }
    return (
        metrics
        | {"bootstrap_low": low, "bootstrap_high": high}
        | _reach(found, config)
        | _beside(differences, personas, config)
    )


def _reach(found: ClusteredMean, config: Resampling) -> Metrics:
    """What these personas can show, and how many would show the goal by both tests; None where nothing varies."""
    if not found.has_variation:
        return {}
    n, confidence, power = found.n_clusters, config.confidence, config.power
    enough = clusters_needed(found.se, n, config.success_points, confidence, power)
    needed = None if enough is None else max(enough, flips_needed(confidence))
    return {
        "minimum_detectable_effect": minimum_detectable_effect(found.se, n, confidence, power),
        "personas_needed": needed,
        "personas_more": None if needed is None else max(0, needed - n),
    }


def _beside(differences: Sequence[float], personas: Sequence[Hashable], config: Resampling) -> Metrics:
    """The naive test and the effect size."""
    naive, effect = (
        paired_t(differences, config.confidence),
        standardised_difference(differences, personas, config.confidence),
    )
    return {
        "naive_p": naive.p if naive else None,
        "naive": {"p_value": naive.p, "low": naive.low, "high": naive.high, "n": naive.n, "label": NAIVE}
        if naive
        else None,
        "effect_size": asdict(effect) | {"interpretation": EFFECT} if effect else None,
    }


def estimate(values: Sequence[float], personas: Sequence[Hashable], confidence: float) -> ClusteredMean | None:
    """The clustered mean, or None where fewer than 2 personas make an interval impossible."""
    return clustered_mean(values, personas, confidence) if len(set(personas)) > 1 else None


def side_by_side(pairs: Sequence[Pair], value: Value, confidence: float) -> Metrics:
    """Base, tuned and their paired difference (-1 to 1) with interval and p; None where it cannot be estimated.

    Where all people differ alike there is no interval: nothing says how far the next one may lie.
    """
    base, tuned, personas = paired_values(pairs, value)
    differences = [t - b for b, t in zip(base, tuned, strict=True)]
    found = estimate(differences, personas, confidence)
    found = found if found and found.has_variation else None
    return {
        "base": mean_of(base),
        "tuned": mean_of(tuned),
        "difference": mean_of(differences),
        "low": max(found.low, -1.0) if found else None,
        "high": min(found.high, 1.0) if found else None,
        "p_value": found.p if found else None,
        "n_pairs": len(differences),
        "n_personas": len(set(personas)),
    }


def by_category(pairs: Sequence[Pair], rubric: Rubric, confidence: float) -> Metrics:
    """Every category of the rubric, scored or not, with Holm's correction over those that have a p."""
    rows = {name: side_by_side(pairs, lambda s, c=name: s.categories.get(c), confidence) for name in rubric.categories}
    tested = [name for name, row in rows.items() if row["p_value"] is not None]
    adjusted = dict(zip(tested, holm([rows[name]["p_value"] for name in tested]), strict=True))
    return {name: row | {"p_holm": adjusted.get(name)} for name, row in rows.items()}


def by_criterion(pairs: Sequence[Pair], rubric: Rubric, confidence: float) -> Metrics:
    """Share of YES among YES and NO, per criterion that is no gate; NA and unscored answers are left out."""

    def one(criterion: Criterion) -> Metrics:
        row = side_by_side(pairs, lambda s: {"YES": 1.0, "NO": 0.0}.get(s.answers.get(criterion.id) or ""), confidence)
        return {key: row[key] for key in ("base", "tuned", "difference", "low", "high")} | {"n": row["n_pairs"]}

    return {c.id: one(c) for c in rubric.criteria if not c.gate}


def pass_rates(pairs: Sequence[Pair], confidence: float) -> Metrics:
    """Passes of the pairs that are decided on both sides; a conversation left open is neither.

    The rates at top level and, with intervals and flips, under `pass_rates`.
    """
    base, tuned, personas = paired_values(pairs, lambda s: None if s.passed is None else float(s.passed))
    rates = {"base_pass_rate": mean_of(base), "tuned_pass_rate": mean_of(tuned), "n_pass_decided": len(base)}
    found = paired_shares([b > 0 for b in base], [t > 0 for t in tuned], personas, confidence)
    row: Metrics = dict.fromkeys(("base", "tuned", "difference", "low", "high", "p_value", "flips", "mcnemar_p"))
    if found:
        f = found.flips
        flips = {"gained": f.only_second, "lost": f.only_first, "both_passed": f.both, "both_failed": f.neither}
        row = {"base": _level(found.first), "tuned": _level(found.second), "difference": found.difference}
        row |= {"low": found.low, "high": found.high, "p_value": found.p, "flips": flips, "mcnemar_p": found.mcnemar_p}
    return rates | {"pass_rates": row | {"n_pairs": len(base), "n_personas": len(set(personas))}}


def _level(share: Share) -> dict[str, Any]:
    return {"count": share.count, "n": share.n, "share": share.share, "low": share.low, "high": share.high}


def mean_of(values: Sequence[float]) -> float | None:
    """The mean, None of nothing."""
    return sum(values) / len(values) if values else None
