"""What stands in many replies, counted in one pass and in memory that does not grow with the number of replies.

Lossy counting (Manku and Motwani, VLDB 2002), with a reply as the unit. After every bucket of `bucket` replies, items
too rare to matter are forgotten. A count is then never too high, and too low by at most the number of whole buckets
seen: by 1 / bucket of the replies. Each item says how much it can have missed; within the first bucket, and for what
was frequent from the beginning, that is 0 and the count is exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True)
class Counted(Generic[T]):
    """An item, the replies that it was counted in, and how many more there can be at most."""

    item: T
    count: int
    missed: int


class LossyCounts(Generic[T]):
    """In how many replies each item stands; frequent items only."""

    def __init__(self, bucket: int) -> None:
        self.n_replies = 0
        self._bucket = bucket
        self._fresh: Counter[T] = Counter()  # the bucket that is being filled
        self._kept: dict[T, tuple[int, int]] = {}  # count, and what it can have missed

    @property
    def forgotten(self) -> int:
        """The largest count that an item which is not kept can have: the number of whole buckets."""
        return self.n_replies // self._bucket

    def add(self, items: Iterable[T]) -> None:
        """Count the items of one reply, each of which must be named once."""
        self._fresh.update(items)
        self.n_replies += 1
        if self.n_replies % self._bucket == 0:
            self._forget()

    def _forget(self) -> None:
        bucket, fresh = self.forgotten, self._fresh
        kept = {item: (n + fresh.pop(item, 0), missed) for item, (n, missed) in self._kept.items()}
        new = {item: (n, bucket - 1) for item, n in fresh.items() if n > 1}
        self._kept = {item: both for item, both in kept.items() if sum(both) > bucket} | new
        self._fresh = Counter()

    def get(self, item: T) -> tuple[int, int]:
        """The item's count, and how many replies more it can stand in."""
        count, missed = self._kept.get(item, (0, self.forgotten))
        return count + self._fresh[item], missed

    def items(self) -> set[T]:
        """All items that have a count."""
        return self._kept.keys() | self._fresh.keys()


def frequent(parts: Sequence[LossyCounts[T]]) -> list[Counted[T]]:
    """The items of several counts taken together that stand in two replies or more, in no order.

    Items whose count does not exceed what could be missed say nothing and are left out; none that stands in over
    2 / bucket of the replies is among those.
    """
    least = max(1, sum(part.forgotten for part in parts))
    found: list[Counted[T]] = []
    for item in {item for part in parts for item in part.items()}:
        both = [part.get(item) for part in parts]
        count = sum(n for n, _ in both)
        if count > least:
            found.append(Counted(item, count, sum(missed for _, missed in both)))
    return found
