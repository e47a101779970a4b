"""Many items at once: order, bounds, failures of one and of all."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.errors import ModelSetupError, TooManyFailuresError
from tunewright.items import ItemFailure, map_items, refuse_many_failures


def test_map_items_keeps_the_order_and_bounds_what_is_in_flight():
    now, most = 0, 0

    async def work(item):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02 / (item + 1))  # later items end sooner
        now -= 1
        return item * item

    counted = []
    assert asyncio.run(map_items(range(9), work, 3, lambda: counted.append(1))) == [n * n for n in range(9)]
    assert most == 3 and len(counted) == 9


@given(st.lists(st.integers(), max_size=20), st.integers(1, 30))
def test_map_items_gives_every_item_its_result(items, in_flight):
    async def work(item):
        await asyncio.sleep(0)
        return -item

    assert asyncio.run(map_items(items, work, in_flight)) == [-n for n in items]


def test_an_item_that_fails_is_its_own_result_and_the_others_go_on():
    async def work(item):
        if item == 1:
            raise ItemFailure("one")
        return item

    first, second, third = asyncio.run(map_items([0, 1, 2], work, 1))
    assert (first, str(second), third) == (0, "one", 2) and isinstance(second, ItemFailure)


def test_after_an_error_that_no_item_can_escape_none_is_begun_and_those_in_flight_come_to_their_ends():
    begun, ended = [], []

    async def work(item):
        begun.append(item)
        await asyncio.sleep(0.01)
        if item == 0:
            raise ModelSetupError("no model")
        await asyncio.sleep(0.01)
        ended.append(item)

    with pytest.raises(ModelSetupError, match="no model"):
        asyncio.run(map_items(range(10), work, 2))
    assert begun == [0, 1] and ended == [1]


def test_failures_are_allowed_up_to_the_share_and_the_commonest_reason_is_told():
    refuse_many_failures(["x"] * 2, 4, 0.5, "talks")
    refuse_many_failures([], 0, 0.0, "talks")
    with pytest.raises(TooManyFailuresError, match=r"3 of 4 talks failed \(allowed: 50%\); most often: slow\."):
        refuse_many_failures(["slow", "x", "slow"], 4, 0.5, "talks")
