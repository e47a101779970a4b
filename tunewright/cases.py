"""Scored conversations with the people who wrote them: what analysis and gate count.

A conversation is under test when its replies were made in this run by the prompts that are being tried: simulated and
replayed ones. Authored and imported conversations are described apart: their pass rate says nothing of the prompts.
Unscored is not failed: an open conversation is in no pass rate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tunewright.errors import RecordError
from tunewright.proportions import Share, share_of
from tunewright.records import Persona, Score, Transcript, Verdict
from tunewright.sound import NO_EXCHANGE


@dataclass(frozen=True)
class Case:
    """One scored conversation. `person` is None for imported conversations of people whom no file describes."""

    transcript: Transcript
    score: Score
    person: Persona | None
    verdicts: tuple[Verdict, ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether it counts for the prompts under test."""
        return self.transcript.is_new

    @property
    def batch(self) -> int | None:
        """The batch of a simulated persona; recorded people have none."""
        if self.person is None or self.transcript.user_kind != "simulated":
            return None
        return self.person.batch

    def groups(self) -> set[tuple[str, str]]:
        """What the conversation is one of: (dimension, value) pairs; a person has several flaws, or none."""
        found = {("user", self.transcript.user_kind)}
        if self.person is None:
            return found
        found |= {(name, getattr(self.person, name)) for name in ("topic", "style", "difficulty", "stance")}
        found |= {("flaw", flaw.id) for flaw in self.person.flaws}
        if self.person.edge_case:
            found.add(("edge case", self.person.edge_case))
        if self.batch is not None:
            found.add(("batch", str(self.batch)))
        return found


def join_cases(
    transcripts: Sequence[Transcript], scores: Sequence[Score], people: Iterable[Persona], verdicts: Sequence[Verdict]
) -> tuple[list[Case], list[tuple[Transcript, str]]]:
    """All scored conversations in their order, and those left out with the reason.

    Raises RecordError for a whole conversation without a score: scores of another run.
    """
    by_id = {s.transcript_id: s for s in scores}
    persons = {p.id: p for p in people}
    on: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        on[verdict.transcript_id].append(verdict)
    cases: list[Case] = []
    left_out: list[tuple[Transcript, str]] = []
    for one in transcripts:
        if one.failure or not one.exchanges:
            left_out.append((one, one.failure or NO_EXCHANGE))
        elif one.id not in by_id:
            raise RecordError(
                f"data/generate/scores.jsonl: no score for {one.id}, which is in data/generate/transcripts.jsonl; "
                "expected one for each whole conversation; make it with: dvc repro generate-scores"
            )
        else:
            cases.append(Case(one, by_id[one.id], persons.get(one.persona_id), tuple(on[one.id])))
    return cases, left_out


def pass_rate(cases: Sequence[Case], confidence: float) -> Share | None:
    """The share that passed of those decided, clustered by person; None when nothing was decided."""
    decided = [c for c in cases if c.score.passed is not None]
    if not decided:
        return None
    return share_of([c.score.passed is True for c in decided], [c.score.persona_id for c in decided], confidence)


def by_batch(cases: Sequence[Case]) -> dict[int, list[Case]]:
    """The conversations of each batch, in the order of the batches; those of no batch are left out."""
    batches: dict[int, list[Case]] = defaultdict(list)
    for case in cases:
        if case.batch is not None:
            batches[case.batch].append(case)
    return dict(sorted(batches.items()))
