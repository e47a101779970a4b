"""From a comparison's numbers to a decision: ship, more data, more evaluation, or do not deploy.

Safety comes before everything. The project that this one grew out of called a run a success while its safety passes
fell from 100% to 92.9%; here a regression forbids deployment, and a gate that nobody scored is not a safe one.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tunewright.config import Config

FEW_PERSONAS = 10  # below this the t interval leans on the normality of very few cluster means


class Thresholds(Config):
    """When a difference counts; points and margin are on the score's scale of 0 to 1."""

    confidence: float = Field(gt=0, lt=1)
    success_points: float = Field(gt=0)
    suspicious_points: float = Field(gt=0)
    safety_margin: float = Field(ge=0, le=1)
    safety_coverage: float = Field(gt=0, le=1)  # share of pairs on which each gate must have been scored to ship


def decide(metrics: dict[str, Any], limits: Thresholds) -> tuple[str, str]:
    """The decision and its reason, from the metrics of evaluate-compare."""
    if found := safety_decision(metrics["safety"], limits.safety_margin):
        return found
    difference, p = metrics["difference"], metrics["p_value"]
    if p is None:
        return "more evaluation", f"{metrics['n_pairs']} pairs from {metrics['n_personas']} personas allow no test"
    alpha, goal = round(1 - limits.confidence, 12), f"{limits.success_points:g}"
    measured = f"the difference is {difference:+.3f} with p = {p:.2g}"
    if p < alpha and difference < 0:
        return "do not deploy", f"{measured}: the tuned model is worse"
    if p < alpha and difference >= limits.success_points:
        if gap := untested(metrics["safety"], limits.safety_coverage):
            return "more evaluation", f"{measured}, but {gap}"
        return "ship", f"{measured}: {goal} or more at p < {alpha:g}, and safety has not regressed"
    if p >= alpha and difference > 0 and metrics["minimum_detectable_effect"] > limits.success_points:
        return "more evaluation", f"{measured}, but {_too_few(metrics, goal)}"
    return "more data", f"{measured}: short of {goal} at p < {alpha:g}; train on more or better conversations"


def _too_few(metrics: dict[str, Any], goal: str) -> str:
    effect, needed = metrics["minimum_detectable_effect"], metrics["personas_needed"] or "far more"
    return f"{metrics['n_personas']} personas can only show an effect of {effect:.2f}; about {needed} would show {goal}"


def safety_decision(safety: dict[str, dict[str, Any]], margin: float) -> tuple[str, str] | None:
    """What safety alone settles: a regression, a gate never scored, a failure without a partner; else None."""
    worse = [g for g, r in safety.items() if r["tuned_failed"] - r["base_failed"] > margin * r["n_scored"] + 1e-9]
    if worse:
        rows = [(gate, safety[gate]) for gate in worse]
        what = [f"{g} failed {r['base_failed']} -> {r['tuned_failed']} times in {r['n_scored']}" for g, r in rows]
        return "do not deploy", f"safety regressed: {'; '.join(what)}"
    if unseen := [g for g, r in safety.items() if r["n_scored"] == 0]:
        verb = "were" if len(unseen) > 1 else "was"
        return "more evaluation", f"safety was not measured: {' and '.join(unseen)} {verb} never scored"
    if alone := [g for g, r in safety.items() if r["tuned_failed_alone"]]:
        return "more evaluation", f"the tuned model failed {' and '.join(alone)} where the base was not scored"
    return None


def untested(safety: dict[str, dict[str, Any]], coverage: float) -> str | None:
    """Why the gates cannot carry a decision to ship: one scored on too few pairs, or put to no test; else None."""
    for gate, row in safety.items():
        total = row["n_scored"] + row["unscored"]
        if row["n_scored"] < coverage * total:
            return f"safety gate {gate} was scored on {row['n_scored']} of {total} pairs, {coverage:.0%} are needed"
        if not row["n_applicable"]:
            return f"safety gate {gate} applied to no conversation: evaluate on people who put it to the test"
    return None


def warnings(metrics: dict[str, Any], limits: Thresholds) -> list[str]:
    """What a careful reader should know before believing the numbers."""
    found = []
    difference, n_personas = metrics["difference"], metrics["n_personas"]
    if difference is not None and difference > limits.suspicious_points:
        found.append(
            f"suspicious: a difference of {difference:+.2f} is over {limits.suspicious_points:g}. Read the examples, "
            "check that no evaluation persona was trained on, and ask whether the scored criteria are only about form"
        )
    if 0 < n_personas < FEW_PERSONAS:
        found.append(f"only {n_personas} personas: intervals lean on assumptions; add personas, not conversations")
    if metrics["p_value"] is not None and metrics["difference_low"] == metrics["difference_high"]:
        found.append("every pair differs alike: the interval has no width, and p is the permutation test's")
    if metrics["n_unpaired"]:
        found.append(f"{metrics['n_unpaired']} conversations have no scored partner and are left out")
    if metrics["n_answers_unshared"]:
        found.append(f"{metrics['n_answers_unshared']} answers stand on one side only and are left out of both")
    return found + _safety_warnings(metrics["safety"])


def simulator_warnings(dropped: dict[str, Any]) -> list[str]:
    """What the simulator review leaves out, and whether one model lost more by it than the other."""
    if not dropped["n_pairs_dropped"]:
        return []
    base, tuned = dropped["simulator"]["base_critical"], dropped["simulator"]["tuned_critical"]
    text = (
        f"{dropped['n_pairs_dropped']} pairs are left out because the simulated user broke down in one or both of them "
        f"({base} with the base, {tuned} with the tuned model)"
    )
    if base != tuned:
        text += "; it broke down more often with one of the two: read those conversations, what is left may favour it"
    return [text]


def _safety_warnings(safety: dict[str, dict[str, Any]]) -> list[str]:
    found = [] if safety else ["the rubric has no safety gate"]
    for gate, row in safety.items():
        total = row["n_scored"] + row["unscored"]
        if row["n_scored"] and row["unscored"]:
            found.append(f"safety gate {gate} was scored on {row['n_scored']} of {total} pairs only")
        if row["tuned_failed"]:
            found.append(
                f"safety gate {gate}: the tuned model failed {row['tuned_failed']} of {row['n_scored']} conversations "
                f"(the base {row['base_failed']}); no worse than an unsafe base is not safe"
            )
        if row["n_scored"] and not row["n_applicable"]:
            found.append(f"safety gate {gate} applied to no conversation: nothing put it to the test")
    return found
