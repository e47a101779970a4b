"""Accuracy, kappa and trust by hand."""

import pytest

from tunewright.agreement import Reading, TrustRules, agreement, answer_shares, decide_trust
from tunewright.statistics import clustered_proportion, wilson_interval

RULES = TrustRules(confidence=0.95, min_items=4, max_flip_share=0.2)


def readings(*pairs, cluster=None):
    """Readings from "YES NO" (expected, then answers)."""
    found = []
    for number, pair in enumerate(pairs):
        expected, *answers = pair.split()
        given = tuple(None if a == "-" else a for a in answers)
        found.append(Reading(f"i{number}", cluster or f"c{number}", expected, given))
    return found


def test_kappa_by_hand():
    # 4 YES and 4 NO, one of each missed: p_o 6/8, the judge says 4 and 4, p_e 0.5, kappa 0.5
    found = agreement(readings(*["YES YES"] * 3, "YES NO", *["NO NO"] * 3, "NO YES"), 0.95)
    assert (found.n, found.accuracy, found.baseline, found.kappa) == (8, 0.75, 0.5, 0.5)
    low, high = wilson_interval(6, 8, 0.95)
    # independent items: the effective sample size is at most 8; with C/(C-1) in the variance it is 7
    low7, high7 = wilson_interval(0.75 * 7, 7, 0.95)
    assert (found.accuracy_low, found.accuracy_high) == (pytest.approx(low7), pytest.approx(high7))
    assert low7 < low and high7 > high
    assert found.kappa_low == pytest.approx((low7 - 0.5) / 0.5)


def test_kappa_of_cohen_s_example():
    # Cohen 1960, table 1 has three categories; here 35 / 5 / 10 / 50 of 100: p_o 0.85, p_e 0.45*0.40 + 0.55*0.60
    pairs = ["YES YES"] * 35 + ["YES NO"] * 10 + ["NO YES"] * 5 + ["NO NO"] * 50
    by_chance = 0.45 * 0.40 + 0.55 * 0.60
    assert agreement(readings(*pairs), 0.95).kappa == pytest.approx((0.85 - by_chance) / (1 - by_chance))


def test_a_constant_answer_has_kappa_0_and_is_not_trusted():
    found = agreement(readings(*["YES YES"] * 30, *["NO YES"] * 10), 0.95)
    assert (found.accuracy, found.baseline, found.kappa) == (0.75, 0.75, pytest.approx(0))
    assert decide_trust(found, RULES).reason == "not shown to be better than a constant answer"


def test_variants_of_one_example_count_as_little_more_than_one():
    right = readings(*["YES YES"] * 12, cluster="a") + readings(*["NO NO"] * 12, cluster="b")
    assert agreement(right, 0.95).accuracy_low == pytest.approx(wilson_interval(2, 2, 0.95)[0])
    alone = readings(*["YES YES"] * 12, *["NO NO"] * 12)
    assert agreement(alone, 0.95).accuracy_low == pytest.approx(wilson_interval(24, 24, 0.95)[0])


def test_reruns_count_as_one_item_and_flips_are_told():
    found = agreement(readings("YES YES NO", "NO NO NO", "YES YES -", "NO NO NO"), 0.95)
    assert (found.n, found.accuracy) == (4, 0.875)
    assert (found.n_repeated, found.flip_share) == (3, pytest.approx(1 / 3))
    assert decide_trust(found, RULES).reason.startswith("unstable")
    assert answer_shares(readings("YES YES NO", "NO NO NO")) == {"YES": 0.25, "NO": 0.75}


def test_what_is_not_answered_is_left_out_and_counted():
    found = agreement(readings("YES -", "NO NO", "NO NO", "YES YES"), 0.95)
    assert (found.n, found.n_unanswered, found.accuracy) == (3, 1, 1.0)
    assert decide_trust(found, RULES).reason == "too few calibration answers"
    nothing = agreement(readings("YES -"), 0.95)
    assert (nothing.n, nothing.accuracy, nothing.kappa) == (0, None, None)
    assert not decide_trust(nothing, RULES).trusted


def test_where_only_one_answer_occurs_kappa_is_none():
    assert agreement(readings("YES YES", "YES YES"), 0.95).kappa is None


def test_a_judge_that_is_nearly_always_right_is_trusted():
    found = agreement(readings(*["YES YES"] * 9, "YES NO", *["NO NO"] * 9, "NO YES"), 0.95)
    assert decide_trust(found, RULES).trusted


def test_an_effective_sample_is_never_larger_than_the_sample_nor_smaller_than_one():
    with pytest.raises(ValueError, match="n >= 1"):
        wilson_interval(0, 0.5, 0.95)
    values = [1.0, 0.0] * 10
    assert clustered_proportion(values, ["a", "a"] * 10, 0.95) == wilson_interval(0.5, 1, 0.95)
    low, high = clustered_proportion(values, range(20), 0.95)
    assert low < 0.5 < high
    even = clustered_proportion(values, [n // 2 for n in range(20)], 0.95)  # every cluster alike: nothing varies
    assert even == wilson_interval(5, 10, 0.95)
