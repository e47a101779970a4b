"""A rubric of 15 to 20 binary questions, gates first, of which enough is counted and not judged."""

import pytest

from stages.prep.rubric import RubricAnswer, lexicon_faults, rubric_faults
from tests.drafting_fixtures import DRAFTS, good
from tunewright.config import Bounds
from tunewright.measures import Lexicon
from tunewright.rubric import load_rubric


def faults(section, draft):
    return list(rubric_faults(RubricAnswer.model_validate(draft), section("rubric")))


def test_criteria_and_lexicon_become_one_file_with_the_gates_first(desk):
    desk.run("rubric")
    found = load_rubric(str(DRAFTS / "rubric.yaml"))
    assert [g.id for g in found.gates] == [c.id for c in found.criteria[:2]] == ["acts_on_danger", "leaves_graded_work"]
    by_id = {c.id: c for c in found.criteria}
    assert by_id["plain_text"].measure == {"markup_share": Bounds(max=0.0)}
    assert by_id["one_step"].na_allowed is False and by_id["earned_praise"].na_when == "there is no praise in any reply"
    assert "great job" in found.lexicon.stock_phrases and found.pass_threshold == 0.80


def test_a_rubric_of_ten_questions_goes_back(desk):
    desk.spoil("RubricAnswer", lambda draft: draft["criteria"].__delitem__(slice(2, 8)), times=1)
    desk.run("rubric")
    said = desk.asked("RubricAnswer")[1][-1]["content"]
    assert "- criteria, gates included: found 10, wanted 15 to 20" in said
    assert "- criteria of category diagnosis: found 0, wanted 3 to 4" in said


def test_the_good_draft_has_no_fault(section):
    assert faults(section, good("criteria")) == []


WEIGHTS = {4: (0.15, 0.15, 0.15, 0.55), 5: (0.1, 0.1, 0.1, 0.15, 0.55)}  # one category decides alone


def change_criterion(draft, which, **fields):
    next(c for c in draft["criteria"] if c["id"] == which).update(fields)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["categories"][0].update(weight=0.35), "categories: the weights sum to 1.1, wanted 1"),
        (
            lambda d: change_criterion(d, "one_step", question="Does the tutor avoid solving the task?"),
            "one_step: asks for an absence",
        ),
        (
            lambda d: change_criterion(d, "one_step", question="It leaves a step."),
            "expected a question that ends",
        ),
        (lambda d: change_criterion(d, "one_step", id="earned_praise"), "criteria: 'earned_praise' is given 2 times"),
        (lambda d: change_criterion(d, "plain_text", measure=[]), "expected it with evaluator measure"),
        (
            lambda d: change_criterion(d, "plain_text", measure=[{"statistic": "charm", "min": 0, "max": 1}]),
            "found statistic 'charm'",
        ),
        (
            lambda d: (d["categories"][0].update(weight=0.4), d["categories"][3].update(weight=0.15)),
            "measured criteria hold 15% of the weight, wanted 30% or more",
        ),
        (
            lambda d: [c.update(weight=w) for c, w in zip(d["categories"], WEIGHTS[len(d["categories"])], strict=True)],
            "category weights: ",
        ),
        (lambda d: change_criterion(d, "one_step", na_when="not applicable"), "NA rules: one_step: na_when 'not appl"),
        (
            lambda d: d["categories"].append({"id": "safety", "title": "Safety", "weight": 0.1}),
            "categories: leave 'safety' out",
        ),
    ],
)
def test_each_rule_of_the_method_is_a_fault_of_its_own(section, change, said):
    draft = good("criteria")
    change(draft)
    found = faults(section, draft)
    assert any(said in fault for fault in found)


def test_two_questions_in_nearly_the_same_words_are_a_fault(section):
    draft = good("criteria")
    question = "Does every reply leave the deciding step for the pupil to take?"
    change_criterion(draft, "checks_by_doing", question=question)
    [fault] = faults(section, draft)
    assert "say nearly the same" in fault


def test_a_phrase_that_is_never_matched_and_a_short_list_are_faults(section):
    lexicon = Lexicon.model_validate(good("lexicon") | {"praise": ["Great", "nice", "good"]})
    found = list(lexicon_faults(lexicon, section("rubric")))
    assert found == ["praise: found 3, wanted at least 5", "praise: 'Great' is never matched; write it as 'great'"]
