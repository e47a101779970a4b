"""Variance components: hand-computed nested analyses, and simulations with known components."""

import numpy as np
import pytest

from tunewright.variance_components import variance_components

PEOPLE = {"people": list("aaaabbbb"), "talks": [1, 1, 2, 2, 3, 3, 4, 4]}


def by_source(values, levels=PEOPLE):
    return {c.source: c for c in variance_components(values, levels, "reruns")}


def test_a_balanced_nested_analysis_gives_the_textbook_s_estimates():
    # talks' means 1, 3, 6, 10, reruns 1 above and below: MS(reruns) = 8 * 1 / 4 = 2
    # MS(talks) = 2 * (2 * 1^2 + 2 * 2^2) / 2 = 10, people's means 2 and 8: MS(people) = 4 * 2 * 3^2 = 72
    # talks: (10 - 2) / 2 = 4; people: (72 - 10) / 4 = 15.5
    found = by_source([0, 2, 2, 4, 5, 7, 9, 11])
    assert {name: c.variance for name, c in found.items()} == pytest.approx({"people": 15.5, "talks": 4, "reruns": 2})
    # squared standard error of the mean: 15.5 / 2 + 4 / 4 + 2 / 8 = 9 = MS(people) / 8
    assert {name: c.of_squared_se for name, c in found.items()} == pytest.approx(
        {"people": 7.75, "talks": 1, "reruns": 0.25}
    )


def test_an_estimate_below_0_is_shown_as_0_and_says_so():
    found = by_source([0, 4, 0, 4, 0, 4, 0, 4])  # talks and people have one mean: only reruns vary
    assert (found["talks"].variance, found["talks"].negative) == (0.0, True)
    assert found["reruns"].variance == pytest.approx(8) and not found["reruns"].negative


def test_a_level_that_divides_nothing_further_is_left_out():
    assert list(by_source([1, 2, 4], {"people": "aab", "talks": [1, 2, 3]})) == ["people", "talks"]
    assert list(by_source([1, 2, 4, 3], {"people": "aabb", "talks": "aabb"})) == ["people", "reruns"]


def test_unbalanced_groups_follow_henderson_s_equations():
    # one factor, sizes 1 and 3: N = 4, sum of squared sizes 10, n0 = 4 - 10 / 4 = 1.5
    # values 0 | 2, 4, 6: within MS = 8 / 2 = 4; between MS = 4 / 4 * 0^2... = 3 * 1 * (0 - 4)^2 / 4 = 12
    found = by_source([0, 2, 4, 6], {"people": "abbb"})
    assert found["reruns"].variance == pytest.approx(4)
    assert found["people"].variance == pytest.approx((12 - 4) / 1.5)


def test_components_that_were_put_in_come_out():
    rng = np.random.default_rng(4)
    people, talks = np.repeat(np.arange(400), 6), np.repeat(np.arange(1200), 2)
    values = rng.normal(0, 3, 400)[people] + rng.normal(0, 2, 1200)[talks] + rng.normal(0, 1, 2400)
    keep = rng.random(2400) > 0.2  # unbalanced
    levels = {"people": people[keep].tolist(), "talks": talks[keep].tolist()}
    found = by_source(values[keep].tolist(), levels)
    assert found["people"].variance == pytest.approx(9, rel=0.2)
    assert found["talks"].variance == pytest.approx(4, rel=0.15)
    assert found["reruns"].variance == pytest.approx(1, rel=0.15)


@pytest.mark.parametrize(
    ("values", "levels", "message"),
    [
        ([1], {}, "at least 2"),
        ([1, 2], {"people": "a"}, "a label a value"),
        ([1, 2, 3, 4], {"a": "aabb", "b": "xyxy"}, "inside"),
    ],
)
def test_what_is_not_nested_is_refused(values, levels, message):
    with pytest.raises(ValueError, match=message):
        variance_components(values, levels, "reruns")
