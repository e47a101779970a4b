"""Asking a judge: which criteria go into one call, what it is shown, and what becomes of an answer with faults.

A call holds one criterion, the criteria of one category, or all of them (`batching`). The judge's part and the
transcript come first and are the same for all calls on a transcript, so that a provider's prefix cache serves them to
all calls but the first. Replies are cached by what was asked: an edited criterion is judged again alone (criterion),
with the others of its category (category), or with all others (conversation); so it is with one that gains or loses
trust, since only criteria on which a judge counts are asked.

Judges are blinded: they see the words of a conversation and what is counted of them, never who wrote it, on which side
of a comparison it stands, or what another judge said; a call knows nothing of any other. Criteria within a call are
never shuffled: safety first is the method's order, and a call stays what calibration tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tunewright.calibration import Labelled, n_tokens, shown_to_judge
from tunewright.items import ItemFailure, why_unjudged
from tunewright.judge_answers import (
    MISQUOTED,
    AskingConfig,
    Batching,
    EvidenceRules,
    Fault,
    answer_schema,
    ask_again,
    read_answers,
)
from tunewright.llm import Client
from tunewright.measures import STATISTICS, measure
from tunewright.models import Judge
from tunewright.prompts import ChatMessage, render
from tunewright.records import Exchange, Transcript, Verdict
from tunewright.rubric import Criterion, Rubric
from tunewright.verdict_rules import unscored_verdict

JUDGE_PROMPT = "prompts/shared/judge.md"
Shown = Mapping[str, Sequence[Labelled]]  # calibration examples by criterion


class Asking(NamedTuple):
    """All that a question to a judge depends on beside the judge and the transcript."""

    rubric: Rubric
    rules: AskingConfig
    examples: Shown


def batches(criteria: Sequence[Criterion], batching: Batching) -> list[list[Criterion]]:
    """The criteria of each call, in order; the safety gates are a category."""
    if batching == "conversation":
        return [list(criteria)] if criteria else []
    found: dict[str, list[Criterion]] = {}
    for criterion in criteria:
        found.setdefault(criterion.category if batching == "category" else criterion.id, []).append(criterion)
    return list(found.values())


async def ask_batch(
    client: Client,
    judge: Judge,
    transcript: Transcript,
    criteria: Sequence[Criterion],
    sample: int,
    asking: Asking,
    but: Labelled | None = None,
) -> list[Verdict]:
    """One judge's answers to the criteria of one call, in their order.

    Answers with faults are asked for again, they alone, `reasks` times; what is still faulty, or a model that fails,
    leaves its criteria unscored and the others as they are. `but`: a calibration example that is itself the question.
    A judge's max_tokens are for one criterion; a call has as many times that as it has criteria.
    """
    who, rules, keyed = f"{judge.name}#{sample}" if sample else judge.name, asking.rules, len(criteria) > 1
    shown = shown_in_call(criteria, asking, transcript.source_id or transcript.id, but)
    first = judge_messages(transcript, criteria, asking.rubric, rules.evidence, shown)
    question, left = first, list(criteria)
    found: dict[str, Verdict] = {}
    caught: dict[str, tuple[str, ...]] = {}  # misquotes of earlier tries
    for tries in range(1, rules.reasks + 2):
        spec = judge.model_copy(update={"max_tokens": judge.max_tokens * len(left)})
        try:
            reply = await client.complete(spec, question, sample=sample, schema=answer_schema(left, rules, keyed))
        except ItemFailure as failure:
            found |= {c.id: unscored_verdict(transcript, c, who, why_unjudged(failure)) for c in left}
            break
        good, faults = read_answers(reply.text, left, transcript, who, rules, keyed)
        caught |= {c: caught.get(c, ()) + fault.misquotes for c, fault in faults.items()}
        found |= good
        left = [c for c in left if c.id in faults]
        if not left:
            break
        found |= {c.id: unscored_verdict(transcript, c, who, _why(faults[c.id], judge, tries)) for c in left}
        again = {"role": "user", "content": ask_again(faults, keyed)}
        question = [*first, {"role": "assistant", "content": reply.text}, again]
    return [_with_caught(found[c.id], caught.get(c.id, ())) for c in criteria]


def _why(fault: Fault, judge: Judge, tries: int) -> str:
    """Why a criterion is unscored when its answer is faulty to the last try."""
    if fault.misquotes:
        return f"{MISQUOTED}: {'; '.join(fault.misquotes)}"
    return f"judge failed: {judge.model} gave no usable answer in {tries} tries; the last fault: {fault.said}"


def _with_caught(verdict: Verdict, caught: Sequence[str]) -> Verdict:
    """A verdict that also keeps what its judge invented in earlier tries."""
    return verdict.model_copy(update={"misquotes": tuple(dict.fromkeys((*caught, *verdict.misquotes)))})


def judge_messages(
    transcript: Transcript, criteria: Sequence[Criterion], rubric: Rubric, evidence: EvidenceRules, shown: Shown
) -> list[ChatMessage]:
    """The judge's messages: role, transcript and counted statistics (the same for all calls), then the criteria."""
    values = measure(transcript.exchanges, rubric.lexicon)
    return render(
        JUDGE_PROMPT,
        exchanges=_words(transcript.exchanges),
        statistics=[f"{meaning}: {values[name]:.2f}" for name, meaning in STATISTICS.items()],
        criteria=[c.model_dump() | {"examples": [_example(e) for e in shown.get(c.id, ())]} for c in criteria],
        background=rubric.background,
        evidence=evidence.model_dump(),
    )


def _words(exchanges: Sequence[Exchange]) -> list[dict[str, str]]:
    return [{"user": e.user, "assistant": e.assistant} for e in exchanges]


def _example(one: Labelled) -> dict[str, object]:
    return {"exchanges": _words(one.exchanges), "answer": one.answer, "reason": one.reason}


def shown_in_call(
    criteria: Sequence[Criterion], asking: Asking, source: str, but: Labelled | None
) -> dict[str, list[Labelled]]:
    """The examples of every criterion of a call: an even share of the budget each, and what the earlier left over."""
    left = asking.rules.example_tokens
    shown = {}
    for n, criterion in enumerate(criteria):
        share = left // (len(criteria) - n)
        shown[criterion.id] = shown_to_judge(asking.examples.get(criterion.id, ()), share, source, but)
        left -= sum(map(n_tokens, shown[criterion.id]))
    return shown
