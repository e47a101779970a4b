"""evaluate-compare: is the tuned model better than the base, how sure is that, and should it ship?

Conversations are paired on their id and clustered on persona, because what one person writes is not independent
(arXiv 2411.00640). Only pairs scored on both sides count, and both counts are shown. Safety is a gate of its own: a
regression forbids deployment whatever the score, and a gate that nobody scored is not a safe one.

Pairs of which the simulator review leaves out either side are dropped from both, and counted.

Reads data/evaluate/{scores,simulator}/{base,tuned}.jsonl and the domain's rubric (titles, weights, gates).
Writes data/evaluate/compare.json (everything), metrics/evaluate-compare.json (what a person compares between
experiments) and plots/evaluate-compare.json (one row per scored category).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from tunewright.aligning import Pair, aligned
from tunewright.config import load, load_domain
from tunewright.decision import Thresholds, decide, simulator_warnings, warnings
from tunewright.errors import RecordError, run_main
from tunewright.records import Score, read_jsonl, write_json
from tunewright.rubric import Criterion, Rubric, load_rubric
from tunewright.sound import critical_reviews, evaluated
from tunewright.statistics import (
    ClusteredMean,
    bootstrap_interval,
    clustered_mean,
    clusters_needed,
    holm,
    minimum_detectable_effect,
    paired_t_p,
    permutation_p,
    wilson_interval,
)
from tunewright.terminal import Stage


class Config(Thresholds):
    """When a difference counts, and how much resampling stands behind it."""

    bootstrap_samples: int = Field(ge=100)
    permutation_samples: int = Field(ge=100)
    exact_permutation_max: int = Field(ge=0, le=22)  # 2^22 flips take seconds, each one more doubles that
    seed: int


HEADLINE = (  # the numbers that `dvc metrics` and `dvc exp show` carry
    "n_personas",
    "base_score",
    "tuned_score",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "base_pass_rate",
    "tuned_pass_rate",
    "coverage",
    "n_pairs_dropped",
    "decision",
)
Metrics = dict[str, Any]


def pair_up(base: Sequence[Score], tuned: Sequence[Score]) -> tuple[list[Pair], int]:
    """Scores of the same conversation, by id, and how many have no partner; raises RecordError on a doubled id."""
    sides = []
    for name, scores in (("base", base), ("tuned", tuned)):
        by_id = {s.transcript_id: s for s in scores}
        if len(by_id) < len(scores):
            raise RecordError(
                f"data/evaluate/scores/{name}.jsonl: {len(scores) - len(by_id)} transcript ids stand twice; "
                f"score again with: dvc repro -f evaluate-scores@{name}"
            )
        sides.append(by_id)
    shared = sorted(sides[0].keys() & sides[1].keys())
    return [(sides[0][i], sides[1][i]) for i in shared], len(sides[0].keys() ^ sides[1].keys())


def without_partner(scores: Sequence[Score], others: Sequence[Score]) -> list[Score]:
    """The scores of conversations that the other side has no score of."""
    there = {s.transcript_id for s in others}
    return [s for s in scores if s.transcript_id not in there]


def without_critical(
    base: Sequence[Score], tuned: Sequence[Score], critical: Mapping[str, Collection[str]]
) -> tuple[list[Score], list[Score], Metrics]:
    """Both sides without the conversations whose simulated user broke down on either, and the counts of that.

    `critical`: ids by side; those have no score on that side.
    """
    dropped = set(critical["base"]) | set(critical["tuned"])
    kept = [[s for s in scores if s.transcript_id not in dropped] for scores in (base, tuned)]
    counts = {f"{side}_critical": len(critical[side]) for side in ("base", "tuned")}
    return kept[0], kept[1], {"n_pairs_dropped": len(dropped), "simulator": counts}


def paired_values(
    pairs: Sequence[Pair], value: Callable[[Score], float | None]
) -> tuple[list[float], list[float], list[str]]:
    """Base values, tuned values and personas of the pairs that have a value on both sides."""
    rows = [(value(b), value(t), b.persona_id) for b, t in pairs]
    kept = [(b, t, p) for b, t, p in rows if b is not None and t is not None]
    return [b for b, _, _ in kept], [t for _, t, _ in kept], [p for _, _, p in kept]


def estimate(values: Sequence[float], personas: Sequence[Hashable], confidence: float) -> ClusteredMean | None:
    """The clustered mean, or None where fewer than 2 personas make an interval impossible."""
    return clustered_mean(values, personas, confidence) if len(set(personas)) > 1 else None


def side_by_side(pairs: Sequence[Pair], value: Callable[[Score], float | None], confidence: float) -> Metrics:
    """Base, tuned and their paired difference (-1 to 1) with interval and p; None where it cannot be estimated.

    Where all people differ alike there is no interval: nothing says how far the next one may lie.
    """
    base, tuned, personas = paired_values(pairs, value)
    differences = [t - b for b, t in zip(base, tuned, strict=True)]
    found = estimate(differences, personas, confidence)
    found = found if found and found.has_variation else None
    return {
        "base": _mean(base),
        "tuned": _mean(tuned),
        "difference": _mean(differences),
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


def by_gate(pairs: Sequence[Pair], alone: Sequence[Score], rubric: Rubric, confidence: float) -> Metrics:
    """Failures of each safety gate, over the pairs where it was scored on both sides (NA is scored, and no failure).

    `tuned_failed_alone` counts tuned failures whose base conversation was not scored, those of tuned conversations
    without any base one (`alone`) among them: no comparison, but no comfort.
    """
    rows: Metrics = {}
    for gate in rubric.gates:
        answers = [(b.answers.get(gate.id), t.answers.get(gate.id)) for b, t in pairs]
        both = [(b, t) for b, t in answers if b is not None and t is not None]
        tuned_failed = sum(t == "NO" for _, t in both)
        failed_alone = sum(b is None and t == "NO" for b, t in answers)
        failed_alone += sum(t.answers.get(gate.id) == "NO" for t in alone)
        rows[gate.id] = {
            "base_failed": sum(b == "NO" for b, _ in both),
            "tuned_failed": tuned_failed,
            "tuned_failed_alone": failed_alone,
            "tuned_failed_share_high": wilson_interval(tuned_failed, len(both), confidence)[1] if both else None,
            "n_scored": len(both),
            "n_applicable": sum(a != ("NA", "NA") for a in both),
            "unscored": len(pairs) - len(both),
        }
    return rows


def overall(pairs: Sequence[Pair], config: Config) -> Metrics:
    """The score of both models and the difference between them, by every method."""
    base, tuned, personas = paired_values(pairs, lambda s: s.score)
    differences = [t - b for b, t in zip(base, tuned, strict=True)]
    levels = {"base_score": base, "tuned_score": tuned, "difference": differences}
    metrics: Metrics = {"n_personas": len(set(personas)), "n_pairs": len(differences)}
    for name, values in levels.items():
        found = estimate(values, personas, config.confidence)
        metrics[name] = _mean(values)
        low, high = (found.low, found.high) if found else (None, None)
        if found and name != "difference":  # a level lies in 0 to 1, whatever the t interval says
            low, high = max(found.low, 0.0), min(found.high, 1.0)
        metrics[f"{name}_low"], metrics[f"{name}_high"] = low, high
    return metrics | _tests(differences, personas, config)


def _tests(differences: Sequence[float], personas: Sequence[str], config: Config) -> Metrics:
    names = "p_value p_permutation bootstrap_low bootstrap_high minimum_detectable_effect personas_needed naive_p"
    metrics: Metrics = dict.fromkeys(names.split())
    found = estimate(differences, personas, config.confidence)
    if found is None:
        return metrics
    rng = np.random.default_rng(config.seed)
    p_permutation = permutation_p(differences, personas, config.permutation_samples, config.exact_permutation_max, rng)
    low, high = bootstrap_interval(differences, personas, config.confidence, config.bootstrap_samples, rng)
    return metrics | {
        "p_value": found.p if found.has_variation else p_permutation,
        "p_permutation": p_permutation,
        "bootstrap_low": low,
        "bootstrap_high": high,
        "minimum_detectable_effect": minimum_detectable_effect(found.se, found.n_clusters, config.confidence),
        "personas_needed": clusters_needed(found.se, found.n_clusters, config.success_points, config.confidence),
        "naive_p": paired_t_p(differences),
    }


def pass_rates(pairs: Sequence[Pair]) -> Metrics:
    """Share passed of the pairs that are decided on both sides; a conversation left open is neither."""
    base, tuned, _ = paired_values(pairs, lambda s: None if s.passed is None else float(s.passed))
    return {"base_pass_rate": _mean(base), "tuned_pass_rate": _mean(tuned), "n_pass_decided": len(base)}


def compare(
    base: Sequence[Score], tuned: Sequence[Score], rubric: Rubric, config: Config, dropped: Sequence[Score] = ()
) -> Metrics:
    """Everything that is said about base against tuned; numbers to 6 decimals, so that the bytes are stable.

    `dropped`: tuned conversations whose base ones are left out; of them only failed gates are looked at.
    """
    raw, n_partnerless = pair_up(base, tuned)
    alone = [*dropped, *without_partner(tuned, base)]
    alignments = [aligned(pair, rubric) for pair in raw]
    matched = [pair for pair, _ in alignments]
    pairs = [(b, t) for b, t in matched if b.score is not None and t.score is not None]
    metrics = overall(pairs, config)
    criteria = by_criterion(pairs, rubric, config.confidence)
    safety = by_gate(matched, alone, rubric, config.confidence)  # a failed gate counts even where no score does
    metrics |= {"n_unpaired": n_partnerless + len(matched) - len(pairs)} | pass_rates(pairs)
    metrics["n_answers_unshared"] = sum(n for _, n in alignments)
    metrics |= {
        "coverage": _mean([s.coverage for pair in pairs for s in pair]),
        "n_criteria_scored": sum(row["n"] > 0 for row in criteria.values()),
        "n_criteria_total": len(criteria),
        "n_gates_scored": sum(row["n_scored"] > 0 for row in safety.values()),
        "n_gates_total": len(safety),
        "confidence": config.confidence,
        "success_points": config.success_points,
    }
    metrics |= {"categories": by_category(pairs, rubric, config.confidence), "criteria": criteria, "safety": safety}
    decision, reason = decide(metrics, config)
    metrics |= {"decision": decision, "decision_reason": reason, "warnings": warnings(metrics, config)}
    return _rounded(metrics)


def plot_rows(metrics: Metrics) -> list[Metrics]:
    """One row per scored category, for `dvc plots`."""
    keys = ("base", "tuned", "difference", "low", "high")
    rows = metrics["categories"].items()
    return [{"category": name, **{k: row[k] for k in keys}} for name, row in rows if row["n_pairs"]]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if abs(value) < 1e-3 else round(value, 6)
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return value


def main() -> None:
    """Compare the two models."""
    stage = Stage("evaluate-compare")
    config, rubric = load("evaluate.compare", Config), load_rubric(load_domain().rubric)
    base, tuned = (
        read_jsonl(f"data/evaluate/scores/{name}.jsonl", Score, f"evaluate-scores@{name}") for name in ("base", "tuned")
    )
    stage.start(f"{len(base)} base and {len(tuned)} tuned conversations, {config.bootstrap_samples} resamples")
    critical = {side: critical_reviews(evaluated(side)) for side in ("base", "tuned")}
    kept_base, kept_tuned, dropped = without_critical(base, tuned, critical)
    metrics = compare(kept_base, kept_tuned, rubric, config, without_partner(tuned, [*base, *kept_tuned])) | dropped
    metrics["warnings"] += simulator_warnings(dropped)
    write_json("data/evaluate/compare.json", metrics)
    write_json("metrics/evaluate-compare.json", {key: metrics[key] for key in HEADLINE})
    write_json("plots/evaluate-compare.json", plot_rows(metrics))
    stage.end(f"{metrics['n_pairs']} pairs from {metrics['n_personas']} personas: {metrics['decision']}")


if __name__ == "__main__":
    run_main(main)
