"""One conversation as its page shows it: messages with their lengths, criteria with what was answered and decided."""

from __future__ import annotations

from dataclasses import dataclass

from tunewright.measures import STATISTICS, words
from tunewright.records import RULES, Answer, Quote, Verdict
from tunewright.reviewing.deciding import WAYS, Way, combined_answer, compared, may_be_na, why_no_example, why_not
from tunewright.reviewing.material import Material, Reading
from tunewright.reviewing.opinions import Opinions, Said, asked_criteria
from tunewright.rubric import SAFETY, Criterion, Rubric
from tunewright.verdict_rules import allowed_answer

TWICE = 2.0  # replies over twice the user's words are marked where the rubric has no bound of its own (the method, 7)


@dataclass(frozen=True)
class ExchangeView:
    """One exchange with the lengths of its messages in words."""

    n: int
    user: str
    assistant: str
    user_words: int
    reply_words: int
    ratio: float
    over: bool  # the reply is longer than the bound on the ratio
    cut: bool


@dataclass(frozen=True)
class JudgeView:
    """One judge's part on one criterion."""

    name: str
    answer: Answer | None
    counts_as: Answer | None  # where it differs from what was said
    unscored: str | None
    evidence: tuple[int, ...]  # exchanges named without a quote from them
    quotes: tuple[Quote, ...]
    misquotes: tuple[str, ...]
    reasoning: str


@dataclass(frozen=True)
class MeasuredView:
    """One measured value and its bounds."""

    statistic: str
    says: str
    value: float
    wanted: str
    holds: bool


@dataclass(frozen=True)
class Choice:
    """A button: what it decides, its key, and why it makes no sense here (None: it does)."""

    action: str  # "label" or "decision"
    value: str
    says: str
    key: str
    why_not: str | None


@dataclass(frozen=True)
class CriterionView:
    """One criterion of one conversation. `hidden`: its answers are not shown before the reader has decided."""

    criterion: Criterion
    question_hash: str
    name: str
    place: str
    why_not_asked: str | None  # None: it is asked of readers
    hidden: bool
    combined: Answer | None
    unscored: str
    disputed: bool
    judges: tuple[JudgeView, ...]
    measured: tuple[MeasuredView, ...]
    said: Said
    compared: str  # the reader's answer with the combined one
    ways: tuple[Choice, ...]
    answers: tuple[Choice, ...]
    why_no_example: str | None
    n_exchanges: int


def exchange_views(reading: Reading, rubric: Rubric) -> list[ExchangeView]:
    """The conversation's exchanges, numbered from 1."""
    limit = ratio_limit(rubric)
    found = []
    for n, one in enumerate(reading.talk.exchanges, 1):
        user, reply = len(words(one.user)), len(words(one.assistant))
        ratio = reply / max(user, 1)
        found.append(ExchangeView(n, one.user, one.assistant, user, reply, ratio, ratio > limit + 1e-9, one.cut))
    return found


def ratio_limit(rubric: Rubric) -> float:
    """The most words of a reply for each word of the user's, as the rubric bounds it, else twice."""
    measured = [item for c in rubric.criteria for item in (c.measure or {}).items()]
    return min([b.max for name, b in measured if name == "length_ratio_max" and b.max is not None], default=TWICE)


def criterion_views(reading: Reading, material: Material, opinions: Opinions, blind: bool) -> list[CriterionView]:
    """Every criterion by category, gates first."""
    rubric = material.rubric
    order = [SAFETY, *rubric.categories]
    criteria = sorted(rubric.criteria, key=lambda c: order.index(c.category))
    return [criterion_view(c, reading, material, opinions, blind) for c in criteria]


def criterion_view(
    criterion: Criterion, reading: Reading, material: Material, opinions: Opinions, blind: bool
) -> CriterionView:
    """One criterion; in blind mode without anything that was answered, until the reader has decided."""
    rubric, said = material.rubric, opinions.said(reading.talk.id, criterion.id)
    hidden = blind and said.own is None
    verdicts = [] if hidden else [v for v in reading.verdicts if v.criterion == criterion.id]
    combined = None if hidden else combined_answer(reading, criterion)
    score = None if hidden else reading.score
    ways = () if hidden else tuple(_way(way, combined) for way in WAYS)
    return CriterionView(
        criterion=criterion,
        question_hash=rubric.question_hash(criterion),
        name=readable(criterion.id),
        place="Safety gate" if criterion.gate else rubric.categories[criterion.category].title,
        why_not_asked=_why_not_asked(criterion, reading),
        hidden=hidden,
        combined=combined,
        unscored=score.unscored.get(criterion.id, "no verdict") if score and combined is None else "",
        disputed=bool(score and criterion.id in score.disagreements),
        judges=tuple(_judge(v, criterion) for v in verdicts if v.judge != "measure"),
        measured=tuple(m for v in verdicts if v.judge == "measure" for m in _measured(v, criterion)),
        said=said,
        compared=compared(said.own.answer if said.own else None, combined),
        ways=ways,
        answers=_answers(criterion, criterion.na_allowed if hidden else may_be_na(criterion, reading)),
        why_no_example=why_no_example(reading, said.own),
        n_exchanges=len(reading.talk.exchanges),
    )


def readable(id: str) -> str:
    """An id as words."""
    return id.replace("_", " ").capitalize()


def _why_not_asked(criterion: Criterion, reading: Reading) -> str | None:
    if asked_criteria([criterion], reading):
        return None
    if criterion.evaluator == "measure":
        return "Measured, not judged"
    return "Too short to tell" if reading.score else "Not judged"


def _judge(verdict: Verdict, criterion: Criterion) -> JudgeView:
    counts = verdict.answer if verdict.judge in RULES else allowed_answer(verdict.answer, criterion)
    quoted = {q.exchange for q in verdict.quotes}
    return JudgeView(
        name=verdict.judge,
        answer=verdict.answer,
        counts_as=counts if counts != verdict.answer else None,
        unscored=verdict.unscored,
        evidence=tuple(n for n in verdict.evidence if n not in quoted),
        quotes=verdict.quotes,
        misquotes=verdict.misquotes,
        reasoning=verdict.reasoning,
    )


def _measured(verdict: Verdict, criterion: Criterion) -> list[MeasuredView]:
    bounds = criterion.measure or {}
    return [
        MeasuredView(name, STATISTICS[name], value, str(bounds[name]), bounds[name].holds(value))
        for name, value in verdict.values.items()
        if name in bounds
    ]


def _way(way: Way, combined: Answer | None) -> Choice:
    keys: dict[Way, str] = {"agree": "a", "false pass": "f", "false fail": "g"}
    return Choice("decision", way, way.capitalize(), keys[way], why_not(way, combined))


def _answers(criterion: Criterion, na: bool) -> tuple[Choice, ...]:
    no_na = None if na else f"{readable(criterion.id)} allows no NA"
    return (
        Choice("label", "YES", "Yes", "y", None),
        Choice("label", "NO", "No", "x", None),
        Choice("label", "NA", "NA", "0", no_na),
        Choice("label", "unsure", "Unsure", "u", None),
    )
