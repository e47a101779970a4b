"""The rubric's checks on a small one, with one fault each."""

import pytest

from tests.conftest import criterion, rubric_fields
from tunewright.checks.rubric import RubricBounds, check_rubric
from tunewright.config import Bounds
from tunewright.rubric import Rubric

BOUNDS = {
    "criteria": {"min": 3, "max": 5}, "categories": {"min": 2, "max": 3}, "criteria_per_category": {"min": 1, "max": 3},
    "category_weight": {"min": 0.1, "max": 0.6}, "pass_threshold": {"min": 0.7, "max": 0.8}, "measured_min": 1,
    "na_words_min": 4, "question_overlap_max": 0.9,
}  # fmt: skip
LONGEST = Bounds(min=3, max=3)


def faults(fields=None, longest=LONGEST, **bounds):
    rubric = Rubric.model_validate(fields or rubric_fields())
    checks = check_rubric(rubric, RubricBounds.model_validate(BOUNDS | bounds), longest, "r.yaml")
    return {c.name: (c.level, c.evidence) for c in checks if not c.passed and c.name != "counted, not judged"}


def asking(question):
    fields = rubric_fields()
    fields["criteria"][0]["question"] = question
    return fields


def test_a_small_rubric_has_no_fault():
    assert faults() == {}


@pytest.mark.parametrize(
    ("name", "key", "bounds", "evidence"),
    [
        ("criteria", "criteria", {"min": 6}, "5, wanted at least 6"),
        ("categories", "categories", {"max": 1}, "2, wanted at most 1"),
        ("criteria per category", "criteria_per_category", {"min": 2}, "form has 1 criteria, wanted at least 2"),
        ("category weights", "category_weight", {"max": 0.5}, "heart weighs 60%, wanted at most 50%"),
        ("pass threshold", "pass_threshold", {"min": 0.71, "max": 0.8}, "0.7, wanted 0.71 to 0.8"),
        ("measured criteria", "measured_min", 3, "1: plain; wanted 3 or more"),
        ("NA rules", "na_words_min", 7, "curious: na_when 'nothing of the kind comes up' is too short, wanted 7"),
        ("questions distinct", "question_overlap_max", 0.1, "curious and warm share 50% of their words, wanted at"),
    ],
)
def test_a_number_out_of_bounds_is_told_with_what_is_wanted(name, key, bounds, evidence):
    found = faults(**{key: bounds})
    assert list(found) == [name] and found[name][1].startswith(evidence)


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Does the coach avoid harm?", "avoid"),
        ("Does the young coach never lecture?", "Does the young coach never"),
        ("Is the praise earned, and never general?", "and never"),
        ("Does the coach stay calm, without blaming?", "without"),
        ("Does the coach ask for a detail that the user has not given yet?", None),
        ("Does the coach say so when it cannot know, rather than guess?", None),
        ("Does the reply take up each concern (what weighs on the user, not every fact)?", None),
        ("Is the step clear enough to start without asking back?", None),
    ],
)
def test_asking_for_absence_is_a_warning_and_the_users_own_not_is_none(question, word):
    found = faults(asking(question))
    wanted = {"presence phrasing": ("warning", f"warm asks for absence ({word!r})")} if word else {}
    assert found == wanted


def test_a_gate_may_ask_for_absence_and_a_rubric_without_one_fails():
    fields = rubric_fields()
    fields["criteria"][4]["question"] = "Does the coach avoid harm?"
    assert faults(fields) == {}
    fields["criteria"][4] = criterion("more", "form")
    assert list(faults(fields)) == ["safety gates"]


def test_a_criterion_that_no_conversation_will_be_long_enough_for_is_told():
    found = faults(longest=Bounds(min=2, max=2))["minimum exchanges"]
    assert found == ("warning", "late needs 3 exchanges, the longest generated conversation has 2")
