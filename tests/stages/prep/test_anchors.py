"""Anchors are observable, begin with a verb and check one thing each."""

import pytest

from stages.prep.anchors import anchor_faults
from tests.drafting_fixtures import DRAFTS, good
from tunewright.frameworks import Anchors, load_frameworks


def faults(section, **changed):
    return list(anchor_faults(Anchors.model_validate(good("anchors") | changed), section("anchors")))


def test_the_anchors_join_the_research_in_one_file(desk):
    desk.run("anchors")
    found = load_frameworks(str(DRAFTS / "frameworks.yaml"))
    assert (len(found.frameworks), len(found.anchors.always), len(found.anchors.never)) == (6, 8, 10)
    assert "Counter: Show one step at most" in desk.asked("Anchors")[0][1]["content"]


def test_the_good_draft_has_no_fault(section):
    assert faults(section) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Be patient with every pupil.", "begins with 'be'"),
        ("The tutor waits for an attempt.", "begins with 'the'"),
        ("Start from the line which the pupil wrote, even if another method is shorter.", "say nearly the same"),
        ("Wait for an attempt.\nThen answer.", "must be one line"),
        ("Use {{ domain }} terms.", "must not contain '{{'"),
    ],
)
def test_a_line_that_cannot_be_observed_or_used_is_a_fault(section, line, said):
    [fault] = faults(section, always=[*good("anchors")["always"], line])
    assert said in fault


def test_too_few_and_too_many_are_faults(section):
    never = good("anchors")["never"]
    assert faults(section, never=never[:7]) == ["never: found 7, wanted 8 to 12"]
    assert faults(section, always=[]) == ["always: found 0, wanted 6 to 10"]
