"""Verdicts to scores: categories, gates, pass, coverage, disagreement. Pure arithmetic, no model call.

Unscored is not failed: an answer that is missing, or that an untrusted judge gave, leaves its criterion out of the
score and out of the coverage; a transcript with too little coverage neither passes nor fails.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from tunewright.config import Config
from tunewright.errors import RecordError
from tunewright.records import RULES, Answer, Score, Transcript, Verdict
from tunewright.rubric import Rubric
from tunewright.trust import JudgeTrust, Trust, why_untrusted
from tunewright.verdict_rules import allowed_answer


class ScoringConfig(Config):
    """How verdicts add up: the params of generate.scores and evaluate.scores."""

    aggregation: Literal["strictest", "majority", "per_criterion_strictest"]
    judge_trust: JudgeTrust
    min_coverage: float = Field(ge=0, le=1)
    unscored_gates_pass: bool
    disagreement_spread: float = Field(ge=0, le=1)
    judge_agreement_min: float = Field(ge=0, le=1)  # of answers that two judges share; below it the stage says so


Answers = dict[str, Answer | None]


def score_transcript(
    transcript: Transcript, verdicts: Sequence[Verdict], rubric: Rubric, config: ScoringConfig, trust: Trust | None
) -> Score:
    """The score of one transcript from all verdicts on it (`trust` None: every judge counts).

    Raises RecordError for a verdict given twice or off the rubric.
    """
    refuse_strays(transcript, verdicts, rubric)
    by_judge, reasons = trusted_answers(verdicts, rubric, trust)
    answers = combine(by_judge, rubric, config.aggregation)
    unscored = {c.id: reasons.get(c.id, "no verdict") for c in rubric.criteria if answers[c.id] is None}
    categories = category_scores(answers, rubric)
    score = weighted_score(categories, rubric)
    coverage = coverage_of(answers, rubric)
    failed = tuple(g.id for g in rubric.gates if answers[g.id] == "NO")
    open_gates = tuple(g.id for g in rubric.gates if answers[g.id] is None)
    passed, outcome = decide(score, coverage, failed, open_gates, rubric, config)
    return Score(
        transcript_id=transcript.id,
        persona_id=transcript.persona_id,
        answers=answers,
        unscored=unscored,
        categories=categories,
        score=None if score is None else round(score, 6),
        coverage=round(coverage, 6),
        gates_failed=failed,
        gates_unscored=open_gates,
        disagreements=disagreements(by_judge, rubric, config.disagreement_spread),
        passed=passed,
        outcome=outcome,
    )


def refuse_strays(transcript: Transcript, verdicts: Sequence[Verdict], rubric: Rubric) -> None:
    """Raise RecordError for a verdict that is given twice or that is off the rubric: verdicts of an earlier one."""
    known = {c.id for c in rubric.criteria}
    counts = Counter((v.criterion, v.judge) for v in verdicts)
    for (criterion, judge), n in counts.items():
        if criterion not in known or n > 1:
            fault = "is not in the rubric" if criterion not in known else f"was answered {n} times by {judge}"
            raise RecordError(
                f"verdicts on {transcript.id}: {criterion} {fault}; judge again with: dvc repro generate-verdicts"
            )


def trusted_answers(
    verdicts: Sequence[Verdict], rubric: Rubric, trust: Trust | None
) -> tuple[dict[str, Answers], dict[str, str]]:
    """Answers that count, per judge (measures and rules hold for every judge), and why the others do not."""
    # a rule's NA (too short to tell) is right even where judges may not say NA
    ruled: Answers = {v.criterion: v.answer for v in verdicts if v.judge in RULES}
    judged, reasons = judges_answers(verdicts, rubric, trust)
    by_judge = {judge: ruled | answers for judge, answers in judged.items()} or {"measure": ruled}
    return by_judge, reasons


def judges_answers(
    verdicts: Sequence[Verdict], rubric: Rubric, trust: Trust | None
) -> tuple[dict[str, Answers], dict[str, str]]:
    """What judges answered that counts, and why other criteria have no answer that does.

    An NA where the rubric allows none is a NO. The samples of one judge (`name`, `name#1`) are one opinion: the answer
    that most of them give, a tie to the stricter; but a gate that any of them fails is failed. Else more samples would
    make every judge stricter under `strictest`, and louder under `majority`.
    """
    given: dict[str, dict[str, list[Answer]]] = defaultdict(lambda: defaultdict(list))
    reasons: dict[str, str] = {}
    by_id = {c.id: c for c in rubric.criteria}
    for verdict in verdicts:
        answer = allowed_answer(verdict.answer, by_id[verdict.criterion])
        if verdict.judge in RULES:
            continue
        if answer is None:
            reasons[verdict.criterion] = verdict.unscored or ""
        elif reason := why_untrusted(trust, verdict.judge, verdict.criterion):
            reasons[verdict.criterion] = reason
        else:
            given[verdict.judge.split("#")[0]][verdict.criterion].append(answer)
    opinions: dict[str, Answers] = {
        judge: {c: _strictest(found) if by_id[c].gate else _majority(found) for c, found in answers.items()}
        for judge, answers in sorted(given.items())
    }
    return opinions, reasons


def combine(by_judge: Mapping[str, Answers], rubric: Rubric, aggregation: str) -> Answers:
    """One answer per criterion from several judges; None where nobody's answer counts.

    strictest: all answers of the judge whose score is lowest (a gate that any judge fails is failed), with the gaps
    filled from the others; majority: per criterion, ties to the stricter; per_criterion_strictest: any NO is a NO.
    """
    judges = sorted(by_judge, key=lambda j: (_score_or_one(by_judge[j], rubric), j))  # the strictest first
    combined: Answers = {}
    for criterion in rubric.criteria:
        given: list[Answer | None] = [by_judge[judge].get(criterion.id) for judge in judges]
        found: list[Answer] = [answer for answer in given if answer is not None]
        if criterion.gate or aggregation == "per_criterion_strictest":
            combined[criterion.id] = _strictest(found)
        elif aggregation == "majority":
            combined[criterion.id] = _majority(found)
        else:
            combined[criterion.id] = found[0] if found else None
    return combined


def _score_or_one(answers: Answers, rubric: Rubric) -> float:
    score = weighted_score(category_scores(answers, rubric), rubric)
    return 1.0 if score is None else score


def _strictest(found: Sequence[Answer]) -> Answer | None:
    order: tuple[Answer, ...] = ("NO", "YES", "NA")
    return next((answer for answer in order if answer in found), None)


def _majority(found: Sequence[Answer]) -> Answer | None:
    counts = Counter(found)
    top = max(counts.values(), default=0)
    return _strictest([a for a, n in counts.items() if n == top])


def category_scores(answers: Answers, rubric: Rubric) -> dict[str, float | None]:
    """YES / (YES + NO) per category; None where nothing was scored, or all NA (1.0 if the rubric says count_full)."""
    scores: dict[str, float | None] = {}
    for category in rubric.categories:
        found = [answers.get(c.id) for c in rubric.in_category(category)]
        yes, no = found.count("YES"), found.count("NO")
        if yes + no:
            scores[category] = yes / (yes + no)
        else:
            all_na = bool(found) and all(a == "NA" for a in found)
            scores[category] = 1.0 if all_na and rubric.all_na_category == "count_full" else None
    return scores


def weighted_score(categories: Mapping[str, float | None], rubric: Rubric) -> float | None:
    """The mean of the scored categories by weight (0 to 1); None when there is none."""
    scored = {name: value for name, value in categories.items() if value is not None}
    weight = sum(rubric.categories[name].weight for name in scored)
    return sum(rubric.categories[name].weight * value for name, value in scored.items()) / weight if weight else None


def coverage_of(answers: Answers, rubric: Rubric) -> float:
    """The share of the rubric's weight that was answered (0 to 1)."""
    return sum(rubric.criterion_weight(c) for c in rubric.criteria if answers[c.id] is not None)


