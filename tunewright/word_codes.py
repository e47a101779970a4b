"""Words as 64-bit codes, so that numpy can go over a thousand messages at once: runs of words, and how many differ.

Codes come from BLAKE2 and are the same on every machine. Two different runs of words share a code about once in
2^64 pairs.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

MAX_WORDS = 500_000  # codes remembered at a time
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

Codes = NDArray[np.uint64]
Ints = NDArray[np.int64]


class WordCodes(dict[str, int]):
    """The code of each word, computed when it is first asked for."""

    def __missing__(self, word: str) -> int:
        if len(self) >= MAX_WORDS:
            self.clear()
        code = self[word] = int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "little")
        return code

    def of(self, texts: Sequence[Sequence[str]]) -> tuple[Codes, Ints]:
        """The codes of all words of the texts in a row, and the number of words of each."""
        flat = array("Q")
        for words in texts:
            flat.extend(map(self.__getitem__, words))
        return np.frombuffer(flat, dtype=np.uint64), np.fromiter(map(len, texts), np.int64, len(texts))


def gram_codes(flat: Codes, lengths: Ints, n: int) -> tuple[Codes, Ints]:
    """The codes of all runs of n words that lie within one text, and the number of that text."""
    text = np.repeat(np.arange(len(lengths)), lengths)
    codes, within = runs_anywhere(flat, text, n)
    return codes[within], text[: len(codes)][within]


def runs_anywhere(flat: Codes, text: Ints, n: int) -> tuple[Codes, NDArray[np.bool_]]:
    """The code of the n words that begin at each place, and whether they lie within one text."""
    size = max(len(flat) - n + 1, 0)
    codes = flat[:size].copy()
    for at in range(1, n):
        codes = _mixed(codes) + flat[at : size + at]
    return _mixed(codes), text[:size] == text[len(flat) - size :]


def sorted_unique(codes: Codes) -> Codes:
    """The different codes in order; numpy's own `unique` goes by a hash table, which takes four times as long here."""
    ordered = np.sort(codes)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]


def _mixed(codes: Codes) -> Codes:
    """Spread every bit over the whole word (the finaliser of SplitMix64, Steele et al., OOPSLA 2014)."""
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (codes ^ (codes >> np.uint64(31))) + _FACTOR


class DistinctCounter:
    """How many codes there are and how many differ: exact up to `capacity` different ones, then an estimate.

    Adaptive sampling (Flajolet, Computing 43, 1990): when too many are held, only those are that end in one more zero
    bit. Its relative standard error is 1.2 / sqrt(capacity).
    """

    def __init__(self, capacity: int) -> None:
        self.total = 0
        self._capacity = capacity
        self._zeros = 0  # low bits that must be 0
        self._held: set[int] = set()

    def add(self, codes: Codes) -> None:
        """Count more codes."""
        self.total += len(codes)
        self._hold(sorted_unique(self._sampled(codes)).tolist())

    def merge(self, other: DistinctCounter) -> None:
        """Take in what another counter has counted."""
        self.total += other.total
        self._zeros = max(self._zeros, other._zeros)
        self._held = {code for code in self._held if not code & self._mask}
        self._hold([code for code in other._held if not code & self._mask])

    @property
    def share(self) -> float | None:
        """Different ones over all (distinct-n, Li et al. 2016, arXiv 1510.03055); falls with the amount of text."""
        return (len(self._held) << self._zeros) / self.total if self.total else None

    @property
    def _mask(self) -> int:
        return (1 << self._zeros) - 1

    def _sampled(self, codes: Codes) -> Codes:
        return codes[codes & np.uint64(self._mask) == 0]

    def _hold(self, codes: list[int]) -> None:
        self._held.update(codes)
        while len(self._held) > self._capacity:
            self._zeros += 1
            self._held = {code for code in self._held if not code & self._mask}
