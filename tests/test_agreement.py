"""Accuracy, kappa and trust by hand."""

import pytest

from tunewright.agreement import Reading, TrustRules, agreement, answer_shares, decide_trust
from tunewright.statistics import wilson_interval

RULES = TrustRules(confidence=0.95, min_clusters=4, max_flip_share=0.2)


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
    assert (found.accuracy_low, found.accuracy_high) == (low, high)
    assert found.kappa_low == pytest.approx((low - 0.5) / 0.5)


def test_kappa_of_cohen_s_example():
    # Cohen 1960, table 1 has three categories; here 35 / 5 / 10 / 50 of 100: p_o 0.85, p_e 0.45*0.40 + 0.55*0.60
    pairs = ["YES YES"] * 35 + ["YES NO"] * 10 + ["NO YES"] * 5 + ["NO NO"] * 50
    by_chance = 0.45 * 0.40 + 0.55 * 0.60
    assert agreement(readings(*pairs), 0.95).kappa == pytest.approx((0.85 - by_chance) / (1 - by_chance))


def test_a_constant_answer_has_kappa_0_and_is_not_trusted():
    found = agreement(readings(*["YES YES"] * 30, *["NO YES"] * 10), 0.95)
    assert (found.accuracy, found.baseline, found.kappa) == (0.75, 0.75, pytest.approx(0))
    assert decide_trust(found, RULES).reason == "not shown to be better than a constant answer"


def test_variants_of_one_question_count_once():
    # two clusters of twelve, all right, and two single questions, both wrong: two right of four
    found = agreement(
        readings(*["YES YES"] * 12, cluster="a")
        + readings(*["NO NO"] * 12, cluster="b")
        + readings("YES NO", cluster="c")
        + readings("NO YES", cluster="d"),
        0.95,
    )
    assert (found.n, found.n_items, found.accuracy, found.baseline, found.kappa) == (4, 26, 0.5, 0.5, 0)
    assert found.accuracy_low == wilson_interval(2, 4, 0.95)[0]


def test_one_more_error_never_raises_the_lower_bound():
    lows = []
    for wrong in range(12):
        variants = readings(*["NO NO"] * 12, cluster="flaw")
        singles = readings(*["YES YES"] * (11 - wrong), *["YES NO"] * wrong)
        lows.append(agreement(variants + singles, 0.95).accuracy_low)
    assert lows == sorted(lows, reverse=True)


def test_reruns_count_as_one_item_and_flips_are_told():
    found = agreement(readings("YES YES NO", "NO NO NO", "YES YES -", "NO NO NO"), 0.95)
    assert (found.n, found.accuracy) == (4, 0.875)
    assert (found.n_repeated, found.flip_share) == (3, pytest.approx(1 / 3))
    assert decide_trust(found, RULES).reason.startswith("unstable")
    one, two = readings("YES YES NO", "NO NO NO")
    assert answer_shares({"a": [one], "b": [two]}) == {"YES": 0.25, "NO": 0.75}


def test_what_is_not_answered_is_left_out_and_counted():
    found = agreement(readings("YES -", "NO NO", "NO NO", "YES YES"), 0.95)
    assert (found.n, found.n_unanswered, found.accuracy) == (3, 1, 1.0)
    assert decide_trust(found, RULES).reason == "too few calibration answers"
    nothing = agreement(readings("YES -"), 0.95)
    assert (nothing.n, nothing.accuracy, nothing.kappa) == (0, None, None)
    assert not decide_trust(nothing, RULES).trusted


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_where_only_one_answer_occurs_kappa_is_none_however_it_rounds(samples):
    for n in range(1, 31):
        found = agreement(readings(*[" ".join(["YES"] * (1 + samples))] * n), 0.95)
        assert (found.kappa, found.kappa_low) == (None, None)


def test_a_judge_that_is_nearly_always_right_is_trusted():
    found = agreement(readings(*["YES YES"] * 9, "YES NO", *["NO NO"] * 9, "NO YES"), 0.95)
    assert decide_trust(found, RULES).trusted
