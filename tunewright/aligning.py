"""The two sides of a pair of conversations on the same criteria, for the comparison and for what the report shows."""

from __future__ import annotations

from tunewright.records import Score
from tunewright.rubric import Rubric
from tunewright.scoring import category_scores, coverage_of, weighted_score

Pair = tuple[Score, Score]  # base, tuned: the same persona and conversation


def aligned(pair: Pair, rubric: Rubric) -> tuple[Pair, int]:
    """Both sides on the criteria that were answered on both, and how many answers that leaves out.

    Otherwise a judge that failed on one side alone would be a difference between the models.
    """
    unshared = {c.id for c in rubric.criteria if not c.gate and len({s.answers.get(c.id) is None for s in pair}) == 2}
    return (_without(pair[0], unshared, rubric), _without(pair[1], unshared, rubric)), len(unshared)


def _without(score: Score, criteria: set[str], rubric: Rubric) -> Score:
    if not criteria:
        return score
    answers = score.answers | dict.fromkeys(criteria)
    categories = category_scores(answers, rubric)
    fields = {"answers": answers, "categories": categories, "coverage": coverage_of(answers, rubric)}
    return score.model_copy(update=fields | {"score": weighted_score(categories, rubric)})
