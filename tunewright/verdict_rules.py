"""Verdicts that need no model: measured criteria, and what follows from a conversation's length alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunewright.measures import measure
from tunewright.records import Transcript, Verdict
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


def measured_verdict(transcript: Transcript, criterion: Criterion, values: Mapping[str, float]) -> Verdict:
    """YES when every named statistic lies within its bounds; the reasoning says which does not."""
    bounds = criterion.measure or {}
    outside = [f"{name} is {values[name]:.2f}, wanted {b}" for name, b in bounds.items() if not b.holds(values[name])]
    used = {name: round(values[name], 6) for name in bounds}
    return _verdict(
        transcript,
        criterion,
        "measure",
        "NO" if outside else "YES",
        reasoning="; ".join(outside) or "within bounds",
        values=used,
    )


def unscored_verdict(transcript: Transcript, criterion: Criterion, judge: str, reason: str) -> Verdict:
    """A question without an answer, and why."""
    return _verdict(transcript, criterion, judge, None, unscored=reason)


def _verdict(transcript: Transcript, criterion: Criterion, judge: str, answer: str | None, **rest: object) -> Verdict:
    return Verdict.model_validate(
        {"transcript_id": transcript.id, "criterion": criterion.id, "judge": judge, "answer": answer} | rest
    )
