"""What makes a conversation worth reading: its score, its gates, its judges and its person, each in words.

A candidate is what is left of a conversation once it was looked at: no text, so that thousands fit in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunewright.records import Persona, Score, Transcript
from tunewright.review_queue import Reason, ReasonKind
from tunewright.rubric import Rubric
from tunewright.scoring import Answers, category_scores, weighted_score

NAMED = 3  # criteria that a reason names; the others are counted
UNKNOWN = "unknown"  # of an imported person (records.Persona)
ROUNDING = 1e-9


@dataclass(frozen=True)
class Found:
    """A reason, and how much it weighs against the same reason of another conversation."""

    reason: Reason
    weight: float


@dataclass(frozen=True)
class Candidate:
    """A whole new conversation and why it might be read, the gravest reason first."""

    transcript_id: str
    content_hash: str
    persona_type: str | None  # None: nobody knows the person
    found: tuple[Found, ...]

    def weight(self, kind: ReasonKind) -> float | None:
        """How much a reason weighs here; None: it does not hold."""
        return next((f.weight for f in self.found if f.reason.kind == kind), None)


def candidate(
    transcript: Transcript,
    score: Score,
    by_judge: Mapping[str, Answers],
    person: Persona | None,
    rubric: Rubric,
    near: float,
    type_fields: Sequence[str],
) -> Candidate:
    """Look at one scored conversation. `by_judge`: the answers that count; `near`: of the pass threshold, in score."""
    found = [
        *_gates(score),
        *_disagreement(score, by_judge, rubric),
        *_near_threshold(score, rubric.pass_threshold, near),
        *_unscored(score),
        *_perfect(score),
    ]
    return Candidate(transcript.id, transcript.content_hash, persona_type(person, type_fields), tuple(found))


def persona_type(person: Persona | None, fields: Sequence[str]) -> str | None:
    """What two people have in common when reading one tells something of the other: see `generate.review`.

    An edge case is a type by itself, whatever else the person is. None: the person is not described.
    """
    if person is None:
        return None
    if person.edge_case:
        return f"edge case {person.edge_case}"
    values = [str(getattr(person, name)) for name in fields]
    return None if UNKNOWN in values else ", ".join(values)


def _gates(score: Score) -> list[Found]:
    """Failed before unscored."""
    failed, unscored = len(score.gates_failed), len(score.gates_unscored)
    says = [f"{_gate(score.gates_failed)} failed"] if failed else []
    says += [f"{_gate(score.gates_unscored)} {'was' if unscored == 1 else 'were'} not scored"] if unscored else []
    return [_found("gate", "; ".join(says), 100 * failed + unscored)] if says else []


def _gate(names: Sequence[str]) -> str:
    return f"gate{'s' * (len(names) > 1)} {', '.join(names)}"


def _disagreement(score: Score, by_judge: Mapping[str, Answers], rubric: Rubric) -> list[Found]:
    """A disputed gate before any spread, then the wider spread."""
    if not score.disagreements:
        return []
    found = {j: s for j, a in by_judge.items() if (s := weighted_score(category_scores(a, rubric), rubric)) is not None}
    spread = max(found.values()) - min(found.values()) if found else 0.0
    says = f"judges differ on {_some(score.disagreements)}"
    if len(found) > 1:
        says += f"; their scores lie {spread:.2f} apart ({', '.join(f'{j} {s:.2f}' for j, s in found.items())})"
    disputed = {g.id for g in rubric.gates} & {*score.disagreements}
    return [_found("disagreement", says, 10 * len(disputed) + spread)]


def _near_threshold(score: Score, threshold: float, near: float) -> list[Found]:
    if score.score is None or abs(score.score - threshold) > near + ROUNDING:
        return []
    return [_found("near threshold", f"score {score.score:.3f} is within {near:g} of {threshold:.2f}", 0.0)]


def _unscored(score: Score) -> list[Found]:
    """An open conversation before one that was decided without some criteria; gates have a reason of their own."""
    missing = [c for c in score.unscored if c not in score.gates_unscored]
    if score.passed is not None and not missing:
        return []
    says = [score.outcome] if score.passed is None else []
    says += [f"{len(missing)} of {len(score.answers)} criteria unscored: {_some(missing)}"] if missing else []
    return [_found("unscored", "; ".join(says), 100 * (score.passed is None) + len(missing))]


def _perfect(score: Score) -> list[Found]:
    """The more of the rubric a perfect score speaks of, the more it should be doubted."""
    if score.score is None or score.score < 1 - ROUNDING:
        return []
    return [_found("perfect", f"score 1.00 on {score.coverage:.0%} of the rubric's weight", score.coverage)]


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:NAMED])} and {more} more"


def _found(kind: ReasonKind, says: str, weight: float) -> Found:
    return Found(Reason(kind=kind, says=says), weight)
