"""Probes before and after tuning: McNemar, the paired interval, and the verdict, by hand and by published numbers."""

from __future__ import annotations

import pytest
from scipy import stats

from tunewright.capabilities import INTACT, LOST, OPEN, answered_by_both, capability_numbers, row
from tunewright.probes import Answered
from tunewright.statistics import paired_shares_interval, sign_test_p

ABOUT = {"ask": "?", "finish_reason": "stop", "fault": None}
TITLES = {"facts": "Facts", "sums": "Sums"}


def side(pattern, category="facts"):
    """One answer a character: y is right, n wrong, anything else unscored."""
    told = {"y": True, "n": False}
    return [
        Answered(probe=f"{category}-{n}", passed=told.get(c), reply=c, **ABOUT | {"category": category})
        for n, c in enumerate(pattern)
    ]


def test_mcnemars_exact_p_is_the_published_one():
    """Bentur et al. 2009, as analysed by Fagerland, Lydersen and Laake 2013 (doi 10.1186/1471-2288-13-91): 0.0703."""
    assert sign_test_p(1, 7) == pytest.approx(18 / 256)  # 2 (1 + 8) / 2^8
    assert round(sign_test_p(1, 7), 4) == 0.0703
    assert sign_test_p(0, 0) == 1.0 and sign_test_p(5, 5) == 1.0
    with pytest.raises(ValueError, match="counts are 0 or more"):
        sign_test_p(-1, 2)


@pytest.mark.parametrize(("one", "other"), [(0, 1), (3, 9), (12, 4), (40, 61)])
def test_mcnemars_exact_p_is_the_binomial_tests_and_symmetric(one, other):
    assert sign_test_p(one, other) == pytest.approx(stats.binomtest(one, one + other, 0.5).pvalue)
    assert sign_test_p(one, other) == pytest.approx(sign_test_p(other, one))


def test_the_interval_of_a_paired_difference_by_hand():
    """The same table: 1 and 7 changes of 21. Shares (2 - 8) / 23, SE = sqrt((10/23 - (6/23)^2) / 23) = 0.12627."""
    low, high = paired_shares_interval(1, 7, 21, 0.95)
    assert (low, high) == pytest.approx((-6 / 23 - 1.95996 * 0.126272, -6 / 23 + 1.95996 * 0.126272), abs=1e-5)


def test_an_interval_keeps_a_width_where_nothing_changed_and_stays_within_its_bounds():
    low, high = paired_shares_interval(0, 0, 25, 0.95)
    assert low == -high and high == pytest.approx(1.95996 * (2 / 27 / 27) ** 0.5, rel=1e-4)
    assert paired_shares_interval(25, 0, 25, 0.95)[1] == 1.0
    with pytest.raises(ValueError, match="no more changes than items"):
        paired_shares_interval(2, 2, 3, 0.95)


def test_all_cells_are_counted():
    found = row(answered_by_both(side("yyynn"), side("ynnyn")), 0.95)
    assert (found.n, found.both, found.only_base, found.only_tuned, found.neither) == (5, 1, 2, 1, 1)
    assert (found.base_right, found.tuned_right, found.difference, found.p_value) == (3, 2, pytest.approx(-0.2), 1.0)


def test_a_probe_without_a_reply_on_one_side_is_left_out_of_both():
    found = capability_numbers(side("yy-y"), side("yny-"), TITLES, 0.05, 0.95, 3)
    assert (found["n_probes"], found["n_unscored"], found["overall"]["only_base"]) == (2, 2, 1)


def numbers(base, tuned, sums=("", ""), loss_max=0.05):
    return capability_numbers(
        [*side(base), *side(sums[0], "sums")], [*side(tuned), *side(sums[1], "sums")], TITLES, loss_max, 0.95, 2
    )


def test_the_same_answers_leave_a_loss_open_or_exclude_it_by_how_many_there_are():
    """With no change the interval is +- 1.96 sqrt(2) / (n + 2): 0.10 for 25 probes, 0.018 for 150."""
    assert numbers("y" * 25, "y" * 25)["verdict"] == OPEN
    assert numbers("y" * 150, "y" * 150)["verdict"] == INTACT
    assert "a loss of more than 5% is excluded" in numbers("y" * 150, "y" * 150)["says"]


def test_more_losses_than_are_put_up_with_are_told():
    found = numbers("y" * 40, "y" * 36 + "n" * 4)
    assert (found["verdict"], found["lost"]) == (LOST, [])
    assert found["says"].startswith("base gets 40 of 40 probes right, tuned 36 (-10%, ")
    assert numbers("y" * 40, "y" * 36 + "n" * 4, loss_max=0.25)["verdict"] == INTACT


def test_a_sure_loss_in_one_category_is_a_loss_though_another_gains_and_holm_counts_the_categories():
    """Facts: 10 lost of 10, p = 2 / 1024, times two categories; sums: 10 won; in all nothing."""
    found = numbers("y" * 10, "n" * 10, ("n" * 10, "y" * 10))
    assert (found["verdict"], found["lost"], found["overall"]["difference"]) == (LOST, ["facts"], 0.0)
    assert found["categories"]["facts"]["p_holm"] == pytest.approx(4 / 1024, abs=1e-4)
    assert found["says"].endswith("surely worse in Facts")


def test_examples_are_probes_that_one_side_alone_got_right_spread_over_the_categories():
    found = numbers("yyy", "nnn", ("y", "n"))["examples"]
    assert [(one["id"], one["right"]) for one in found] == [("facts-0", "base"), ("sums-0", "base")]


def test_without_any_common_answer_nothing_is_claimed():
    assert capability_numbers(side("-"), side("y"), TITLES, 0.05, 0.95, 1)["verdict"] is None
