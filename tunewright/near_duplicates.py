"""Messages and conversations that nearly repeat others, found without comparing each with each.

A message is the set of its 5-word runs. MinHash signatures (Broder, 1997) in 10 bands of 3 rows (Leskovec, Rajaraman
and Ullman, Mining of Massive Datasets, chapter 3) say which pairs may be alike; each of these is then compared exactly,
by the share of the smaller set that is found in the other. Two messages of one length of which 80% is the same
(Jaccard similarity 0.67) are found with probability 0.97, at 90% (0.82) with 0.9997. In a group of look-alikes each is
compared with the first and with the one before it, so time stays in proportion to the number of messages.

Memory: about 320 bytes a message of 50 words (136, and 4 for each run), for at most `capacity` messages; what comes
later is counted and left out. Messages of under 10 words have too few runs to tell and are left out too.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunewright.word_codes import WordCodes, gram_codes, sorted_unique

RUN_WORDS = 5  # five words in a row are rarely shared by chance
BANDS, ROWS = 10, 3
BATCH = 1000  # messages

Ints = NDArray[np.int64]
Signatures = NDArray[np.uint32]  # (n, BANDS * ROWS)


@dataclass(frozen=True)
class Place:
    """Where a message stands."""

    transcript: str
    exchange: int  # from 1
    role: str  # "user" or "assistant"

    def __str__(self) -> str:
        return f"{self.transcript} exchange {self.exchange}" + (" (user)" if self.role == "user" else "")


@dataclass(frozen=True)
class Copy:
    """A message (or conversation) and an earlier one that it nearly repeats."""

    later: int
    earlier: int
    share: float  # of the smaller one's 5-word runs


class NearDuplicates:
    """An index of messages. A message's number is its place in the order of adding, long enough ones only."""

    def __init__(self, capacity: int) -> None:
        self.n_left_out = 0  # past the capacity
        self._transcripts: list[str] = []
        self._places = array("I")  # two numbers a message: its transcript's, and twice its exchange's + 1 for the user
        self._capacity = capacity
        self._codes = WordCodes()
        self._waiting: list[Sequence[str]] = []
        self._signatures = array("I")
        self._runs = array("I")  # 32-bit codes of 5-word runs, sorted within each message
        self._ends = array("Q", [0])
        rng = np.random.default_rng(0)
        self._factors = rng.integers(0, 2**31, BANDS * ROWS, np.uint32) * np.uint32(2) + np.uint32(1)
        self._shifts = rng.integers(0, 2**32, BANDS * ROWS, np.uint32)

    def add(self, place: Place, words: Sequence[str]) -> bool:
        """Remember a message; False for one that is too short, or one too many."""
        if len(words) < 2 * RUN_WORDS:
            return False
        if len(self) >= self._capacity:
            self.n_left_out += 1
            return False
        if not self._transcripts or self._transcripts[-1] != place.transcript:
            self._transcripts.append(place.transcript)
        self._places.extend((len(self._transcripts) - 1, 2 * place.exchange + (place.role == "user")))
        self._waiting.append(words)
        if len(self._waiting) == BATCH:
            self._flush()
        return True

    def __len__(self) -> int:
        return len(self._places) // 2

    def place(self, message: int) -> Place:
        """Where a message stands."""
        transcript, rest = self._places[2 * message], self._places[2 * message + 1]
        return Place(self._transcripts[transcript], rest // 2, "user" if rest % 2 else "assistant")

    def _flush(self) -> None:
        """Turn the waiting messages into signatures and runs."""
        if not self._waiting:
            return
        codes, text = gram_codes(*self._codes.of(self._waiting), RUN_WORDS)
        ordered = sorted_unique(text.astype(np.uint64) << np.uint64(32) | codes >> np.uint64(32))
        runs = (ordered & np.uint64(0xFFFFFFFF)).astype(np.uint32)
        starts = np.searchsorted(ordered, np.arange(len(self._waiting), dtype=np.uint64) << np.uint64(32))
        pairs = zip(self._factors, self._shifts, strict=True)
        columns = [np.minimum.reduceat(runs * factor + shift, starts) for factor, shift in pairs]
        base = self._ends[-1]
        self._signatures.frombytes(np.stack(columns, axis=1).tobytes())
        self._runs.frombytes(runs.tobytes())
        self._ends.extend((base + np.append(starts[1:], len(runs))).tolist())
        self._waiting = []

    def signatures(self) -> Signatures:
        """The signatures of all messages."""
        self._flush()
        return np.frombuffer(self._signatures, np.uint32).reshape(-1, BANDS * ROWS)

    def repeats(self, groups: Sequence[int], similarity: float) -> list[Copy]:
        """Each message that nearly repeats an earlier one of its group (a group below 0: not looked at)."""
        kinds = np.asarray(groups, np.int64)
        chosen = np.flatnonzero(kinds >= 0)
        return self._best(_alike(self.signatures()[chosen], kinds[chosen]), chosen, chosen + 1, similarity)

    def leaks(self, held_out: Sequence[int], similarity: float) -> list[Copy]:
        """Each message of the training side (0) that nearly repeats one of the held-out side (1; `earlier`)."""
        numbers = np.arange(len(self))
        pairs = _across(self.signatures(), np.asarray(held_out, np.bool_))
        return self._best(pairs, numbers, numbers + 1, similarity)

    def conversations(self, similarity: float) -> list[Copy]:
        """Each conversation that nearly repeats an earlier one; they are numbered by their first message."""
        of = np.frombuffer(self._places, np.uint32)[::2].astype(np.int64)
        starts = np.flatnonzero(np.append(True, of[1:] != of[:-1])) if len(of) else of
        signatures = np.minimum.reduceat(self.signatures(), starts, axis=0) if len(of) else self.signatures()
        stops = np.append(starts[1:], len(of))
        return self._best(_alike(signatures, np.zeros(len(starts), np.int64)), starts, stops, similarity)

    def _best(self, pairs: Iterator[tuple[int, int]], starts: Ints, stops: Ints, similarity: float) -> list[Copy]:
        """The best of each later one's pairs, where that is similar enough; the earliest of equals."""
        best: dict[int, Copy] = {}
        for later, earlier in pairs:
            one, other = (self._runs_of(int(starts[n]), int(stops[n])) for n in (later, earlier))
            share = _containment(one, other)
            if share >= similarity and (later not in best or share > best[later].share):
                best[later] = Copy(int(starts[later]), int(starts[earlier]), share)
        return [best[later] for later in sorted(best)]

    def _runs_of(self, start: int, stop: int) -> NDArray[np.uint32]:
        """The runs of words of the messages from `start` to before `stop`."""
        at, end = int(self._ends[start]), int(self._ends[stop])
        runs = np.frombuffer(self._runs, np.uint32, end - at, at * self._runs.itemsize)
        return runs if stop == start + 1 else np.unique(runs)


def _containment(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
    small, large = sorted((one, other), key=len)
    at = np.searchsorted(large, small)
    at[at == len(large)] = 0
    return float(np.count_nonzero(large[at] == small)) / len(small)


def _keys(signatures: Signatures, band: int) -> Ints:
    """One 32-bit key for each signature's band."""
    parts = signatures[:, band * ROWS : (band + 1) * ROWS].astype(np.uint64)
    mixed = (parts[:, 0] * np.uint64(0x9E3779B1) + parts[:, 1]) * np.uint64(0x85EBCA77) + parts[:, 2]
    return ((mixed * np.uint64(0xC2B2AE3D27D4EB4F)) >> np.uint64(32)).astype(np.int64)


def _alike(signatures: Signatures, kinds: Ints) -> Iterator[tuple[int, int]]:
    """Pairs (later, earlier) of one kind that share a band: each with the first of its group and with its neighbour."""
    found = np.empty(0, np.int64)
    n = len(signatures)
    for band in range(BANDS if n else 0):
        keys = kinds << 32 | _keys(signatures, band)
        order = np.argsort(keys, kind="stable")
        same = np.flatnonzero(keys[order][1:] == keys[order][:-1]) + 1
        first = _group_starts(keys[order])
        pairs = [order[same] * n + order[same - 1], order[same] * n + order[first[same]]]
        found = np.unique(np.concatenate([found, *pairs]))
    return ((int(pair // n), int(pair % n)) for pair in found)


def _across(signatures: Signatures, held_out: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Pairs (training, held out) that share a band: each with the first and the last held-out one of its group."""
    found = np.empty(0, np.int64)
    n = len(signatures)
    for band in range(BANDS if n else 0):
        keys = _keys(signatures, band)
        order = np.lexsort((~held_out, keys))  # the held-out ones first in each group
        outside = np.flatnonzero(~held_out[order])
        first = order[_group_starts(keys[order])[outside]]
        last_held = np.maximum.accumulate(np.where(held_out[order], np.arange(n), 0))[outside]
        for other in (first, order[last_held]):
            real = held_out[other] & (keys[other] == keys[order[outside]])
            found = np.unique(np.concatenate([found, order[outside][real] * n + other[real]]))
    return ((int(pair // n), int(pair % n)) for pair in found)


def _group_starts(ordered: Ints) -> Ints:
    """For each place of a sorted array, the first place with the same value."""
    starts = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    return np.maximum.accumulate(np.where(starts, np.arange(len(ordered)), 0))
