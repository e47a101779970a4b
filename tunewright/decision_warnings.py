"""What a careful reader should know before believing a comparison's numbers, in sentences for the report."""

from __future__ import annotations

from typing import Any

from tunewright.decision import Thresholds
from tunewright.judge_variance import BY_JUDGES

FEW_PERSONAS = 10  # below this the t interval leans on the normality of very few cluster means


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
    if metrics["agreement_of_tests"] is False:
        found.append("the t test and the sign flips differ on whether the change is significant: the data are too few")
    if metrics["p_value"] is not None and metrics["difference_low"] == metrics["difference_high"]:
        found.append("every pair differs alike: the interval has no width, and p is the permutation test's")
    if metrics["n_unpaired"]:
        found.append(f"{metrics['n_unpaired']} conversations have no scored partner and are left out")
    found += _missing_warnings(metrics["missing"], limits) + simulator_warnings(metrics)
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


def judge_warnings(found: dict[str, Any], limits: Thresholds) -> list[str]:
    """Whether the judges' own inconsistency is most of the uncertainty."""
    share = found["judge_share"]
    if share is None or share <= limits.judge_share_max:
        return []
    by = max(found["components"], key=lambda row: (row["source"] in BY_JUDGES) * (row["share_of_se2"] or 0.0))
    more = "more samples of each judge (evaluate.verdicts.samples)" if by["source"] == "reruns" else "more judges"
    return [
        f"{share:.0%} of the squared standard error comes from the judges: {more} would narrow the interval without "
        "another conversation"
    ]


def _missing_warnings(missing: dict[str, Any], limits: Thresholds) -> list[str]:
    if not missing["says"]:
        return []
    text = missing["says"]
    if missing["p_value"] < 1 - limits.confidence:
        who = "tuned model" if missing["base_only"] > missing["tuned_only"] else "base"
        text += f"; the {who} loses more than chance would (p = {missing['p_value']:.2g}), so what is left favours it"
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
