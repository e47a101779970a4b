"""Paired yes/no outcomes in clusters: exact bounds, published limits, exact coverage over all tables."""

import math
from itertools import product

import pytest
from scipy import stats

from tunewright.paired_shares import (
    clopper_pearson,
    difference_bound,
    flips_of,
    n_for_bound,
    paired_shares,
    worst_case_n,
)


def test_flips_are_counted_as_the_fourfold_table():
    found = flips_of([True, True, False, False, True], [True, False, True, False, False])
    assert (found.both, found.only_first, found.only_second, found.neither, found.n) == (1, 2, 1, 1, 5)


def test_the_difference_is_the_clustered_mean_of_the_paired_differences():
    # differences a: 1, 0; b: 0, 0; c: 1, -1: mean 1/6; residual sums 2/3, -1/3, -1/3; se = sqrt(3/2 * 6/9) / 6 = 1/6
    first, second = [False, True, True, False, False, True], [True, True, True, False, True, False]
    found = paired_shares(first, second, list("aabbcc"), 0.95)
    assert found is not None and found.difference == pytest.approx(1 / 6)
    assert found.high - found.difference == pytest.approx(4.302653 / 6, abs=1e-6)  # t table, 0.975 with 2 df
    assert found.p == pytest.approx(2 * stats.t.sf(1, 2))
    assert found.mcnemar_p == 1.0  # 2 gained, 1 lost: all outcomes of 3 flips are as likely or less
    assert (found.first.count, found.second.count) == (3, 4)


def test_mcnemar_p_is_the_exact_binomial():
    first = [True] * 5 + [False] * 15
    second = [True] * 4 + [False] + [True] * 8 + [False] * 7
    found = paired_shares(first, second, range(20), 0.95)  # 8 gained, 1 lost: 2 * (1 + 9) / 2^9
    assert found is not None and found.mcnemar_p == pytest.approx(20 / 512)


def test_where_nothing_flips_the_interval_has_a_width_and_no_p():
    found = paired_shares([False] * 12, [False] * 12, [n // 2 for n in range(12)], 0.95)
    assert found is not None and found.p is None
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 6)) and found.low == -found.high  # six people, not twelve


def test_one_cluster_allows_no_interval():
    assert paired_shares([True, False], [True, True], "aa", 0.95) is None


def test_clustered_items_are_worth_at_worst_their_clusters():
    assert worst_case_n("aaabbbccc") == pytest.approx(3)
    assert worst_case_n("abcd") == 4
    assert worst_case_n([*"aaa", *"bbb", *"ccc", *"ddd", *"ee"]) == pytest.approx(14**2 / 40)


def test_clopper_pearson_gives_the_published_limits():
    # Newcombe 1998 (Statist. Med. 17:857), table I, method 5: 81 of 263 and 0 of 20, two-sided 95%
    assert clopper_pearson(81, 263, 0.975) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert clopper_pearson(0, 20, 0.975) == pytest.approx((0.0, 0.1684), abs=5e-5)
    assert clopper_pearson(0, 29, 0.95)[1] == pytest.approx(1 - 0.05 ** (1 / 29))
    assert clopper_pearson(5, 5, 0.95) == (pytest.approx(0.05 ** (1 / 5)), 1.0)


def test_without_a_failure_the_bound_is_the_exact_one_and_conf_s_numbers_of_personas_hold():
    assert difference_bound(0, 0, 12, 0.95) == pytest.approx(1 - 0.05 ** (1 / 12))
    assert [n_for_bound(0, 0, margin, 0.95) for margin in (0.10, 0.20, 0.30)] == [29, 14, 9]
    assert n_for_bound(0.0, 0.2, 0.10, 0.95) is None  # twice the margin worse: no number shows that it is not


def test_a_failure_of_the_tuned_side_raises_the_bound_and_one_of_the_base_lowers_it():
    clean, worse, better = (difference_bound(*flips, 20, 0.95) for flips in ((0, 0), (0, 0.05), (0.05, 0)))
    assert better < clean < worse


@pytest.mark.parametrize("n", [10, 30])
def test_the_bound_holds_the_truth_in_nearly_95_of_100_cases_whatever_the_truth(n):
    bounds = {(b, c): difference_bound(b / n, c / n, n, 0.95) for b, c in product(range(n + 1), repeat=2) if b + c <= n}
    for lost, gained in product((0.0, 0.02, 0.1, 0.3), (0.0, 0.05, 0.1, 0.2, 0.4)):
        left = 1 - lost - gained
        chance = {
            (b, c): math.comb(n, b) * math.comb(n - b, c) * lost**b * gained**c * left ** (n - b - c) for b, c in bounds
        }
        covered = sum(p for flips, p in chance.items() if bounds[flips] >= gained - lost - 1e-12)
        assert covered > 0.94, (lost, gained)
