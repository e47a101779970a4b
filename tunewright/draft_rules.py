"""The method's testable rules for drafts: numbers, weights, one thing per line, nothing said twice.

Every function gives a list of faults, each a sentence that the drafting model can act on; an empty list is no fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from tunewright.checks.checklist import Check
from tunewright.config import Bounds
from tunewright.measures import words

TEMPLATE_MARKS = ("{{", "{%", "{#", "<!--")  # what would be code in a prompt file
WEIGHT_TOLERANCE = 1e-6


def count_faults(what: str, n: int, wanted: Bounds) -> list[str]:
    """Whether there are as many as the method wants."""
    return [] if wanted.holds(n) else [f"{what}: found {n}, wanted {wanted}"]


def weight_faults(what: str, weights: Mapping[str, float]) -> list[str]:
    """Whether weights sum to 1. They are never normalised in silence."""
    total = sum(weights.values())
    if abs(total - 1) <= WEIGHT_TOLERANCE:
        return []
    return [f"{what}: the weights sum to {total:g}, wanted 1 ({', '.join(f'{k} {w:g}' for k, w in weights.items())})"]


def check_faults(checks: Iterable[Check]) -> list[str]:
    """The errors of design-check's own checks, so that a draft meets them while it can still be mended."""
    return [f"{check.name}: {check.evidence}" for check in checks if not check.passed and check.level == "error"]


def name_faults(what: str, names: Sequence[str]) -> list[str]:
    """Whether no name is given twice."""
    return [f"{what}: {name!r} is given {n} times" for name, n in Counter(names).items() if n > 1]


def missing_faults(what: str, found: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Whether exactly the wanted names are there."""
    there, expected = set(found), set(wanted)
    missing = [f"{what}: {name!r} is missing" for name in sorted(expected - there)]
    return missing + [f"{what}: {name!r} is not asked for" for name in sorted(there - expected)]


def line_faults(what: str, texts: Iterable[str]) -> list[str]:
    """Whether each text is one line that a prompt file can hold as it is."""
    return [fault for text in texts for fault in prose_faults(what, text, one_line=True)]


def prose_faults(what: str, text: str, *, one_line: bool = False) -> list[str]:
    """Whether a text can stand in a prompt file: not empty, and nothing in it is template code or a role line."""
    shown = f"{what}: {text[:60]!r}"
    faults = [] if text.strip() else [f"{what}: is empty"]
    if one_line and text != " ".join(text.split()):
        faults.append(f"{shown} must be one line without extra spaces")
    return faults + [f"{shown} must not contain {mark!r}" for mark in TEMPLATE_MARKS if mark in text]


def likeness_faults(what: str, texts: Sequence[str], overlap_max: float) -> list[str]:
    """Whether no two texts share more than `overlap_max` (0 to 1) of their words (Jaccard index)."""
    sets = [set(words(text)) for text in texts]
    return [
        f"{what}: {texts[i]!r} and {texts[j]!r} say nearly the same; merge them or make them differ"
        for i, j in combinations(range(len(texts)), 2)
        if sets[i] and len(sets[i] & sets[j]) > overlap_max * len(sets[i] | sets[j])
    ]


def opening_faults(what: str, texts: Iterable[str], openings: Iterable[str]) -> list[str]:
    """Whether no text begins with one of these words (lower case), which begin no observable behaviour."""
    refused = set(openings)
    return [
        f"{what}: {text!r} begins with {first[0]!r}; begin with the verb of something that a reader can observe"
        for text in texts
        if (first := words(text)[:1]) and first[0] in refused
    ]
