"""Which criteria are met and missed together: candidates for one question, and rules that contradict each other.

Only conversations on which both criteria were answered YES or NO count. A gate is never a candidate: it guards alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from pydantic import Field

from tunewright.cases import Case
from tunewright.config import Config
from tunewright.failure_patterns import answered
from tunewright.proportions import Phi, phi_coefficient
from tunewright.rubric import Rubric


class Redundancy(Config):
    """When two criteria say the same: phi at least, and the lower end of its interval at least."""

    phi: float = Field(gt=0, le=1)
    low: float = Field(gt=-1, lt=1)


@dataclass(frozen=True)
class Pair:
    """Two criteria. `redundant`: they say the same, and neither is a gate; `opposed`: they never agree."""

    left: str
    right: str
    together: Phi
    redundant: bool
    opposed: bool


def pairs(cases: Sequence[Case], rubric: Rubric, limits: Redundancy, confidence: float) -> list[Pair]:
    """Every two criteria that were both answered somewhere, with their phi."""
    gates = {gate.id for gate in rubric.gates}
    found = []
    for left, right in combinations([c.id for c in rubric.criteria], 2):
        both = [(case, missed, case.score.answers.get(right) == "NO") for case, missed in answered(cases, left)]
        both = [row for row in both if row[0].score.answers.get(right) in ("YES", "NO")]
        if both:
            people = [case.score.persona_id for case, *_ in both]
            phi = phi_coefficient([a for _, a, _ in both], [b for *_, b in both], people, confidence)
            same, opposed = _is_redundant(phi, limits), _is_redundant(_turned(phi), limits)
            found.append(Pair(left, right, phi, same and not gates & {left, right}, opposed))
    return found


def never_together(found: Sequence[Pair], rubric: Rubric) -> int:
    """How many pairs of criteria were never both answered on one conversation."""
    n = len(rubric.criteria)
    return n * (n - 1) // 2 - len(found)


def _is_redundant(together: Phi, limits: Redundancy) -> bool:
    return (
        together.phi is not None
        and together.low is not None
        and (together.phi >= limits.phi - 1e-9 and together.low >= limits.low)
    )


def _turned(phi: Phi) -> Phi:
    if phi.phi is None or phi.low is None or phi.high is None:
        return phi
    return Phi(-phi.phi, -phi.high, -phi.low, phi.n, phi.n_clusters)
