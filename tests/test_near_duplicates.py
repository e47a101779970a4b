"""Copies among messages, against brute force."""

import random

import pytest

from tunewright.near_duplicates import Copy, NearDuplicates, Place

WORDS = [f"w{n}" for n in range(500)]


def index(messages, capacity=10_000):
    found = NearDuplicates(capacity)
    for n, words in enumerate(messages):
        found.add(Place(f"t{n}", 1, "assistant"), words)
    return found


def prose(rng, n=40):
    return rng.choices(WORDS, k=n)


def test_a_message_with_a_word_more_is_a_copy_of_the_earlier_one_and_half_of_it_is_not():
    first, other = prose(random.Random(1), 20), prose(random.Random(2), 20)
    found = index([first, other, [*first, "slowly"], first[:10] + other[10:]])
    assert found.repeats([0] * 4, 0.8) == [Copy(2, 0, 1.0)]  # 16 runs of 16
    assert str(found.place(2)) == "t2 exchange 1"


def test_a_changed_word_costs_five_runs():
    first = prose(random.Random(1), 40)  # 36 runs
    changed = [*first[:20], "else", *first[21:]]
    assert index([first, changed]).repeats([0, 0], 0.8) == [Copy(1, 0, 31 / 36)]
    assert index([first, changed]).repeats([0, 0], 0.87) == []


def test_groups_are_not_compared_and_those_below_0_not_at_all():
    first = prose(random.Random(1))
    assert index([first] * 4).repeats([0, 1, -1, 1], 0.8) == [Copy(3, 1, 1.0)]


def test_short_messages_are_not_taken_and_those_too_many_are_counted():
    found = index([WORDS[:9], WORDS[:10], WORDS[10:20], WORDS[:10]], capacity=2)
    assert (len(found), found.n_left_out) == (2, 1)
    assert found.repeats([0, 0], 0.8) == []


@pytest.mark.parametrize("held_out", [[0, 1, 0, 0], [1, 0, 1, 1]])
def test_leaks_go_from_the_training_side_to_the_held_out_side_in_any_order(held_out):
    first, other = prose(random.Random(1)), prose(random.Random(2))
    expected = {(0, 1, 0, 0): [Copy(0, 1, 1.0), Copy(3, 1, 1.0)], (1, 0, 1, 1): [Copy(1, 0, 1.0)]}
    assert index([first, first, other, first]).leaks(held_out, 0.8) == expected[tuple(held_out)]


def test_copies_with_one_word_in_twenty_changed_are_nearly_all_found_among_three_thousand():
    rng = random.Random(3)
    originals = [prose(rng) for _ in range(1500)]
    copies = []
    for words in originals:
        at = rng.randrange(len(words))
        copies.append([*words[:at], "changed", *words[at + 1 :]])
    found = index(originals + copies).repeats([0] * 3000, 0.8)
    assert all(c.later - c.earlier == 1500 and c.share >= 0.86 for c in found)
    assert len(found) >= 1470  # Jaccard 31 / 41: found with probability 0.99


def test_nothing_at_all_repeats_nothing():
    empty = NearDuplicates(10)
    assert empty.repeats([], 0.8) == empty.leaks([], 0.8) == empty.conversations(0.8) == []
