"""Effect sizes: published values, an inverted noncentral t, and laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tunewright.effect_size import hedges_correction, standardised_difference

VALUES = [0.3, -0.1, 0.25, 0.4, 0.05, 0.2]


def test_the_effect_is_the_mean_over_the_sd_of_cluster_means_times_the_correction():
    # cluster means 1, 2, 3: mean 2, sd 1; the correction with 2 df is Gamma(1) / (1 * Gamma(1/2)) = 1 / sqrt(pi)
    found = standardised_difference([0, 2, 2, 3], ["a", "a", "b", "c"], 0.95)
    assert found is not None and found.n_clusters == 3
    assert found.value == pytest.approx(2 / math.sqrt(math.pi))


@pytest.mark.parametrize(("df", "published"), [(2, 0.5642), (10, 0.9228), (20, 0.9619), (50, 0.9849)])
def test_the_correction_is_that_of_hedges_table(df, published):
    assert hedges_correction(df) == pytest.approx(published, abs=1.5e-4)  # Hedges 1981, table 1


def test_the_interval_holds_the_noncentralities_under_which_t_is_in_no_tail():
    found = standardised_difference(VALUES, range(6), 0.9)
    assert found is not None
    t = float(stats.ttest_1samp(VALUES, 0).statistic)
    assert stats.nct.sf(t, 5, found.low * math.sqrt(6)) == pytest.approx(0.05, abs=1e-6)
    assert stats.nct.sf(t, 5, found.high * math.sqrt(6)) == pytest.approx(0.95, abs=1e-6)


def test_conversations_of_one_person_count_once():
    once = standardised_difference(VALUES, range(6), 0.95)
    thrice = standardised_difference(VALUES * 3, [*range(6)] * 3, 0.95)
    assert once is not None and thrice is not None and thrice.n_clusters == 6
    assert (thrice.value, thrice.low, thrice.high) == pytest.approx((once.value, once.low, once.high))


def test_the_interval_is_above_0_exactly_where_the_t_test_is_significant():
    for shift in (0.1, 0.15, 0.3):
        values = np.array([-0.3, -0.1, 0.0, 0.1, 0.3, 0.2, -0.2]) + shift
        found = standardised_difference(values.tolist(), range(7), 0.95)
        assert found is not None and (found.low > 0) == (stats.ttest_1samp(values, 0).pvalue < 0.05)


@pytest.mark.parametrize("values", [[0.2] * 5, [0.1, 0.3], [0.2, 0.2001, 0.2], [0.2, 0.2 + 1e-12, 0.2]])
def test_with_hardly_any_variation_or_with_two_clusters_there_is_none(values):
    assert standardised_difference(values, range(len(values)), 0.95) is None


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=3, max_size=12).filter(lambda v: len(set(v)) > 1), st.floats(0.1, 10))
def test_sign_flips_it_and_scale_does_not_matter(values, factor):
    found = standardised_difference(values, range(len(values)), 0.95)
    other = standardised_difference([-factor * v for v in values], range(len(values)), 0.95)
    assert found is not None and other is not None and found.low <= found.high
    assert (other.value, other.low, other.high) == pytest.approx((-found.value, -found.high, -found.low), abs=1e-6)
