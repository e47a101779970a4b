"""Text of design files: where a sentence stands, and how alike two are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path

from tunewright.checks.checklist import Place
from tunewright.measures import words

SHORT_WORD = 3  # words up to this length say little about what a sentence is about


def squeeze(text: str) -> str:
    """Single spaces: sentences are compared without their line breaks."""
    return " ".join(text.split())


@lru_cache(maxsize=4096)
def content_words(text: str) -> frozenset[str]:
    """The words that tell what a text is about."""
    return frozenset(w for w in words(text) if len(w) > SHORT_WORD)


def overlap(one: str, other: str) -> float:
    """Shared content words over all of them (Jaccard, 0 to 1)."""
    a, b = content_words(one), content_words(other)
    return len(a & b) / len(a | b) if a | b else 0.0


def alike(texts: Sequence[str], overlap_max: float) -> list[tuple[int, int, float]]:
    """Pairs (earlier, later, overlap) of texts that share more than `overlap_max`."""
    pairs = ((i, j, overlap(texts[i], texts[j])) for i, j in combinations(range(len(texts)), 2))
    return [pair for pair in pairs if pair[2] > overlap_max]


def nearest_line(path: str, sentence: str) -> Place:
    """The line of a text file that is most like a sentence; the first of equals, line 1 if none shares a word."""
    lines = Path(path).read_text("utf-8").splitlines()
    likeness = [overlap(line, sentence) for line in lines]
    best = max(range(len(lines)), key=lambda n: likeness[n], default=0)
    return Place(path, best + 1)


def line_with(path: str, pattern: str) -> Place:
    """The first line of a text file in which a regular expression is found; the file alone where there is none."""
    lines = Path(path).read_text("utf-8").splitlines()
    return Place(path, next((n for n, line in enumerate(lines, 1) if re.search(pattern, line)), None))
