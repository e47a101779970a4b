"""How far judges, measures and the score agree with people, and who is wrong how often. Pure arithmetic.

A false pass is YES or NA where people say NO; a false fail is NO where people say YES or NA. Their shares are of what
people decided (of all their NOs, how many did a judge let pass?); `wrong_passes` and `wrong_fails` are of what a judge
decided (of all that it let pass, how many do people refuse?). Conversations picked by what the judges said bend the
first two more than the last two. Disputed and unsure answers are in no rate, but in the confusion. Answers on one
persona's conversations are not independent: intervals are Wilson's at the effective n (`proportions.share_of`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tunewright.chance import by_chance, kappa, shares
from tunewright.judge_agreement import Agreeing
from tunewright.labels import ANSWERS
from tunewright.people import PEOPLE, Heard, People
from tunewright.proportions import Share, share_of
from tunewright.records import RULES, Answer, Score, Transcript, Verdict
from tunewright.rubric import Rubric
from tunewright.scoring import judges_answers, refuse_strays

COMBINED = "combined answer"  # of the score; other names are judges', "measure" and "rule"
UNSCORED, SATISFIED = "unscored", "satisfied"


@dataclass(frozen=True)
class Judged:
    """What judges, measures and score say of one conversation: answers by who gave them and by criterion."""

    persona_id: str
    answers: Mapping[str, Mapping[str, Answer | None]]
    passed: bool | None  # by the score; None: open, or nobody scored it


class Pair(NamedTuple):
    """One question: what a judge says of it, what people say, and whose conversation it is about."""

    said: Answer | None
    people: People
    persona_id: str


@dataclass(frozen=True)
class Compared:
    """A judge against people. `kappa_low` and `kappa_high` are the agreement's interval with chance held where it is.

    None: there is nothing to take a share of; or, for kappa, chance alone would agree as well. `confusion`: counts by
    what the judge says, then by what people say.
    """

    agreement: Share | None
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None
    false_pass: Share | None
    false_fail: Share | None
    wrong_passes: Share | None
    wrong_fails: Share | None
    confusion: dict[str, dict[str, int]]


def judged(transcript: Transcript, score: Score | None, verdicts: Sequence[Verdict], rubric: Rubric) -> Judged:
    """Everybody's own answers, trusted or not: whom to trust is what is to be found out. None: asked, and unscored.

    Raises RecordError for verdicts of another rubric.
    """
    refuse_strays(transcript, verdicts, rubric)
    answers: dict[str, dict[str, Answer | None]] = {}
    for verdict in verdicts:
        answers.setdefault(verdict.judge.split("#")[0], {})[verdict.criterion] = None
    for verdict in verdicts:
        if verdict.judge in RULES:
            answers[verdict.judge][verdict.criterion] = verdict.answer
    for judge, given in judges_answers(verdicts, rubric, None)[0].items():
        answers[judge] |= given
    combined = {COMBINED: score.answers} if score else {}
    return Judged(transcript.persona_id, combined | answers, score.passed if score else None)


def compare(pairs: Sequence[Pair], confidence: float) -> Compared:
    """One judge against people, over the questions that both were asked."""
    both = [p for p in pairs if p.said and p.people in ANSWERS]
    agreement = _share(both, [p.said == p.people for p in both], confidence)
    bounds = (agreement.share, agreement.low, agreement.high) if agreement else ()
    kappas = [kappa(share, _chance(both)) for share in bounds] or [None] * 3
    return Compared(
        agreement,
        *kappas,
        false_pass=_wrong([p for p in both if p.people == "NO"], confidence),
        false_fail=_wrong([p for p in both if p.people != "NO"], confidence),
        wrong_passes=_wrong([p for p in both if p.said != "NO"], confidence),
        wrong_fails=_wrong([p for p in both if p.said == "NO"], confidence),
        confusion=confusion(pairs),
    )


def _wrong(pairs: Sequence[Pair], confidence: float) -> Share | None:
    """The share in which one side says NO and the other does not."""
    return _share(pairs, [(p.said == "NO") != (p.people == "NO") for p in pairs], confidence)


def _share(pairs: Sequence[Pair], hits: Sequence[bool], confidence: float) -> Share | None:
    return share_of(hits, [p.persona_id for p in pairs], confidence) if pairs else None


def _chance(pairs: Sequence[Pair]) -> float:
    """How often the judge and people would agree by chance."""
    return by_chance(shares(Counter(p.said for p in pairs)), shares(Counter(p.people for p in pairs)))


def confusion(pairs: Sequence[Pair]) -> dict[str, dict[str, int]]:
    """Counts of every answer of a judge beside every answer of people."""
    counts = Counter((p.said, p.people) for p in pairs)
    return {said or UNSCORED: {people: counts[said, people] for people in PEOPLE} for said in (*ANSWERS, None)}


def criterion_pairs(talks: Mapping[str, Judged], said: Mapping[str, Heard]) -> dict[str, dict[str, list[Pair]]]:
    """Every question that people answered and somebody else was asked, by who that is and by criterion."""
    found: dict[str, dict[str, list[Pair]]] = {}
    for transcript_id, heard in said.items():
        if talk := talks.get(transcript_id):
            for judge, answers in talk.answers.items():
                for criterion in answers:
                    if people := heard.people(criterion):
                        pair = Pair(answers[criterion], people, talk.persona_id)
                        found.setdefault(judge, {}).setdefault(criterion, []).append(pair)
    return found


def whole_pairs(talks: Mapping[str, Judged], said: Mapping[str, Heard]) -> list[Pair]:
    """Whole conversations: passed (YES), failed (NO) or open by the score beside satisfied (YES) or not (NO)."""
    outcome: dict[bool | None, Answer | None] = {True: "YES", False: "NO", None: None}
    return [
        Pair(outcome[talk.passed], outcome[heard.all_satisfied] or "disputed", talk.persona_id)
        for transcript_id, heard in said.items()
        if heard.satisfied and (talk := talks.get(transcript_id))
    ]


def between_readers(said: Mapping[str, Heard], criteria: Sequence[str]) -> dict[str, Any]:
    """How far every two readers agree: on answers, in all and by criterion, and on being satisfied (YES; not: NO)."""
    answers, overall = Agreeing(criteria), Agreeing([SATISFIED])
    for heard in said.values():
        opinions: dict[str, dict[str, Answer | None]] = {}
        for criterion, by_reader in heard.answers.items():
            for reader, answer in by_reader.items():
                opinions.setdefault(reader, {})[criterion] = next((a for a in ANSWERS if a == answer), None)
        answers.add(opinions)
        overall.add({reader: {SATISFIED: "YES" if is_so else "NO"} for reader, is_so in heard.satisfied.items()})
    return {"answers": answers.found(), "satisfied": {pair: by["all"] for pair, by in overall.found().items()}}
