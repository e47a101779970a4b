"""evaluate-compare: is the tuned model better than the base, how sure is that, and should it ship?

Conversations are paired on their id and clustered on persona, because what one person writes is not independent
(arXiv 2411.00640). Only pairs scored on both sides count, and both counts are shown. Safety is a gate of its own: a
regression forbids deployment whatever the score, a gate that nobody scored is not a safe one, and it must be shown that
the tuned model does not fail more often by a margin.

Pairs of which the simulator review leaves out either side are dropped from both, and counted. Where conversations were
judged more than once, the judges' part of the uncertainty is told apart.

Reads data/evaluate/{scores,simulator,verdicts}/{base,tuned}.jsonl, data/design/judge-trust.json and the domain's rubric
(titles, weights, gates).
Writes data/evaluate/compare.json (everything), metrics/evaluate-compare.json (what a person compares between
experiments) and plots/evaluate-compare.json (one row per scored category).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunewright.aligning import aligned
from tunewright.config import load, load_domain
from tunewright.decision import Thresholds, decide, judge_warnings, warnings
from tunewright.errors import run_main
from tunewright.judge_variance import SIDES, judge_variance, judged_differences
from tunewright.records import Score, Verdict, iter_jsonl, read_jsonl, write_json
from tunewright.rubric import Rubric, load_rubric
from tunewright.safety_gates import by_gate, noninferiority
from tunewright.score_differences import by_category, by_criterion, mean_of, overall, pass_rates
from tunewright.score_pairs import Metrics, missing_pairs, pair_up, without_critical, without_partner
from tunewright.sound import critical_reviews, evaluated
from tunewright.terminal import Stage
from tunewright.trust import JudgeTrust, load_trust


class Config(Thresholds):
    """When a difference counts, how much resampling stands behind it, and which judges count."""

    judge_trust: JudgeTrust


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
NOBODY_LEFT_OUT: Metrics = without_critical([], [], {"base": (), "tuned": ()})[2]


def compare(
    base: Sequence[Score],
    tuned: Sequence[Score],
    rubric: Rubric,
    config: Config,
    dropped: Sequence[Score] = (),
    left_out: Metrics = NOBODY_LEFT_OUT,
) -> Metrics:
    """Everything that is said about base against tuned; numbers to 6 decimals, so that the bytes are stable.

    `dropped`: tuned conversations whose base ones are left out; of them only failed gates are looked at. `left_out`:
    the counts of `without_critical`.
    """
    raw, n_partnerless = pair_up(base, tuned)
    alone = [*dropped, *without_partner(tuned, base)]
    alignments = [aligned(pair, rubric) for pair in raw]
    matched = [pair for pair, _ in alignments]
    pairs = [(b, t) for b, t in matched if b.score is not None and t.score is not None]
    metrics = left_out | overall(pairs, config)
    criteria = by_criterion(pairs, rubric, config.confidence)
    safety = by_gate(matched, alone, rubric, config.confidence)  # a failed gate counts even where no score does
    metrics |= {"n_unpaired": n_partnerless + len(matched) - len(pairs)} | pass_rates(matched, config.confidence)
    metrics["n_answers_unshared"] = sum(n for _, n in alignments)
    metrics["missing"] = missing_pairs(base, tuned, metrics["difference"], len(pairs), left_out["n_pairs_dropped"])
    metrics |= {
        "coverage": mean_of([s.coverage for pair in pairs for s in pair]),
        "n_criteria_scored": sum(row["n"] > 0 for row in criteria.values()),
        "n_criteria_total": len(criteria),
        "n_gates_scored": sum(row["n_scored"] > 0 for row in safety.values()),
        "n_gates_total": len(safety),
        "confidence": config.confidence,
        "success_points": config.success_points,
    }
    metrics |= {"categories": by_category(pairs, rubric, config.confidence), "criteria": criteria, "safety": safety}
    metrics["safety_noninferiority"] = noninferiority(matched, rubric, config)
    decision, reason = decide(metrics, config)
    metrics |= {"decision": decision, "decision_reason": reason, "warnings": warnings(metrics, config)}
    return rounded(metrics)


def plot_rows(metrics: Metrics) -> list[Metrics]:
    """One row per scored category, for `dvc plots`."""
    keys = ("base", "tuned", "difference", "low", "high")
    rows = metrics["categories"].items()
    return [{"category": name, **{k: row[k] for k in keys}} for name, row in rows if row["n_pairs"]]


def headline(metrics: Metrics) -> Metrics:
    """The few numbers that a person compares between experiments."""
    effect, pooled = metrics["effect_size"], metrics["safety_noninferiority"]["pooled"]
    beside = {"effect_size": effect["value"] if effect else None, "safety_upper": pooled["upper"]}
    return {key: metrics[key] for key in HEADLINE} | beside | {"judge_share": metrics["judge_variance"]["judge_share"]}


def rounded(value: Any) -> Any:
    """A result with its floats to 6 decimals, small ones to 6 digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if abs(value) < 1e-3 else round(value, 6)
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return value


def judged_again(base: Sequence[Score], tuned: Sequence[Score], rubric: Rubric, config: Config) -> Metrics:
    """The judges' part of the uncertainty, from the verdicts on conversations that have a score on both sides."""
    scored = {s.transcript_id for s in base if s.score is not None}
    personas = {s.transcript_id: s.persona_id for s in tuned if s.score is not None and s.transcript_id in scored}
    trust = load_trust() if config.judge_trust == "calibrated" else None
    verdicts = {
        side: iter_jsonl(f"data/evaluate/verdicts/{side}.jsonl", Verdict, f"evaluate-verdicts@{side}") for side in SIDES
    }
    return rounded(judge_variance(judged_differences(verdicts, personas, rubric, trust)))


def main() -> None:
    """Compare the two models."""
    stage = Stage("evaluate-compare")
    config, rubric = load("evaluate.compare", Config), load_rubric(load_domain().rubric)
    base, tuned = (read_jsonl(f"data/evaluate/scores/{side}.jsonl", Score, f"evaluate-scores@{side}") for side in SIDES)
    stage.start(f"{len(base)} base and {len(tuned)} tuned conversations, {config.bootstrap_samples} resamples")
    critical = {side: critical_reviews(evaluated(side)) for side in SIDES}
    kept_base, kept_tuned, left_out = without_critical(base, tuned, critical)
    metrics = compare(kept_base, kept_tuned, rubric, config, without_partner(tuned, [*base, *kept_tuned]), left_out)
    metrics["judge_variance"] = judged_again(kept_base, kept_tuned, rubric, config)
    metrics["warnings"] += judge_warnings(metrics["judge_variance"], config)
    write_json("data/evaluate/compare.json", metrics)
    write_json("metrics/evaluate-compare.json", headline(metrics))
    write_json("plots/evaluate-compare.json", plot_rows(metrics))
    stage.end(f"{metrics['n_pairs']} pairs from {metrics['n_personas']} personas: {metrics['decision']}")


if __name__ == "__main__":
    run_main(main)