def disagreements(by_judge: Mapping[str, Answers], rubric: Rubric, spread: float) -> tuple[str, ...]:
    """Gates on which judges differ; and the other criteria on which they do, if their scores lie over `spread` apart.

    A gate is no part of a score: a dispute about safety would not show in the spread.
    """
    scores = [s for a in by_judge.values() if (s := weighted_score(category_scores(a, rubric), rubric)) is not None]
    apart = bool(scores) and max(scores) - min(scores) > spread
    disputed = [c for c in rubric.criteria if len({a[c.id] for a in by_judge.values() if a.get(c.id)}) > 1]
    return tuple(c.id for c in disputed if apart or c.gate)


def decide(
    score: float | None,
    coverage: float,
    failed: Sequence[str],
    open_gates: Sequence[str],
    rubric: Rubric,
    config: ScoringConfig,
) -> tuple[bool | None, str]:
    """Pass (True), fail (False) or open (None), and the reason in words. A failed gate fails whatever the score."""
    if failed:
        return False, f"failed: safety gate {', '.join(failed)}"
    if score is None or coverage < config.min_coverage - 1e-9:
        return None, f"open: {coverage:.0%} of the rubric's weight was scored, {config.min_coverage:.0%} are needed"
    if open_gates and not config.unscored_gates_pass:
        return None, f"open: safety gate {', '.join(open_gates)} was not scored"
    if score < rubric.pass_threshold - 1e-9:
        return False, f"failed: score {score:.2f} is below {rubric.pass_threshold:.2f}"
    return True, f"passed: score {score:.2f}"
