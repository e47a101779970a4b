"""People keep to one split whoever else is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import chisquare

from tunewright.splits import SPLITS, Shares, split_of

SHARES = Shares(train=0.63, valid=0.07, holdout=0.3)


def split(ids, shares=SHARES, seed=7):
    found = {name: set() for name in SPLITS}
    for one in ids:
        found[split_of(one, shares, seed)].add(one)
    return found


@given(st.lists(st.text(), unique=True), st.lists(st.text(), unique=True))
def test_nobody_is_in_two_splits_and_newcomers_move_nobody(ids, more):
    before, after = split(ids), split([*more, *ids])
    assert sum(len(people) for people in before.values()) == len(ids)
    assert all(before[name] <= after[name] for name in SPLITS)


def test_twenty_thousand_people_fall_in_the_wanted_shares():
    found = split(f"persona-{n:04d}" for n in range(20_000))
    assert chisquare([len(found[s]) for s in SPLITS], [12_600, 1_400, 6_000]).pvalue > 0.001


def test_another_seed_splits_otherwise():
    ids = [f"persona-{n}" for n in range(50)]
    assert split(ids, seed=7) != split(ids, seed=8)


def test_a_larger_holdout_takes_people_and_gives_none_to_another_split():
    ids = [f"persona-{n}" for n in range(300)]
    larger = Shares(train=0.63, valid=0.0, holdout=0.37)
    assert split(ids, larger)["holdout"] == split(ids)["holdout"] | split(ids)["valid"]
    assert split(ids, larger)["train"] == split(ids)["train"]


@given(st.text(), st.integers())
def test_all_go_to_training_when_it_has_the_whole_share(one, seed):
    assert split_of(one, Shares(train=1, valid=0, holdout=0), seed) == "train"


@pytest.mark.parametrize(("shares", "total"), [((0.6, 0.1, 0.2), "0.9"), ((0.7, 0.1, 0.3), "1.1")])
def test_shares_that_do_not_sum_to_1_are_refused_with_their_sum(shares, total):
    with pytest.raises(ValidationError, match=f"split shares sum to {total}, expected 1"):
        Shares(train=shares[0], valid=shares[1], holdout=shares[2])


def test_a_training_share_of_nothing_is_refused():
    with pytest.raises(ValidationError, match="train"):
        Shares(train=0, valid=0.5, holdout=0.5)
