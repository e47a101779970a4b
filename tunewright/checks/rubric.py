"""Checks of the rubric: how many criteria of which kind, and how they are asked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tunewright.checks.checklist import Check, Fault, Place, faultless, number, percent, yaml_place
from tunewright.checks.text import alike
from tunewright.config import Bounds, Config
from tunewright.measures import words
from tunewright.rubric import Criterion, Rubric

METHOD = "METHOD 1: rubric"
NUMBERS = "METHOD 2: rubric"
ABSENCE = re.compile(  # what the assistant is asked not to do; "a detail that the user has not given" is no absence
    r"\b(?:avoid|refrain)\w*"
    r"|\b(?:do|does|did|is|are|has|have) (?:\w+ ){1,3}(?:not|never)\b"
    r"|, (?:and |but )?(?:not|never|without)\b",
    re.IGNORECASE,
)
ASIDE = re.compile(r"\([^)]*\)")  # a definition in brackets asks for nothing
MEASURABLE = {  # what the method asks of the assistant and a text alone shows: the statistics that measure it
    "length": {"length_ratio_mean", "length_ratio_max", "over_twice_share", "reply_words_mean"},
    "questions in a reply": {"questions_mean", "questions_max"},
    "endings": {"question_ending_share"},
    "openings": {"repeated_opening_share", "stock_opening_share"},
    "stock phrases": {"stock_phrases_mean"},
}


class RubricBounds(Config):
    """The rubric's numbers; `question_overlap_max` is shared content words over all of two questions (0 to 1)."""

    criteria: Bounds
    categories: Bounds
    criteria_per_category: Bounds
    category_weight: Bounds
    pass_threshold: Bounds
    measured_min: int
    na_words_min: int
    question_overlap_max: float


def check_rubric(rubric: Rubric, bounds: RubricBounds, exchanges: Bounds, path: str) -> Iterator[Check]:
    """Everything that a rubric alone shows; `exchanges` bounds the conversations that will be generated."""
    criteria, categories = yaml_place(path, "criteria"), yaml_place(path, "categories")
    yield number("criteria", METHOD, len(rubric.criteria), bounds.criteria, criteria)
    yield number("categories", METHOD, len(rubric.categories), bounds.categories, categories)
    yield category_sizes(rubric, bounds.criteria_per_category, path)
    yield category_weights(rubric, bounds.category_weight, path)
    place = yaml_place(path, "pass_threshold")
    yield number("pass threshold", NUMBERS, rubric.pass_threshold, bounds.pass_threshold, place)
    gates = ", ".join(g.id for g in rubric.gates) or "none, wanted one or more criteria with gate: true"
    yield Check("safety gates", METHOD, bool(rubric.gates), gates, criteria)
    measured = [c.id for c in rubric.criteria if c.evaluator == "measure"]
    evidence = f"{len(measured)}: {', '.join(measured) or 'none'}; wanted {bounds.measured_min} or more"
    yield Check("measured criteria", NUMBERS, len(measured) >= bounds.measured_min, evidence, criteria)
    yield what_is_measured(rubric, criteria)
    yield presence_phrasing(rubric, path)
    yield na_rules(rubric, bounds.na_words_min, path)
    yield reachable_lengths(rubric, exchanges, path)
    yield distinct_questions(rubric, bounds.question_overlap_max, path)


def criterion_place(rubric: Rubric, criterion: Criterion, path: str, *keys: str) -> Place:
    """The line of a criterion, or of one of its keys."""
    return yaml_place(path, "criteria", rubric.criteria.index(criterion), *keys)


def category_sizes(rubric: Rubric, wanted: Bounds, path: str) -> Check:
    """3 or 4 criteria in each category: more cannot all matter, fewer hang on one answer."""
    sizes = {c: len(rubric.in_category(c)) for c in rubric.categories}
    faults = [
        Fault(f"{c} has {n} criteria, wanted {wanted}", yaml_place(path, "categories", c))
        for c, n in sizes.items()
        if not wanted.holds(n)
    ]
    evidence = f"{', '.join(f'{c} {n}' for c, n in sizes.items())}; wanted {wanted} each"
    return faultless("criteria per category", METHOD, faults, evidence, yaml_place(path, "categories"))


