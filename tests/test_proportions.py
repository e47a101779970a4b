"""Shares, comparisons and tests of counts, against scipy and published tables."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tunewright.proportions import (
    compare_shares,
    design_effect,
    falling_trend,
    homogeneity_p,
    n_to_settle,
    phi_coefficient,
    share_of,
)
from tunewright.statistics import wilson_interval


def yes(count, n):
    return [i < count for i in range(n)]


def test_one_item_a_cluster_is_the_ordinary_wilson_interval():
    found = share_of(yes(3, 10), range(10), 0.95)
    assert (found.low, found.high) == wilson_interval(3, 10, 0.95)
    exact = stats.binomtest(3, 10).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))


def test_items_that_are_all_alike_within_their_cluster_are_worth_the_clusters():
    found = share_of([True, True, False, False], ["a", "a", "b", "b"], 0.95)
    assert (found.n, found.n_clusters, found.n_effective) == (4, 2, pytest.approx(2.0))
    assert share_of([False] * 6, list("aabbcc"), 0.95).n_effective == 3.0  # nothing to estimate: Kish's largest effect


def test_the_design_effect_by_hand():
    # share 3/6; clusters a: 2 of 2, b: 1 of 2, c: 0 of 2; residuals 1, 0, -1: 3/2 * 5/6 * 2 / (6 * 1/4) = 5/3
    assert design_effect([True, True, True, False, False, False], list("aabbcc")) == pytest.approx(5 / 3)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")), min_size=1, max_size=30))
def test_an_effective_n_lies_between_one_and_n_and_the_interval_holds_the_share(rows):
    found = share_of([hit for hit, _ in rows], [cluster for _, cluster in rows], 0.9)
    assert 1 - 1e-9 <= found.n_effective <= found.n + 1e-9
    assert 0 <= found.low <= found.share <= found.high <= 1


def test_a_difference_of_shares_is_newcombe_s_published_example():
    # 56 of 70 against 48 of 80, method 10: 0.0524 to 0.3339 (Newcombe 1998, table II, example a)
    found = compare_shares([*yes(56, 70), *yes(48, 80)], range(150), yes(70, 150), 0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    assert found.p == pytest.approx(stats.fisher_exact([[56, 14], [48, 32]]).pvalue)


def test_clustered_items_are_less_evidence_for_a_difference():
    hits, inside = [*yes(8, 8), *yes(0, 8)], yes(8, 16)
    alone = compare_shares(hits, range(16), inside, 0.95)
    clustered = compare_shares(hits, [i // 4 for i in range(16)], inside, 0.95)
    assert alone.p == pytest.approx(stats.fisher_exact([[8, 0], [0, 8]]).pvalue)
    assert clustered.p == pytest.approx(stats.fisher_exact([[2, 0], [0, 2]]).pvalue)
    assert clustered.low < alone.low


def test_phi_is_pearson_s_correlation_of_the_answers():
    left, right = yes(12, 20), [*yes(9, 12), *yes(2, 8)]
    found = phi_coefficient(left, right, range(20), 0.95)
    assert found.phi == pytest.approx(stats.pearsonr(left, right)[0])
    assert found.low < found.phi < found.high


def test_copies_have_phi_one_and_an_interval_that_tells_few_from_many():
    few, many = yes(3, 5), yes(40, 60)
    small, large = (phi_coefficient(v, v, range(len(v)), 0.95) for v in (few, many))
    assert small.phi == large.phi == small.high == large.high == pytest.approx(1.0)
    assert small.low < 0 < 0.7 < large.low


def test_phi_of_people_who_repeat_themselves_counts_people():
    pattern = [True, True, False, False, True, False]
    once = phi_coefficient(pattern, pattern, range(6), 0.95)
    often = phi_coefficient(pattern * 10, pattern * 10, list(range(6)) * 10, 0.95)
    assert often.n_clusters == once.n_clusters == 6 and often.low < 0.9


def test_phi_cannot_be_told_where_nothing_varies_or_few_were_asked():
    assert phi_coefficient(yes(8, 8), yes(3, 8), range(8), 0.95).phi is None
    assert phi_coefficient(yes(1, 3), yes(1, 3), range(3), 0.95).phi is None


def test_intervals_of_phi_cover_the_truth_about_as_often_as_they_say():
    rng, inside = np.random.default_rng(3), 0
    cells = (0.35, 0.15, 0.10, 0.40)
    truth = (0.35 * 0.40 - 0.15 * 0.10) / math.sqrt(0.5 * 0.5 * 0.45 * 0.55)
    for _ in range(200):
        drawn = rng.choice(4, 40, p=cells)
        found = phi_coefficient((drawn < 2).tolist(), (drawn % 2 == 0).tolist(), range(40), 0.95)
        inside += found.low <= truth <= found.high
    assert 0.91 <= inside / 200 <= 0.99


@pytest.mark.parametrize("counts", [(10, 4), (3, 3), (0, 9), (10, 10)])
def test_two_batches_are_compared_as_fisher_compares_them(counts):
    table = [[count, 10 - count] for count in counts]
    assert homogeneity_p(counts, (10, 10)) == pytest.approx(stats.fisher_exact(table).pvalue)


def test_three_batches_by_enumeration_and_by_hand():
    # 2, 1, 0 of 2 each; all tables with 3 successes of 6: C(6, 3) = 20 = six of (2, 1, 0) at 2 and (1, 1, 1) at 8
    assert homogeneity_p((2, 1, 0), (2, 2, 2)) == pytest.approx(12 / 20)
    assert homogeneity_p((1, 1, 1), (2, 2, 2)) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="two batches or more"):
        homogeneity_p((3,), (5,))


def test_a_trend_is_the_correlation_of_place_and_outcome_times_the_root_of_n():
    counts, size = (8, 5, 6, 2), 10
    places = np.repeat(range(4), size)
    outcomes = np.concatenate([yes(count, size) for count in counts])
    found = falling_trend(counts, [size] * 4)
    assert found.z == pytest.approx(stats.pearsonr(places, outcomes)[0] * math.sqrt(40))
    assert found.p_falling == pytest.approx(stats.norm.cdf(found.z))
    assert falling_trend((0, 0, 0), (5, 5, 5)) is None


@pytest.mark.parametrize(("share", "expected"), [(0.6, 97), (0.0, 4), (1.0, 9), (0.5, None)])
def test_the_n_that_settles_a_share_is_the_least_one(share, expected):
    marks = (0.5, 0.7)
    assert n_to_settle(share, marks, 1, 0.95) == expected
    if expected:
        assert n_to_settle(share, marks, expected + 5, 0.95) == expected + 5
        low, high = wilson_interval(share * (expected - 1), expected - 1, 0.95)
        assert any(low < mark <= high for mark in marks)
