"""What is wrong with a conversation that failed, and where: what may be rewritten, and where safety was left.

Evidence of a judged criterion is what the judges that count named; of a measured one it is computed. And the record of
what became of each conversation: data/generate/repairs.jsonl.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from tunewright.offending import Demand, demands
from tunewright.records import RULES, Record, Score, Transcript, Verdict, stable_unit
from tunewright.rubric import Criterion, Rubric
from tunewright.trust import Trust, why_untrusted
from tunewright.verdict_rules import allowed_answer

NOT_CHOSEN = "not among those that the preset repairs"
NO_ANSWER = "no answer: "  # how the reason begins where a model could not be asked: the next run may repair it

Entailed = Literal["YES", "NO", "no answer", "not checked", "no next message"]
Action = Literal["fixed", "truncated", "rejected", "left"]


class Rewrite(Record):
    """One reply that was to be mended. `after` is None when no attempt could be used; `entailment` then too."""

    exchange: int  # from 1
    criteria: tuple[str, ...]
    before: str
    after: str | None
    attempts: int
    problems: tuple[str, ...]  # of the attempts that were not taken
    entailment: Entailed | None
    reasoning: str  # of the judges, on entailment


class Repair(Record):
    """What became of one conversation that had failed."""

    transcript_id: str
    fixed_id: str | None  # None: there is none that may be trained on
    action: Action
    reason: str
    outcome: str  # of the score before
    n_before: int  # exchanges
    n_after: int  # of the repaired conversation, kept or not
    rejudged: bool
    rewrites: tuple[Rewrite, ...] = ()


class Fault(NamedTuple):
    """Why one reply is to be mended: a criterion, what was found, and what is wanted where that can be counted."""

    criterion: str
    question: str
    why: str
    demands: tuple[Demand, ...] = ()

    @property
    def wanted(self) -> list[str]:
        """The demands in words, each once."""
        return list(dict.fromkeys(d.text for d in self.demands))


class Triage(NamedTuple):
    """This run's conversations that passed or failed, those of the failed ones to repair, and the others as records."""

    decided: tuple[str, ...]  # transcript ids of those made in this run
    chosen: tuple[str, ...]
    left: tuple[Repair, ...]


def triage(transcripts: Iterable[Transcript], scores: Mapping[str, Score], limit: int | None) -> Triage:
    """Who is repaired: conversations made in this run that failed and are whole; at most `limit`, by stable hash."""
    decided, failed = [], {}
    for one in transcripts:
        passed = scores[one.id].passed if one.id in scores else None
        if passed is not None and one.is_new:
            decided.append(one.id)
        if passed is False:
            failed[one.id] = (_why_left(one), len(one.exchanges))
    open_ones = [id for id, (why, _) in failed.items() if why is None]
    ranked = sorted(open_ones, key=lambda id: (stable_unit("fixup", id), id))
    chosen = set(ranked if limit is None else ranked[:limit])
    left = [_left(scores[id], why or NOT_CHOSEN, n) for id, (why, n) in failed.items() if id not in chosen]
    return Triage(tuple(decided), tuple(id for id in open_ones if id in chosen), tuple(left))


def _why_left(transcript: Transcript) -> str | None:
    if not transcript.is_new:
        return "people's words are never rewritten"
    return "a message was cut off at its token limit: it is never trained on" if transcript.is_cut else None


def _left(score: Score, reason: str, n: int) -> Repair:
    return Repair(
        transcript_id=score.transcript_id,
        fixed_id=None,
        action="left",
        reason=reason,
        outcome=score.outcome,
        n_before=n,
        n_after=n,
        rejudged=False,
    )


def faults_by_exchange(
    transcript: Transcript,
    score: Score,
    verdicts: Sequence[Verdict],
    rubric: Rubric,
    trust: Trust | None,
    max_replies: int,
) -> dict[int, list[Fault]]:
    """The replies to mend, by exchange from 1, for every soft criterion that the conversation failed.

    A judged criterion without evidence makes the last `max_replies` replies candidates: to lose those costs least.
    """
    found: dict[int, list[Fault]] = {}
    for criterion in rubric.criteria:
        if criterion.gate or score.answers.get(criterion.id) != "NO":
            continue
        noes = counted_noes(criterion, verdicts, trust)
        why = " ".join(dict.fromkeys(v.reasoning for v in noes if v.reasoning))
        for number, wanted in _places(criterion, transcript, noes, rubric, max_replies).items():
            found.setdefault(number, []).append(Fault(criterion.id, criterion.question, why, tuple(wanted)))
    return dict(sorted(found.items()))


def _places(
    criterion: Criterion, transcript: Transcript, noes: Sequence[Verdict], rubric: Rubric, max_replies: int
) -> dict[int, list[Demand]]:
    """Exchange numbers with what is demanded there (nothing that can be counted, for a judged criterion)."""
    places: dict[int, list[Demand]] = {}
    if criterion.evaluator == "measure":
        for demand in demands(criterion, transcript.exchanges, rubric.lexicon):
            places.setdefault(demand.exchange, []).append(demand)
        return places
    n = len(transcript.exchanges)
    evidence = {number for v in noes for number in v.evidence}
    return {number: [] for number in evidence or range(max(1, n - max_replies + 1), n + 1)}


def first_unsafe(
    transcript: Transcript, score: Score, verdicts: Sequence[Verdict], rubric: Rubric, trust: Trust | None
) -> int | None:
    """The first exchange that any failed gate names; None when a failed gate names none: it could be anywhere."""
    firsts = []
    for gate in rubric.gates:
        if gate.id in score.gates_failed:
            noes = counted_noes(gate, verdicts, trust)
            is_known = gate.evaluator == "measure" or all(v.evidence for v in noes)
            places = _places(gate, transcript, noes, rubric, 0) if noes and is_known else {}
            if not places:
                return None
            firsts.append(min(places))
    return min(firsts, default=None)


def counted_noes(criterion: Criterion, verdicts: Sequence[Verdict], trust: Trust | None) -> list[Verdict]:
    """The verdicts that say NO to a criterion and count (an NA where none is allowed is a NO, as in scoring)."""
    return [
        v
        for v in verdicts
        if v.criterion == criterion.id
        and (
            v.answer == "NO"
            if v.judge in RULES
            else allowed_answer(v.answer, criterion) == "NO" and why_untrusted(trust, v.judge, criterion.id) is None
        )
    ]
