"""How much of the comparison's uncertainty is the judges': the same conversations judged again, or by several judges.

Each judge's each sample (`name`, `name#1`) scores both sides of a pair by itself; the differences are then taken apart
into what varies between personas, between conversations of one, between judges of a conversation, and between reruns of
a judge. More personas shrink all of it, more samples the last alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tunewright.records import RULES, Answer, Verdict
from tunewright.rubric import Rubric
from tunewright.scoring import category_scores, weighted_score
from tunewright.trust import Trust, why_untrusted
from tunewright.variance_components import Component, variance_components
from tunewright.verdict_rules import allowed_answer

Metrics = dict[str, Any]
Answers = dict[str, Answer]
SIDES = ("base", "tuned")
BY_JUDGES = ("judges", "reruns")
NUMBERS = ("judge_share", "se", "se_without_judge")
HOW = (
    "To measure it set params evaluate.verdicts.samples to 2 or more (or name a second judge in conf/llm) and run: "
    "dvc repro evaluate-compare"
)


class Judged(NamedTuple):
    """One sample's difference (tuned minus base, -1 to 1) on one pair of conversations."""

    persona: str
    transcript: str
    judge: str
    difference: float


def judged_differences(
    verdicts: Mapping[str, Iterable[Verdict]], personas: Mapping[str, str], rubric: Rubric, trust: Trust | None
) -> list[Judged]:
    """One difference per pair and sample of a judge that counts; `verdicts` by side, `personas` by transcript.

    Measured criteria are the same in all samples. Of judged ones those count that every sample of every judge answered
    on both sides, else an answer that is missing would look like a change of mind.
    """
    by_side = [_answers(verdicts[side], personas, rubric, trust) for side in SIDES]
    found = []
    for transcript, persona in personas.items():
        sides = [side.get(transcript, {}) for side in by_side]
        raters = sorted((sides[0].keys() & sides[1].keys()) - {""})
        judged = [set(sides[0][rater]) & set(sides[1][rater]) for rater in raters]
        shared = set.intersection(*judged) if judged else set()
        ruled = set(sides[0].get("", {})) & set(sides[1].get("", {}))
        for rater in raters if shared else []:
            scores = [_score(side.get("", {}), ruled, side[rater], shared, rubric) for side in sides]
            if scores[0] is not None and scores[1] is not None:
                found.append(Judged(persona, transcript, rater.split("#")[0], scores[1] - scores[0]))
    return found


def _answers(
    verdicts: Iterable[Verdict], personas: Mapping[str, str], rubric: Rubric, trust: Trust | None
) -> dict[str, dict[str, Answers]]:
    """Answers that count, by transcript and rater; measures and rules stand under the rater ""."""
    weighted = {c.id: c for c in rubric.criteria if not c.gate}
    found: dict[str, dict[str, Answers]] = defaultdict(lambda: defaultdict(dict))
    for verdict in verdicts:
        if verdict.criterion not in weighted or verdict.transcript_id not in personas:
            continue
        by_rule = verdict.judge in RULES
        answer = verdict.answer if by_rule else allowed_answer(verdict.answer, weighted[verdict.criterion])
        if answer is not None and (by_rule or not why_untrusted(trust, verdict.judge, verdict.criterion)):
            found[verdict.transcript_id]["" if by_rule else verdict.judge][verdict.criterion] = answer
    return found


def _score(ruled: Answers, rules: set[str], judged: Answers, shared: set[str], rubric: Rubric) -> float | None:
    answers: Answers = {c: ruled[c] for c in rules}
    answers |= {c: judged[c] for c in shared}
    whole: dict[str, Answer | None] = {c.id: answers.get(c.id) for c in rubric.criteria}
    return weighted_score(category_scores(whole, rubric), rubric)


def judge_variance(found: Sequence[Judged]) -> Metrics:
    """The components and the judges' share of the squared standard error, or why they are not known."""
    counts = {"n_values": len(found), "n_pairs": len({j.transcript for j in found})}
    counts |= {"n_personas": len({j.persona for j in found})}
    if not found:
        says = "No judge's answer counts in the score on both sides: what varies is not the judges' doing."
        return _unknown("no judge counts", says, counts, {})
    by_judge = _by_judge(found)
    if counts["n_values"] == counts["n_pairs"] or counts["n_pairs"] < 2:
        return _unknown("not measured", f"Not measured: every conversation was judged once. {HOW}.", counts, by_judge)
    levels = {
        "personas": [j.persona for j in found],
        "conversations": [j.transcript for j in found],
        "judges": [(j.transcript, j.judge) for j in found],
    }
    components = variance_components([j.difference for j in found], levels, "reruns")
    return _measured(components, counts, by_judge)


def _measured(components: Sequence[Component], counts: Metrics, by_judge: Metrics) -> Metrics:
    total = sum(c.of_squared_se for c in components)
    of_judges = sum(c.of_squared_se for c in components if c.source in BY_JUDGES)
    rows = [
        {"source": c.source, "variance": c.variance, "negative": c.negative}
        | {"share_of_se2": c.of_squared_se / total if total else None}
        for c in components
    ]
    share = of_judges / total if total else None
    metrics = {"state": "measured", "says": _says(components, share), "components": rows, "judge_share": share}
    spread = {"se": total**0.5, "se_without_judge": (total - of_judges) ** 0.5 if total > of_judges else 0.0}
    return metrics | spread | counts | {"by_judge": by_judge}


def _says(components: Sequence[Component], share: float | None) -> str:
    if share is None:
        return "Nothing varies, neither between personas nor between the judges' answers to the same conversation."
    below = [c.source for c in components if c.negative]
    text = (
        f"{share:.0%} of the squared standard error comes from judges, who differ among themselves or from one time "
        "to the next on the same conversation; the rest from people and conversations"
    )
    return text + (f". Estimates below 0, shown as 0: {', '.join(below)}." if below else ".")


def _by_judge(found: Sequence[Judged]) -> Metrics:
    rows: dict[str, list[Judged]] = defaultdict(list)
    for one in found:
        rows[one.judge].append(one)
    return {
        judge: {
            "difference": sum(j.difference for j in of) / len(of),
            "n_pairs": len({j.transcript for j in of}),
            "n_samples": max(sum(j.transcript == t for j in of) for t in {j.transcript for j in of}),
        }
        for judge, of in sorted(rows.items())
    }


def _unknown(state: str, says: str, counts: Metrics, by_judge: Metrics) -> Metrics:
    return {"state": state, "says": says, "components": []} | dict.fromkeys(NUMBERS) | counts | {"by_judge": by_judge}
