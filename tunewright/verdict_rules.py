"""Verdicts that need no model: measured criteria, and what follows from a conversation's length alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunewright.measures import measure
from tunewright.records import Answer, Exchange, Transcript, Verdict
from tunewright.rubric import Criterion, Rubric

NOT_SAMPLED = "not among the transcripts that the preset sends to judges"


def needs_judge(criterion: Criterion, transcript: Transcript) -> bool:
    """Whether a model must be asked: not for measures, and not where the conversation is too short to tell."""
    return criterion.evaluator == "judge" and len(transcript.exchanges) >= criterion.min_exchanges


def rule_verdicts(transcript: Transcript, rubric: Rubric, judges: Sequence[str], judged: bool) -> list[Verdict]:
    """The verdicts that need no model: measures, conversations too short for a criterion, transcripts not sampled."""
    values = measure(transcript.exchanges, rubric.lexicon)
    verdicts = []
    for criterion in rubric.criteria:
        if len(transcript.exchanges) < criterion.min_exchanges:
            too_short = f"{len(transcript.exchanges)} exchanges; this criterion needs {criterion.min_exchanges}"
            verdicts.append(_verdict(transcript, criterion, "rule", "NA", reasoning=too_short))
        elif criterion.evaluator == "measure":
            verdicts.append(measured_verdict(transcript, criterion, values))
        elif not judged:
            verdicts += [_verdict(transcript, criterion, judge, None, unscored=NOT_SAMPLED) for judge in judges]
    return verdicts


def measured_answer(criterion: Criterion, values: Mapping[str, float]) -> tuple[Answer, str]:
    """YES when every named statistic lies within its bounds; else NO, and which does not."""
    bounds = criterion.measure or {}
    outside = [f"{name} is {values[name]:.2f}, wanted {b}" for name, b in bounds.items() if not b.holds(values[name])]
    return ("NO", "; ".join(outside)) if outside else ("YES", "within bounds")


def failed_measures(exchanges: Sequence[Exchange], rubric: Rubric) -> dict[str, str]:
    """The measured criteria that a conversation fails, of those that its length allows, and why."""
    if not exchanges:
        return {}
    values = measure(exchanges, rubric.lexicon)
    asked = [c for c in rubric.criteria if c.evaluator == "measure" and len(exchanges) >= c.min_exchanges]
    answers = {c.id: measured_answer(c, values) for c in asked}
    return {criterion: why for criterion, (answer, why) in answers.items() if answer == "NO"}


def measured_verdict(transcript: Transcript, criterion: Criterion, values: Mapping[str, float]) -> Verdict:
    """A measured criterion's answer with the values that it rests on."""
    answer, reasoning = measured_answer(criterion, values)
    used = {name: round(values[name], 6) for name in criterion.measure or {}}
    return _verdict(transcript, criterion, "measure", answer, reasoning=reasoning, values=used)


def allowed_answer(answer: Answer | None, criterion: Criterion) -> Answer | None:
    """The answer as it counts: an NA where the criterion allows none is a NO."""
    return "NO" if answer == "NA" and not criterion.na_allowed else answer


def unscored_verdict(transcript: Transcript, criterion: Criterion, judge: str, reason: str) -> Verdict:
    """A question without an answer, and why."""
    return _verdict(transcript, criterion, judge, None, unscored=reason)


def _verdict(transcript: Transcript, criterion: Criterion, judge: str, answer: str | None, **rest: object) -> Verdict:
    return Verdict.model_validate(
        {"transcript_id": transcript.id, "criterion": criterion.id, "judge": judge, "answer": answer} | rest
    )
