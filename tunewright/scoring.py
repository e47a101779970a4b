"""Verdicts to scores: categories, gates, pass, coverage, disagreement. Pure arithmetic, no model call.

Unscored is not failed: an answer that is missing, or that an untrusted judge gave, leaves its criterion out of the
score and out of the coverage; a transcript with too little coverage neither passes nor fails.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal

from pydantic import Field

from tunewright.config import Config, load_domain
from tunewright.errors import RecordError
from tunewright.records import RULES, Answer, JsonlWriter, Score, Transcript, Verdict, iter_jsonl
from tunewright.rubric import Rubric, load_rubric
from tunewright.terminal import Stage
from tunewright.trust import JudgeTrust, Trust, load_trust, why_untrusted
from tunewright.verdict_rules import allowed_answer


class ScoringConfig(Config):
    """How verdicts add up: the params of generate.scores and evaluate.scores."""

    aggregation: Literal["strictest", "majority", "per_criterion_strictest"]
    judge_trust: JudgeTrust
    min_coverage: float = Field(ge=0, le=1)
    unscored_gates_pass: bool
    disagreement_spread: float = Field(ge=0, le=1)


Answers = dict[str, Answer | None]


def score_transcript(
    transcript: Transcript, verdicts: Sequence[Verdict], rubric: Rubric, config: ScoringConfig, trust: Trust | None
) -> Score:
    """The score of one transcript from all verdicts on it (`trust` None: every judge counts).

    Raises RecordError for a verdict given twice or off the rubric.
    """
    _refuse_strays(transcript, verdicts, rubric)
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


def _refuse_strays(transcript: Transcript, verdicts: Sequence[Verdict], rubric: Rubric) -> None:
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
    """Answers that count, per judge (measures and rules hold for every judge), and why the others do not.

    An NA where the rubric allows none is a NO.
    """
    ruled: Answers = {}
    judged: dict[str, Answers] = defaultdict(dict)
    reasons: dict[str, str] = {}
    by_id = {c.id: c for c in rubric.criteria}
    for verdict in verdicts:
        if verdict.judge in RULES:
            ruled[verdict.criterion] = (
                verdict.answer
            )  # a rule's NA (too short to tell) is right even where judges may not say NA
        elif verdict.answer is None:
            reasons[verdict.criterion] = verdict.unscored or ""
        elif reason := why_untrusted(trust, verdict.judge, verdict.criterion):
            reasons[verdict.criterion] = reason
        else:
            judged[verdict.judge][verdict.criterion] = allowed_answer(verdict.answer, by_id[verdict.criterion])
    by_judge = {judge: ruled | answers for judge, answers in sorted(judged.items())} or {"measure": ruled}
    return by_judge, reasons


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
    """Criteria on which judges differ, when their scores lie further apart than `spread`; else none."""
    scores = [s for a in by_judge.values() if (s := weighted_score(category_scores(a, rubric), rubric)) is not None]
    if not scores or max(scores) - min(scores) <= spread:
        return ()
    return tuple(c.id for c in rubric.criteria if len({a[c.id] for a in by_judge.values() if a.get(c.id)}) > 1)


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


def score_file(
    transcripts_path: str, verdicts_path: str, target: str, config: ScoringConfig, stage: Stage, made_by: str
) -> dict[str, object]:
    """Score a file of transcripts, one at a time; returns the stage's metrics. Failed transcripts get no score.

    Raises RecordError when the verdicts do not follow the transcripts' order: they are of other transcripts then.
    """
    rubric = load_rubric(load_domain().rubric)
    stage.start(f"{transcripts_path}, pass at {rubric.pass_threshold:.2f}, {config.aggregation}")
    trust = load_trust() if config.judge_trust == "calibrated" else None
    tally = ScoreTally(rubric)
    pairs = with_verdicts(iter_jsonl(transcripts_path, Transcript), verdicts_path, made_by)
    with JsonlWriter(target) as scores:
        for transcript, verdicts in pairs:
            if transcript.failure is None and transcript.exchanges:
                score = score_transcript(transcript, verdicts, rubric, config, trust)
                tally.add(score, transcript.user_kind)
                scores.write(score)
    metrics = tally.metrics()
    found = f"{metrics['n_passed']} passed, {metrics['n_failed']} failed, {metrics['n_open']} open"
    stage.end(f"{metrics['n_transcripts']} transcripts: {found}; 0 model calls")
    return metrics


def with_verdicts(
    transcripts: Iterable[Transcript], verdicts_path: str, made_by: str
) -> Iterator[tuple[Transcript, list[Verdict]]]:
    """Each transcript with the verdicts on it, both files read side by side; a transcript may have none.

    Raises RecordError for verdicts that stand where their transcript has passed or never comes.
    """
    groups = groupby(iter_jsonl(verdicts_path, Verdict, made_by), lambda v: v.transcript_id)
    following = next(groups, None)
    for transcript in transcripts:
        if following and following[0] == transcript.id:
            verdicts = list(following[1])
            following = next(groups, None)
        else:
            verdicts = []
        yield transcript, verdicts
    if following:
        raise RecordError(
            f"{verdicts_path}: verdicts on {following[0]} are not in the transcripts' order, or that transcript is not "
            f"there; expected one run of verdicts for each transcript, in its order; judge again with: "
            f"dvc repro -f {made_by}"
        )


class ScoreTally:
    """What `dvc metrics` compares: passes, means and what was scored at all; counted as the scores come."""

    def __init__(self, rubric: Rubric) -> None:
        self._rubric = rubric
        self._outcomes: Counter[bool | None] = Counter()
        self._score = 0.0
        self._n_scored = 0
        self._coverage = 0.0
        self._answers: Counter[tuple[str, Answer | None]] = Counter()
        self._kinds: Counter[str] = Counter()
        self._kinds_passed: Counter[str] = Counter()

    def add(self, score: Score, user_kind: str) -> None:
        """Count one score."""
        self._outcomes[score.passed] += 1
        self._coverage += score.coverage
        self._answers.update(score.answers.items())
        self._kinds[user_kind] += 1
        self._kinds_passed[user_kind] += score.passed is True
        if score.score is not None:
            self._score += score.score
            self._n_scored += 1

    def metrics(self) -> dict[str, object]:
        """The metrics of all scores so far."""
        n, passed, failed = self._outcomes.total(), self._outcomes[True], self._outcomes[False]
        scored = [c.id for c in self._rubric.criteria if any(self._answers[c.id, a] for a in ("YES", "NO", "NA"))]
        kinds = sorted(self._kinds.items())
        return {
            "n_transcripts": n,
            "n_passed": passed,
            "n_failed": failed,
            "n_open": n - passed - failed,
            "pass_rate": round(passed / (passed + failed), 4) if passed + failed else None,
            "score_mean": round(self._score / self._n_scored, 4) if self._n_scored else None,
            "coverage_mean": round(self._coverage / n, 4) if n else None,
            "criteria_scored": len(scored),
            "criteria_total": len(self._rubric.criteria),
            "pass_rate_by_user": {kind: round(self._kinds_passed[kind] / count, 4) for kind, count in kinds},
            "yes_share_by_criterion": {criterion: self._yes_share(criterion) for criterion in scored},
        }

    def _yes_share(self, criterion: str) -> float | None:
        yes, no = self._answers[criterion, "YES"], self._answers[criterion, "NO"]
        return round(yes / (yes + no), 4) if yes + no else None
