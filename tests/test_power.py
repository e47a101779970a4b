"""Power, detectable effects and personas needed: simulation and statsmodels as second opinions."""

import math

import numpy as np
import pytest

from tunewright.power import clusters_needed, minimum_detectable_effect, power_of
from tunewright.statistics import clustered_mean


def test_an_effect_of_the_detectable_size_is_found_in_about_80_of_100_samples():
    effect = minimum_detectable_effect(1 / math.sqrt(15), 15, 0.95, 0.8)
    samples = np.random.default_rng(1).normal(effect, 1, (600, 15))
    found = sum(clustered_mean(s, range(15), 0.95).p < 0.05 for s in samples) / 600
    assert 0.76 < found < 0.84  # give or take 2.5 standard errors


def test_clusters_needed_is_the_least_number_that_makes_the_effect_detectable():
    needed = clusters_needed(0.05, 15, 0.10, 0.95, 0.8)
    assert needed is not None and needed > 15

    def detectable(count):
        return minimum_detectable_effect(0.05 * math.sqrt(15 / count), count, 0.95, 0.8)

    assert detectable(needed) <= 0.10 < detectable(needed - 1)
    assert clusters_needed(0.05, 15, 1e-9, 0.95, 0.8) is None
    assert clusters_needed(0.0, 15, 0.10, 0.95, 0.8) == 2


@pytest.mark.parametrize(("n", "effect"), [(5, 0.5), (12, 0.9), (30, 0.5)])
def test_power_is_that_of_statsmodels(n, effect):
    from statsmodels.stats.power import TTestPower

    reference = TTestPower()
    assert power_of(effect, 1 / math.sqrt(n), n, 0.95) == pytest.approx(reference.power(effect, n, 0.05), abs=1e-9)
    detectable = reference.solve_power(None, n, 0.05, 0.8)
    assert minimum_detectable_effect(1 / math.sqrt(n), n, 0.95, 0.8) == pytest.approx(detectable, abs=1e-6)


def test_without_an_effect_the_power_is_the_false_positive_rate():
    assert power_of(0, 1, 8, 0.95) == pytest.approx(0.05)


@pytest.mark.parametrize(("se", "n"), [(0, 5), (1, 1), (math.inf, 5)])
def test_power_refuses_what_has_none(se, n):
    with pytest.raises(ValueError, match="at least 2 clusters"):
        power_of(0.1, se, n, 0.95)
