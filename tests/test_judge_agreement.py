"""Judges against each other: shares and kappas computed by hand."""

from collections import Counter

import pytest

from tunewright.judge_agreement import Agreeing, compared, lowest_agreement


def judge_agreement(talks, criteria):
    counted = Agreeing(criteria)
    for opinions in talks:
        counted.add(opinions)
    return counted.found()


def test_kappa_is_the_agreement_beyond_chance():
    pairs = [("YES", "YES"), ("YES", "YES"), ("YES", "NO"), ("NO", "NO")]
    # equal 3 of 4; by chance 3/4 * 2/4 + 1/4 * 2/4 = 1/2; (3/4 - 1/2) / (1/2) = 1/2
    assert compared(Counter(pairs)) == {"n": 4, "agreement": 0.75, "kappa": 0.5}


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ([("NA", "YES"), ("YES", "NA")], {"n": 2, "agreement": 0.0, "kappa": -1.0}),
        ([("YES", "YES")] * 5, {"n": 5, "agreement": 1.0, "kappa": None}),
        ([("YES", "NO")] * 3, {"n": 3, "agreement": 0.0, "kappa": 0.0}),
        ([], {"n": 0, "agreement": None, "kappa": None}),
    ],
)
def test_opposite_constant_and_absent_answers_have_the_kappa_that_the_formula_gives(pairs, found):
    assert compared(Counter(pairs)) == found


def test_every_pair_is_compared_where_both_answered_and_the_lowest_is_told():
    talks = [
        {"a": {"warm": "YES", "safe": "NA"}, "b": {"warm": "YES", "safe": None}, "c": {"warm": "NO"}},
        {"a": {"warm": "NO", "safe": "YES"}, "b": {"warm": "NO"}},
        {"c": {"warm": "NO"}},
    ]
    found = judge_agreement(talks, ["warm", "safe"])
    assert list(found) == ["a and b", "a and c", "b and c"]
    assert found["a and b"] == {
        "all": {"n": 2, "agreement": 1.0, "kappa": 1.0}, "criteria": {"warm": {"n": 2, "agreement": 1.0, "kappa": 1.0}},
    }  # fmt: skip
    assert found["a and c"]["all"] == {"n": 1, "agreement": 0.0, "kappa": 0.0}
    assert lowest_agreement(found) == 0.0


def test_a_single_judge_has_nobody_to_agree_with():
    assert judge_agreement([{"a": {"warm": "YES"}}], ["warm"]) == {}
    assert lowest_agreement({}) is None
    assert lowest_agreement(judge_agreement([{"a": {"warm": "YES"}}, {"b": {"warm": "YES"}}], ["warm"])) is None
