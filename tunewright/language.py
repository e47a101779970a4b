"""Which language messages are in, by py3langid (BSD licence, 4.5 MB, offline; 97 languages).

Telling takes about a third of a millisecond a message, so of many messages a sample is told: those with the smallest
stable hash of their place, which is a uniform sample that depends on nothing else. Up to `size` messages it is all.
"""

from __future__ import annotations

import heapq
import zlib
from dataclasses import dataclass

MIN_WORDS = 10  # in fewer words, languages are mistaken for each other


@dataclass(frozen=True)
class OtherLanguage:
    """A message that is not in the language that it should be in."""

    place: str
    language: str  # ISO 639


class LanguageSample:
    """At most `size` messages of those that were shown, each with the same chance."""

    def __init__(self, size: int) -> None:
        self.n_seen = 0
        self._size = size
        self._kept: list[tuple[int, str, str]] = []  # a heap whose first has the largest hash

    def add(self, place: str, text: str, n_words: int) -> None:
        """Show a message."""
        if n_words < MIN_WORDS:
            return
        self.n_seen += 1
        rank = -zlib.crc32(place.encode())
        if len(self._kept) < self._size:
            heapq.heappush(self._kept, (rank, place, text))
        elif rank > self._kept[0][0]:
            heapq.heapreplace(self._kept, (rank, place, text))

    def __len__(self) -> int:
        return len(self._kept)

    def others(self, language: str) -> list[OtherLanguage]:
        """The messages of the sample that are in another language than `language`, by place."""
        from py3langid import classify

        told = ((place, classify(text)[0]) for _, place, text in self._kept)
        return sorted((OtherLanguage(p, t) for p, t in told if t != language), key=lambda o: o.place)
