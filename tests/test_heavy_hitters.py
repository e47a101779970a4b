"""Counts that forget: what they promise."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tunewright.heavy_hitters import Counted, LossyCounts, frequent


def counts(items, bucket):
    found = LossyCounts(bucket)
    for item in items:
        found.add([item])
    return found


def test_a_bucket_forgets_what_it_saw_once_by_hand():
    found = counts("aab" + "acc", 3)  # b is forgotten after the first bucket; c came in the second, having missed 1
    assert frequent([found]) == [Counted("a", 3, 0)]
    assert (found.get("c"), found.get("b")) == ((2, 1), (0, 2))
    assert sorted(frequent([counts("aabc", 9), counts("cc", 9)]), key=lambda c: c.item) == [
        Counted("a", 2, 0),
        Counted("c", 3, 0),
    ]


@given(
    st.lists(st.sampled_from("aaaabbbcde"), max_size=60),
    st.lists(st.sampled_from("abz"), max_size=9),
    st.integers(1, 9),
)
def test_no_count_is_too_high_and_what_is_frequent_is_never_missed(items, more, bucket):
    parts = [counts(items, bucket), counts(more, bucket)]
    real, slack = Counter(items + more), len(items) // bucket + len(more) // bucket
    found = {c.item: c for c in frequent(parts)}
    assert all(c.count <= real[item] <= c.count + c.missed <= c.count + slack for item, c in found.items())
    assert all(item in found for item, n in real.items() if n > max(1, 2 * slack))
