"""Checks of what prompts and rubric rest on: frameworks, behavioural anchors, documented failure modes."""

from __future__ import annotations

from collections.abc import Iterator

from tunewright.checks.checklist import Check, Fault, faultless, number, yaml_place
from tunewright.checks.text import alike, squeeze
from tunewright.config import Bounds, Config
from tunewright.frameworks import Frameworks
from tunewright.measures import words
from tunewright.personas import Taxonomy

METHOD = "METHOD 1: frameworks"
ANCHORS = "METHOD 1: anchors"
FAILURES = "METHOD 1: failure modes"
# No list can hold all verbs; these are the ways in which anchors that begin with none do begin.
_NOT_A_VERB = """
    a an the this that these those i you he she it we they one my your his her its our their who what which when where
    while if as because to in on at by for from of with without no not never always don't do be is are was has have
    should must may can could would will shall there every each all any some both more most less very please
"""
NOT_A_VERB = frozenset(_NOT_A_VERB.split())


class FoundationBounds(Config):
    """How much there must be, and how alike two anchors may be (shared content words over all, 0 to 1)."""

    frameworks: Bounds
    field_words_min: int
    patterns_min: int
    always: Bounds
    never: Bounds
    anchor_overlap_max: float
    failure_modes: Bounds


def check_foundations(found: Frameworks, taxonomy: Taxonomy, bounds: FoundationBounds, path: str) -> Iterator[Check]:
    """Frameworks complete and enough, anchors countable and distinct, failure modes with instance and counter."""
    yield number("frameworks", METHOD, len(found.frameworks), bounds.frameworks, yaml_place(path, "frameworks"))
    yield complete_frameworks(found, bounds.field_words_min, path)
    yield enough_patterns(found, taxonomy, bounds.patterns_min, path)
    for kind, wanted in (("always", bounds.always), ("never", bounds.never)):
        n = len(getattr(found.anchors, kind))
        yield number(f"anchors, {kind}", ANCHORS, n, wanted, yaml_place(path, "anchors", kind))
    yield verbs_first(found, path)
    yield distinct_anchors(found, bounds.anchor_overlap_max, path)
    n_modes = len(found.failure_modes)
    yield number("failure modes", FAILURES, n_modes, bounds.failure_modes, yaml_place(path, "failure_modes"))
    yield complete_failure_modes(found, path)


def complete_frameworks(found: Frameworks, field_words_min: int, path: str) -> Check:
    """Each framework says what it does, when to use it and when not, and shows it in a snippet."""
    faults = []
    for index, framework in enumerate(found.frameworks):
        for field in ("technique", "use_when", "not_when"):
            n = len(words(getattr(framework, field)))
            if n < field_words_min:
                what = f"{framework.name}: {field} has {n} words, wanted {field_words_min} or more"
                faults.append(Fault(what, yaml_place(path, "frameworks", index, field)))
    n_snippets = sum(len(f.snippets) for f in found.frameworks)
    evidence = f"{len(found.frameworks)} with technique, use_when, not_when; {n_snippets} snippets, one or more each"
    return faultless("frameworks complete", METHOD, faults, evidence, yaml_place(path, "frameworks"))


def enough_patterns(found: Frameworks, taxonomy: Taxonomy, patterns_min: int, path: str) -> Check:
    """Techniques times subtopics: what conversations can be about without repeating a pattern."""
    n_subtopics = sum(len(s) for s in (*taxonomy.subtopics.values(), *taxonomy.edge_subtopics.values()))
    n = len(found.frameworks) * n_subtopics
    evidence = f"{len(found.frameworks)} techniques x {n_subtopics} subtopics = {n}, wanted {patterns_min} or more"
    return Check("patterns", METHOD, n >= patterns_min, evidence, yaml_place(path, "frameworks"))


def verbs_first(found: Frameworks, path: str) -> Check:
    """No anchor begins with an article, a pronoun, a preposition, an auxiliary, or with Always or Never itself."""
    faults = [
        Fault(f"{first!r} is no verb: {anchor[:60]}", yaml_place(path, "anchors", kind, index))
        for kind, index, anchor in _anchors(found)
        if (first := (words(anchor) or [""])[0]) in NOT_A_VERB or not first
    ]
    evidence = f"first words: {', '.join(words(anchor)[0] for _, _, anchor in _anchors(found) if words(anchor))}"
    return faultless("anchors begin with a verb", ANCHORS, faults, evidence, yaml_place(path, "anchors"))


def distinct_anchors(found: Frameworks, overlap_max: float, path: str) -> Check:
    """No two anchors say nearly the same."""
    anchors = _anchors(found)
    faults = []
    for earlier, later, shared in alike([text for _, _, text in anchors], overlap_max):
        kind, index, text = anchors[later]
        what = f"{text[:50]!r} and {anchors[earlier][2][:50]!r} share {shared:.0%} of their words"
        faults.append(Fault(f"{what}, wanted at most {overlap_max:.0%}", yaml_place(path, "anchors", kind, index)))
    n_pairs = len(anchors) * (len(anchors) - 1) // 2
    evidence = f"{n_pairs} pairs, none shares more than {overlap_max:.0%} of its words"
    return faultless("anchors distinct", ANCHORS, faults, evidence, yaml_place(path, "anchors"))


def complete_failure_modes(found: Frameworks, path: str) -> Check:
    """Each failure mode has an instance as it looks, and a counter."""
    faults = [
        Fault(f"{mode.name}: {field} is empty", yaml_place(path, "failure_modes", index, field))
        for index, mode in enumerate(found.failure_modes)
        for field in ("instance", "counter")
        if not squeeze(getattr(mode, field))
    ]
    evidence = f"{len(found.failure_modes)} with an instance and a counter"
    return faultless("failure modes complete", FAILURES, faults, evidence, yaml_place(path, "failure_modes"))


def _anchors(found: Frameworks) -> list[tuple[str, int, str]]:
    """Every anchor as (always or never, index, text)."""
    return [
        (kind, index, text) for kind in ("always", "never") for index, text in enumerate(getattr(found.anchors, kind))
    ]