def category_weights(rubric: Rubric, wanted: Bounds, path: str) -> Check:
    """Weights sum to 1 (the schema sees to that) and no category decides alone or counts for nothing."""
    faults = [
        Fault(f"{name} weighs {c.weight:.0%}, wanted {percent(wanted)}", yaml_place(path, "categories", name))
        for name, c in rubric.categories.items()
        if not wanted.holds(c.weight)
    ]
    evidence = " + ".join(f"{name} {c.weight:.0%}" for name, c in rubric.categories.items()) + " = 100%"
    return faultless("category weights", METHOD, faults, evidence, yaml_place(path, "categories"))


def what_is_measured(rubric: Rubric, place: Place) -> Check:
    """What can be counted is not left to a judge."""
    used = {statistic for c in rubric.criteria for statistic in c.measure or {}}
    missing = [what for what, statistics in MEASURABLE.items() if not used & statistics]
    faults = [Fault(f"no measured criterion on {', '.join(missing)}", place)] if missing else []
    return faultless(
        "counted, not judged", "METHOD 3: assistant", faults, ", ".join(MEASURABLE), place, level="warning"
    )


def presence_phrasing(rubric: Rubric, path: str) -> Check:
    """Questions ask for what is there; absence is for safety gates (and for what is counted)."""
    faults = [
        Fault(f"{c.id} asks for absence ({word[0].strip(', ')!r})", criterion_place(rubric, c, path, "question"))
        for c in rubric.criteria
        if not c.gate and c.evaluator == "judge" and (word := ABSENCE.search(ASIDE.sub("", c.question)))
    ]
    evidence = "no judged question outside safety asks for absence"
    return faultless("presence phrasing", METHOD, faults, evidence, yaml_place(path, "criteria"), level="warning")


def na_rules(rubric: Rubric, words_min: int, path: str) -> Check:
    """Where NA is allowed the rubric says when it is right, in a clause and not in a word."""
    allowed = [c for c in rubric.criteria if c.na_allowed]
    faults = [
        Fault(
            f"{c.id}: na_when {c.na_when!r} is too short, wanted {words_min} words or more",
            criterion_place(rubric, c, path, "na_when"),
        )
        for c in allowed
        if len(words(c.na_when or "")) < words_min
    ]
    n_others = len(rubric.criteria) - len(allowed)
    evidence = f"{len(allowed)} may be NA, each says when; on the other {n_others} NA is a NO"
    return faultless("NA rules", NUMBERS, faults, evidence, yaml_place(path, "criteria"))


def reachable_lengths(rubric: Rubric, exchanges: Bounds, path: str) -> Check:
    """A criterion that needs more exchanges than this preset's conversations have is never answered in this run.

    A warning: a preset with longer ones answers it.
    """
    longest = exchanges.max or float("inf")
    faults = [
        Fault(
            f"{c.id} needs {c.min_exchanges} exchanges, the longest generated conversation has {longest:g}",
            criterion_place(rubric, c, path, "min_exchanges"),
        )
        for c in rubric.criteria
        if c.min_exchanges > longest
    ]
    needs = sorted({c.min_exchanges for c in rubric.criteria})
    evidence = f"criteria need {', '.join(map(str, needs))} exchanges; generated conversations have {exchanges}"
    return faultless("minimum exchanges", NUMBERS, faults, evidence, yaml_place(path, "criteria"), level="warning")


def distinct_questions(rubric: Rubric, overlap_max: float, path: str) -> Check:
    """A hint at criteria that measure the same thing: questions with nearly the same words."""
    faults = []
    for earlier, later, shared in alike([c.question for c in rubric.criteria], overlap_max):
        one, other = rubric.criteria[earlier], rubric.criteria[later]
        what = f"{other.id} and {one.id} share {shared:.0%} of their words, wanted at most {overlap_max:.0%}"
        faults.append(Fault(what, criterion_place(rubric, other, path, "question")))
    evidence = f"no two questions share more than {overlap_max:.0%} of their words"
    return faultless("questions distinct", METHOD, faults, evidence, yaml_place(path, "criteria"), level="warning")
