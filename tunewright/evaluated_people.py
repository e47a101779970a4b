"""What people say of the evaluated conversations: pairs that they compared, and labels that lie on either side's talks.

The review app asks about evaluated conversations in pairs (`tunewright review --compare`); labels are written on
generated ones, so that most runs have none here. Where there are some, they are held against the scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunewright.config import Bounds
from tunewright.labels import Label
from tunewright.people import Heard, heard, holding
from tunewright.proportions import share_of
from tunewright.records import Score, Transcript
from tunewright.rounding import as_json
from tunewright.rubric import Rubric

PASSING = ("YES", "NA")


def people_numbers(
    preferences: Mapping[str, Any],
    sides: Mapping[str, tuple[Sequence[Transcript], Sequence[Score]]],
    labels: Sequence[Label],
    rubric: Rubric,
    wanted: Bounds,
    confidence: float,
) -> dict[str, Any]:
    """The human sample: how much of it there is, what is missing, and labels by side."""
    n_pairs, n_compared = int(preferences["n_pairs"]), int(preferences["n_compared"])
    return {
        "pairs": n_pairs,
        "compared": n_compared,
        "wanted": {"min": int(wanted.min or 0), "max": None if wanted.max is None else int(wanted.max)},
        "missing": missing(n_pairs, n_compared, wanted),
        "labels": {
            side: as_json(of_side(talks, scores, labels, rubric, confidence)) for side, (talks, scores) in sides.items()
        },
    }


def missing(n_pairs: int, n_compared: int, wanted: Bounds) -> str | None:
    """What the human sample lacks, in a sentence; None: nothing."""
    least = int(wanted.min or 0)
    if n_compared >= least:
        return None
    if n_pairs < least:
        return f"there are only {n_pairs} pairs to compare, {least} are wanted: evaluate on more people"
    rest = "nobody has compared any" if not n_compared else f"people have compared {n_compared}"
    return f"{rest} of {n_pairs} pairs, {wanted} are wanted: tunewright review --compare"


def of_side(
    talks: Sequence[Transcript], scores: Sequence[Score], labels: Sequence[Label], rubric: Rubric, confidence: float
) -> dict[str, Any]:
    """Labels that hold for one side's words: who is satisfied, and where the score's answers are wrong."""
    held, _ = holding(labels, {t.id: t.content_hash for t in talks}, rubric)
    said, personas = heard(held), {t.id: t.persona_id for t in talks}
    decided = {i: all(one.satisfied.values()) for i, one in said.items() if one.satisfied}
    satisfied = share_of(list(decided.values()), [personas[i] for i in decided], confidence) if decided else None
    return {
        "n_labels": len(held),
        "n_conversations": len(said),
        "n_readers": len({label.reviewer for label in held}),
        "satisfied": None
        if satisfied is None
        else {name: getattr(satisfied, name) for name in ("count", "n", "share", "low", "high")},
        "answers": wrong_answers(said, scores, rubric),
    }


def wrong_answers(said: Mapping[str, Heard], scores: Sequence[Score], rubric: Rubric) -> dict[str, int] | None:
    """Answers that people and the score both gave, and in how many the score lets pass what people refuse, or not."""
    by_id = {score.transcript_id: score for score in scores}
    both = [
        (by_id[name].answers.get(criterion.id), one.people(criterion.id))
        for name, one in said.items()
        if name in by_id
        for criterion in rubric.criteria
    ]
    both = [(answer, people) for answer, people in both if answer and people in ("YES", "NO", "NA")]
    if not both:
        return None
    return {
        "n": len(both),
        "false_passes": sum(answer in PASSING and people == "NO" for answer, people in both),
        "false_fails": sum(answer == "NO" and people in PASSING for answer, people in both),
    }
