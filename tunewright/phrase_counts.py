"""Phrases by the number of replies that they stand in, in one pass and bounded memory.

Lossy counting (see heavy_hitters) of runs of words, a bucket of replies at a time. Within a bucket it goes level by
level as the Apriori algorithm does (Agrawal and Srikant, VLDB 1994): a phrase can only be kept if both phrases one word
shorter within it are, so the longer ones are looked up at few places. Counts are those of plain lossy counting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tunewright.heavy_hitters import Counted
from tunewright.word_codes import Codes, runs_anywhere

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class PhraseCounts:
    """Phrases of `shortest` to `longest` words; buckets of `bucket` replies."""

    def __init__(self, shortest: int, longest: int, bucket: int) -> None:
        self.n_replies = 0
        self._bucket = bucket
        self.levels = {n: _Level() for n in range(shortest, longest + 1)}

    @property
    def forgotten(self) -> int:
        """The largest count that a phrase which is not kept can have: the number of whole buckets."""
        return self.n_replies // self._bucket

    def add_bucket(self, replies: Sequence[Sequence[str]], flat: Codes, lengths: Ints) -> None:
        """Count the replies of one bucket, of which only the last may be short; `flat`: the codes of their words."""
        assert self.n_replies % self._bucket == 0 and len(replies) <= self._bucket, (self.n_replies, len(replies))
        missed = self.forgotten
        self.n_replies += len(replies)
        whole = len(replies) == self._bucket
        words = list(chain.from_iterable(replies))
        reply = np.repeat(np.arange(len(replies)), lengths)
        alive: Flags | None = None  # where the phrase one word shorter is kept
        for n, level in self.levels.items():
            codes, within = runs_anywhere(flat, reply, n)
            if alive is not None:
                within &= alive[: len(within)] & alive[1 : len(within) + 1]
            places = np.flatnonzero(within)
            level.add(codes[places], reply[places], places, Run(words, n), missed, whole)
            if whole:
                level.forget(self.forgotten)
            alive = within & np.isin(codes, level.codes)


def frequent_phrases(parts: Sequence[PhraseCounts]) -> list[Counted[str]]:
    """The phrases of several counts taken together that stand in two replies or more; see heavy_hitters.frequent."""
    least = max(1, sum(part.forgotten for part in parts))
    return [counted for n in parts[0].levels for counted in _together([part.levels[n] for part in parts], parts, least)]


def _together(levels: Sequence[_Level], parts: Sequence[PhraseCounts], least: int) -> Iterator[Counted[str]]:
    codes, inverse = np.unique(np.concatenate([level.codes for level in levels]), return_inverse=True)
    counts = np.bincount(inverse, np.concatenate([level.counts for level in levels]), len(codes)).astype(np.int64)
    # a part that does not know a phrase can have forgotten as much of it as of any
    less = [part.forgotten - level.missed for part, level in zip(parts, levels, strict=True)]
    missed = sum(part.forgotten for part in parts) - np.bincount(inverse, np.concatenate(less), len(codes))
    for at in np.flatnonzero(counts > least).tolist():
        text = next(text for level in levels if (text := level.text(int(codes[at]))))
        yield Counted(text, int(counts[at]), int(missed[at]))


@dataclass(frozen=True)
class Run:
    """The runs of n words in a row of words."""

    words: list[str]
    n: int

    def at(self, place: int) -> str:
        """The run that begins at a place."""
        return " ".join(self.words[place : place + self.n])


class _Level:
    """Phrases of one length, by code."""

    def __init__(self) -> None:
        self.codes: Codes = np.empty(0, np.uint64)  # sorted, as the next two are
        self.counts: Ints = np.empty(0, np.int64)
        self.missed: Ints = np.empty(0, np.int64)
        self._texts: dict[int, str] = {}
        self._last: tuple[Codes, Ints, Run] | None = None  # new phrases of the unfinished bucket: codes, places, words

    def add(self, codes: Codes, reply: Ints, places: Ints, run: Run, missed: int, whole: bool) -> None:
        """Count each code once a reply. New ones seen only once in a whole bucket would be forgotten: not taken."""
        order = np.lexsort((reply, codes))
        codes, reply, places = codes[order], reply[order], places[order]
        again = (codes[1:] == codes[:-1]) & (reply[1:] == reply[:-1])
        once = np.append(True, ~again)[: len(codes)]
        different, at, counts = np.unique(codes[once], return_index=True, return_counts=True)
        places = places[once][at]
        where = np.minimum(np.searchsorted(self.codes, different), len(self.codes) - 1)
        known = self.codes[where] == different if len(self.codes) else np.zeros(len(different), np.bool_)
        self.counts[where[known]] += counts[known]
        new = ~known & (counts > 1) if whole else ~known
        if whole:
            pairs = zip(different[new].tolist(), places[new].tolist(), strict=True)
            self._texts.update((code, run.at(place)) for code, place in pairs)
        else:
            self._last = (different[new], places[new], run)
        self._take(
            np.concatenate([self.codes, different[new]]),
            np.concatenate([self.counts, counts[new]]),
            np.concatenate([self.missed, np.full(np.count_nonzero(new), missed, np.int64)]),
        )

    def forget(self, bucket: int) -> None:
        """Drop what is too rare after this many whole buckets."""
        kept = self.counts + self.missed > bucket
        for code in self.codes[~kept].tolist():
            del self._texts[code]
        self._take(self.codes[kept], self.counts[kept], self.missed[kept])

    def _take(self, codes: Codes, counts: Ints, missed: Ints) -> None:
        order = np.argsort(codes)
        self.codes, self.counts, self.missed = codes[order], counts[order], missed[order]

    def text(self, code: int) -> str | None:
        """The phrase with this code; None where it is not known."""
        if code in self._texts or not self._last:
            return self._texts.get(code)
        codes, places, run = self._last
        at = int(np.searchsorted(codes, np.uint64(code)))
        return run.at(int(places[at])) if at < len(codes) and codes[at] == code else None
