"""The same numbers from statsmodels, which was written by others."""

import numpy as np
import pytest

from tunewright.paired_shares import clopper_pearson
from tunewright.statistics import clustered_mean, holm, sign_test_p, wilson_interval


def test_the_clustered_t_is_statsmodels_regression_on_a_constant_with_clustered_errors():
    from statsmodels.regression.linear_model import OLS

    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(7), [1, 2, 3, 4, 5, 3, 2])
    values = rng.normal(0.2, 1, 7)[labels] + rng.normal(0, 1, labels.size)
    # its factor is C/(C-1) * (n-1)/(n-k), of which the second part is 1 with a constant alone
    model = OLS(values, np.ones_like(values)).fit(
        cov_type="cluster", cov_kwds={"groups": labels, "use_correction": True, "df_correction": True}, use_t=True
    )
    found = clustered_mean(values.tolist(), labels.tolist(), 0.95)
    assert (found.mean, found.se, found.t) == pytest.approx((model.params[0], model.bse[0], model.tvalues[0]))
    assert found.p == pytest.approx(model.pvalues[0])
    assert (found.low, found.high) == pytest.approx(tuple(model.conf_int(0.05)[0]))


def test_holm_is_that_of_statsmodels():
    from statsmodels.stats.multitest import multipletests

    ps = [0.04, 0.001, 0.2, 0.01, 0.04, 0.9]
    assert holm(ps) == pytest.approx(list(multipletests(ps, method="holm")[1]))


@pytest.mark.parametrize(("count", "n"), [(0, 12), (1, 30), (17, 40), (9, 9)])
def test_wilson_and_clopper_pearson_are_those_of_statsmodels(count, n):
    from statsmodels.stats.proportion import proportion_confint

    assert wilson_interval(count, n, 0.95) == pytest.approx(proportion_confint(count, n, 0.05, "wilson"), abs=1e-12)
    assert clopper_pearson(count, n, 0.975) == pytest.approx(proportion_confint(count, n, 0.05, "beta"), abs=1e-12)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (8, 3), (2, 9)])
def test_the_sign_test_is_statsmodels_exact_mcnemar(gained, lost):
    from statsmodels.stats.contingency_tables import mcnemar

    expected = mcnemar([[10, lost], [gained, 7]], exact=True).pvalue if gained + lost else 1.0
    assert sign_test_p(gained, lost) == pytest.approx(expected)
