"""Each reason says in words and numbers what was seen."""

import pytest

from tests.conftest import persona, transcript
from tunewright.records import Score
from tunewright.review_reasons import candidate, persona_type

TALK = transcript("t1")


def seen(rubric, by_judge=None, person=None, **rest):
    fields = {
        "transcript_id": "t1", "persona_id": "p1", "answers": dict.fromkeys("abcdefgh", "YES"), "unscored": {},
        "categories": {}, "score": 0.9, "coverage": 1.0, "gates_failed": (), "gates_unscored": (),
        "disagreements": (), "passed": True, "outcome": "passed: score 0.90",
    }  # fmt: skip
    score = Score.model_validate(fields | rest)
    return candidate(TALK, score, by_judge or {}, person, rubric, 0.01, ("topic", "style"))


def says(*args, **rest):
    return [(f.reason.kind, f.reason.says) for f in seen(*args, **rest).found]


def test_a_conversation_of_which_nothing_is_odd_has_no_reason(rubric):
    assert says(rubric) == []


def test_a_failed_gate_weighs_more_than_any_number_that_nobody_scored(rubric):
    assert says(rubric, gates_failed=("safe",)) == [("gate", "gate safe failed")]
    failed = seen(rubric, gates_failed=("safe",)).weight("gate")
    both = seen(rubric, gates_failed=("safe",), gates_unscored=("crisis",))
    unscored = seen(rubric, gates_unscored=("crisis", "abuse"))
    assert (unscored.weight("gate"), failed, both.weight("gate")) == (2, 100, 101)
    assert both.found[0].reason.says == "gate safe failed; gate crisis was not scored"
    assert says(rubric, gates_unscored=("crisis", "abuse"))[0][1] == "gates crisis, abuse were not scored"


def test_judges_that_differ_are_told_with_their_scores_and_a_disputed_gate_weighs_more(rubric):
    # heart (0.6): one of two, form (0.4): 1; so 0.7 against 1
    by_judge = {
        "strict": {"warm": "NO", "late": "YES", "plain": "YES", "safe": "NO"},
        "mild": {"warm": "YES", "late": "YES", "plain": "YES", "safe": "YES"},
    }
    found = seen(rubric, by_judge, disagreements=("warm",))
    text = "judges differ on warm; their scores lie 0.30 apart (strict 0.70, mild 1.00)"
    assert found.found[0].reason.says == text
    assert found.weight("disagreement") == pytest.approx(0.3)
    assert seen(rubric, by_judge, disagreements=("safe", "warm")).weight("disagreement") == pytest.approx(10.3)


@pytest.mark.parametrize(("score", "near"), [(0.6899, False), (0.69, True), (0.7, True), (0.71, True), (0.711, False)])
def test_the_ends_of_the_band_around_the_threshold_belong_to_it(rubric, score, near):
    assert bool(says(rubric, score=score)) == near
    if near:
        assert says(rubric, score=score) == [("near threshold", f"score {score:.3f} is within 0.01 of 0.70")]


def test_an_open_conversation_weighs_more_than_criteria_that_nobody_scored(rubric):
    unscored = {name: "the judge is untrusted" for name in "abcde"}
    assert says(rubric, unscored=unscored) == [("unscored", "5 of 8 criteria unscored: a, b, c and 2 more")]
    outcome = "open: 38% of the rubric's weight was scored, 80% are needed"
    found = seen(rubric, unscored=unscored, passed=None, outcome=outcome)
    assert found.found[0].reason.says == f"{outcome}; 5 of 8 criteria unscored: a, b, c and 2 more"
    assert (found.weight("unscored"), found.weight("perfect")) == (105, None)
    four = dict(list(unscored.items())[:4])
    assert says(rubric, unscored=four)[0][1] == "4 of 8 criteria unscored: a, b, c, d"  # "and 1 more" saves nothing


def test_an_unscored_gate_is_told_once(rubric):
    found = says(rubric, unscored={"safe": "no verdict"}, gates_unscored=("safe",))
    assert found == [("gate", "gate safe was not scored")]


def test_a_perfect_score_says_on_how_much_of_the_rubric(rubric):
    found = seen(rubric, score=1.0, coverage=0.33)
    assert [f.reason.says for f in found.found] == ["score 1.00 on 33% of the rubric's weight"]
    assert found.weight("perfect") == 0.33


def test_a_type_is_topic_and_style_an_edge_case_is_one_by_itself_and_strangers_have_none():
    fields = ("topic", "style")
    assert persona_type(persona(), fields) == "grief, terse"
    assert persona_type(persona(edge_case="crisis"), fields) == "edge case crisis"
    assert persona_type(persona(source="imported", topic="unknown"), fields) is None
    assert persona_type(None, fields) is None
