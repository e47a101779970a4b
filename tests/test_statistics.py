"""Hand-computed values, scipy as the second opinion, and laws that hold for any data."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tunewright.statistics import (
    bootstrap_interval,
    clustered_mean,
    holm,
    paired_t,
    permutation_p,
    wilson_interval,
)

numbers = st.floats(-1, 1).map(lambda x: round(x, 3))
clustered = st.lists(st.tuples(numbers, st.integers(0, 5)), min_size=2, max_size=30).filter(
    lambda rows: len({c for _, c in rows}) > 1
)


def split(rows):
    return [v for v, _ in rows], [c for _, c in rows]


def rng():
    return np.random.default_rng(7)


def test_clustered_mean_of_two_clusters_equals_the_formula_worked_by_hand():
    # mean 2.5; residual sums: a (1 - 2.5) + (2 - 2.5) = -2, b +2; se = sqrt(2/1 * 8) / 4 = 1
    found = clustered_mean([1, 2, 3, 4], ["a", "a", "b", "b"], 0.95)
    assert (found.mean, found.se, found.n, found.n_clusters) == (2.5, 1.0, 4, 2)
    assert found.t == 2.5
    assert found.high - found.mean == pytest.approx(12.7062, abs=1e-4)  # t table, 0.975 with 1 df
    assert found.p == pytest.approx(1 - 2 / math.pi * math.atan(2.5))  # with 1 df t is a Cauchy variable


def test_with_one_item_a_cluster_it_is_the_ordinary_t_test():
    values = [0.3, -0.1, 0.25, 0.4, 0.05, 0.2]
    found, expected = clustered_mean(values, range(6), 0.9), stats.ttest_1samp(values, 0)
    assert found.t == pytest.approx(expected.statistic)
    assert found.p == paired_t(values, 0.95).p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.9)))


def test_copies_within_a_cluster_add_no_evidence():
    values = [0.3, -0.1, 0.25, 0.4]
    once = clustered_mean(values, range(4), 0.95)
    thrice = clustered_mean(values * 3, [*range(4)] * 3, 0.95)
    assert (thrice.se, thrice.p) == pytest.approx((once.se, once.p))
    assert paired_t(values * 3, 0.95).p < once.p / 3  # what taking them as independent would claim


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [
        ([], [], "at least one value"),
        ([1, 2], ["a", "a"], "at least 2 clusters, found 1"),
        ([1, math.nan], ["a", "b"], "finite, found nan"),
        ([1, 2], ["a"], "1 clusters for 2 values"),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_words(values, clusters, message):
    with pytest.raises(ValueError, match=message):
        clustered_mean(values, clusters, 0.95)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_a_confidence_outside_0_to_1_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        clustered_mean([1, 2], "ab", confidence)


def test_equal_differences_give_an_interval_without_width_and_say_so():
    found = clustered_mean([0.1] * 7, range(7), 0.95)
    assert (found.low, found.high, found.se, found.p) == (found.mean, found.mean, 0.0, 0.0)
    assert math.isinf(found.t) and not found.has_variation
    nothing = clustered_mean([0.0] * 7, range(7), 0.95)
    assert (nothing.t, nothing.p) == (0.0, 1.0)


def test_permutation_is_exact_for_few_clusters():
    # sums 1, 2, 3: |+-1 +-2 +-3| = 6 in 2 of 8 flips
    assert permutation_p([1, 2, 3], "abc", 10, 15, rng()) == 2 / 8
    assert permutation_p([3], "a", 10, 15, rng()) == 1.0
    # sums 1 and -1: all four flips give 0 or 2, and 0 is seen
    assert permutation_p([1, -1], "ab", 10, 15, rng()) == 1.0


def test_permutation_flips_clusters_and_not_items():
    assert permutation_p([1] * 10, [0] * 5 + [1] * 5, 10, 15, rng()) == 2 / 4


def test_permutation_agrees_with_scipy_and_its_own_sampling():
    values = list(np.random.default_rng(3).normal(0.3, 1, 12))
    exact = permutation_p(values, range(12), 1, 15, rng())
    reference = stats.permutation_test((np.array(values),), np.mean, permutation_type="samples", n_resamples=10**5)
    assert exact == pytest.approx(reference.pvalue, abs=1e-12)
    assert permutation_p(values, range(12), 20_000, 0, rng()) == pytest.approx(exact, abs=0.015)


def test_a_sampled_permutation_is_never_0():
    assert permutation_p([1.0] * 40, range(40), 99, 15, rng()) == 1 / 100


def test_bootstrap_is_seeded_and_near_the_normal_interval_for_many_clusters():
    values = np.random.default_rng(5).normal(0.2, 1, 400)
    first, again = (bootstrap_interval(values, range(400), 0.95, 4000, rng()) for _ in range(2))
    assert first == again
    found = clustered_mean(values, range(400), 0.95)
    assert first == pytest.approx((found.low, found.high), abs=0.015)


def test_bootstrap_draws_whole_clusters():
    # two clusters: a resample is all 0, all 1, or one of each, whose mean is 9/10
    low, high = bootstrap_interval([0] + [1] * 9, ["a"] + ["b"] * 9, 0.5, 2000, rng())
    assert (low, high) in {(0.0, 1.0), (0.9, 1.0), (0.0, 0.9)}


def test_wilson_gives_the_published_interval():
    # Newcombe 1998 (Statist. Med. 17:857), table I, method 3: 81 of 263 and 0 of 20
    assert wilson_interval(81, 263, 0.95) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20, 0.95) == pytest.approx((0.0, 0.1611), abs=5e-5)
    expected = stats.binomtest(13, 40).proportion_ci(0.9, method="wilson")
    assert wilson_interval(13, 40, 0.9) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_wilson_refuses_what_is_no_proportion(successes, n):
    with pytest.raises(ValueError, match="proportion needs"):
        wilson_interval(successes, n, 0.95)


def test_holm_gives_the_textbook_adjustment():
    # ordered 0.005, 0.01, 0.03, 0.04: 4 * 0.005, 3 * 0.01, 2 * 0.03, then 0.04 raised to its predecessor
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_clustered_tests_keep_their_false_positive_rate_where_the_naive_one_does_not():
    source = np.random.default_rng(11)
    clusters = np.repeat(np.arange(12), 4)
    hits = np.zeros(3)
    for _ in range(400):
        values = np.repeat(source.normal(0, 1, 12), 4) + source.normal(0, 0.5, 48)
        naive = paired_t(values, 0.95).p
        permuted = permutation_p(values, clusters, 1, 12, source)
        hits += np.array([clustered_mean(values, clusters, 0.95).p, permuted, naive]) < 0.05
    by_t, by_permutation, by_naive = hits / 400
    assert 0.025 < by_t < 0.08 and 0.025 < by_permutation < 0.08  # 5% give or take 2.5 standard errors
    assert by_naive > 0.2


@given(clustered)
def test_the_interval_holds_the_mean_and_order_and_sign_do_not_matter(rows):
    values, clusters = split(rows)
    found = clustered_mean(values, clusters, 0.95)
    assert found.low <= found.mean <= found.high and 0 <= found.p <= 1 and not math.isnan(found.t)
    mirrored = clustered_mean([-v for v in values[::-1]], clusters[::-1], 0.95)
    assert (mirrored.mean, mirrored.se, mirrored.p) == pytest.approx((-found.mean, found.se, found.p), abs=1e-9)


@settings(max_examples=30)
@given(clustered)
def test_permutation_p_is_at_least_its_floor_and_the_bootstrap_stays_within_the_data(rows):
    values, clusters = split(rows)
    p = permutation_p(values, clusters, 50, 15, rng())
    assert 2 / 2 ** len(set(clusters)) <= p <= 1
    low, high = bootstrap_interval(values, clusters, 0.9, 200, rng())
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_lies_in_0_to_1_around_the_share(case):
    low, high = wilson_interval(*case, 0.95)
    assert 0 <= low <= case[0] / case[1] <= high <= 1 and low < high


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_lowers_a_p_and_keeps_the_order(ps):
    adjusted = holm(ps)
    assert all(a >= p for a, p in zip(adjusted, ps, strict=True))
    assert all(adjusted[i] <= adjusted[j] for i in range(len(ps)) for j in range(len(ps)) if ps[i] <= ps[j])
