"""Codes of runs of words, and counting the different ones."""

import numpy as np
import pytest

from tunewright.word_codes import DistinctCounter, WordCodes, gram_codes


def test_runs_stay_within_one_text_and_equal_runs_have_equal_codes():
    codes, text = gram_codes(*WordCodes().of([["a", "b", "c"], ["b"], [], ["b", "c"]]), 2)
    assert text.tolist() == [0, 0, 3]
    assert codes[1] == codes[2] != codes[0]
    assert gram_codes(*WordCodes().of([["a"], ["b"]]), 2)[0].size == 0
    ab, ba = (gram_codes(*WordCodes().of([list(two)]), 2)[0][0] for two in ("ab", "ba"))
    assert ab != ba


def test_codes_are_the_same_on_every_machine():
    assert WordCodes()["kettle"] == WordCodes()["kettle"] == 0xA903FDC1355AF018


@pytest.mark.parametrize("n", [900, 50_000])
def test_different_codes_are_counted_exactly_up_to_the_capacity_and_estimated_above(n):
    different = np.random.default_rng(0).integers(0, 2**63, n, np.uint64)
    one, other = DistinctCounter(1000), DistinctCounter(1000)
    one.add(np.repeat(different[: n // 2], 3))
    one.add(different[: n // 2])
    other.add(different[n // 3 :])
    one.merge(other)
    total = 4 * (n // 2) + n - n // 3
    assert one.total == total
    # four standard errors of 1.2 / sqrt(capacity); none below the capacity
    assert one.share == pytest.approx(n / total, rel=0 if n < 1000 else 4 * 1.2 / 1000**0.5)


def test_nothing_has_no_share():
    assert DistinctCounter(10).share is None
