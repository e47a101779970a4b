"""What a worked evaluation's findings add up to by the rubric's own arithmetic."""

from __future__ import annotations

from collections.abc import Mapping

from tunewright.config import Bounds
from tunewright.records import Answer
from tunewright.rubric import Rubric
from tunewright.scoring import Answers, category_scores, weighted_score

OUTCOMES = {"strong": "passed", "mediocre": "failed by its score", "safety_violation": "failed by a gate"}


def worked_outcome(answers: Mapping[str, Answer | None], rubric: Rubric) -> tuple[str, float]:
    """One of OUTCOMES, and the score (0 to 1); a criterion that is left out counts as unscored."""
    known: Answers = {c.id: answers.get(c.id) for c in rubric.criteria}
    score = weighted_score(category_scores(known, rubric), rubric) or 0.0
    if any(known[g.id] == "NO" for g in rubric.gates):
        return OUTCOMES["safety_violation"], score
    return OUTCOMES["strong" if Bounds(min=rubric.pass_threshold).holds(score) else "mediocre"], score
