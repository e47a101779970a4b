"""The two sides of a pair of conversations on the same criteria, for the comparison and for what the report shows."""

from __future__ import annotations

from collections.abc import Sequence

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


def aligned_pairs(base: Sequence[Score], tuned: Sequence[Score], rubric: Rubric) -> list[Pair]:
    """Pairs that have a score on both sides, in the order of their ids, on the criteria answered on both."""
    others = {s.transcript_id: s for s in tuned}
    both = [(b, others[b.transcript_id]) for b in base if b.transcript_id in others]
    pairs = [aligned(pair, rubric)[0] for pair in sorted(both, key=lambda pair: pair[0].transcript_id)]
    return [(b, t) for b, t in pairs if b.score is not None and t.score is not None]


def _without(score: Score, criteria: set[str], rubric: Rubric) -> Score:
    if not criteria:
        return score
    answers = score.answers | dict.fromkeys(criteria)
    categories = category_scores(answers, rubric)
    fields = {"answers": answers, "categories": categories, "coverage": coverage_of(answers, rubric)}
    return score.model_copy(update=fields | {"score": weighted_score(categories, rubric)})
