"""Checks of the assistant's prompt, the long one that generates: what it rests on is in it, word for word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tunewright.checks.checklist import Check, Fault, Level, Place, faultless, number, yaml_place
from tunewright.checks.prompts import check_template, facts
from tunewright.checks.text import content_words, line_with, nearest_line, squeeze
from tunewright.config import Bounds, Config, Domain
from tunewright.conversation import assistant_variables
from tunewright.exemplars import Exemplar, checked_against, exemplars, stamp
from tunewright.frameworks import Frameworks
from tunewright.prompts import render
from tunewright.rubric import Rubric
from tunewright.verdict_rules import failed_measures

METHOD = "METHOD 1: generation prompt"
SECTION = re.compile(r"^\W*(always|never)\W*$", re.IGNORECASE)
NUMBER = r"(?:\d[\d.,]*|one|two|three|four|five|six|once|twice|half)"
LENGTH_RULE = re.compile(
    rf"\b{NUMBER}(?: (?:to|or) {NUMBER})?(?: \w+)? (?:times|words|sentences)"
    r"|\btwice as long|\bas many words as|\bas long as the message",
    re.IGNORECASE,
)
QUESTION_RULE = re.compile(r"\b(?:one|a single|two|\d) questions?\b", re.IGNORECASE)
OUTPUT = re.compile(r"\b(?:only|nothing else|nothing but)\b", re.IGNORECASE)


class AssistantBounds(Config):
    """How many exemplars, how much of a framework is recognisable, and what an unchecked prompt means."""

    exemplars: Bounds
    framework_words_min: int
    stale_prompt: Level


def check_assistant_prompt(
    path: str, domain: Domain, frameworks: Frameworks, rubric: Rubric, bounds: AssistantBounds
) -> Iterator[Check]:
    """Role, frameworks, anchors and counters embedded, exemplars that pass, output format, the rubric's stamp."""
    template = check_template(path, ("system",), [dict(assistant_variables(domain))])
    yield template
    if not template.passed:
        return
    text = render(path, **assistant_variables(domain))[0]["content"]
    begins = line_with(path, re.escape(text.split("\n", 1)[0][:40]))
    role = ("assistant: role", METHOD, text.startswith("You "), "begins with who the assistant is", begins)
    yield from facts([role])
    yield from facts(_rules(path, text), "warning")
    yield grounded(text, frameworks, bounds.framework_words_min, path, domain.frameworks)
    yield embedded("assistant: every anchor", path, text, anchor_sources(frameworks, domain.frameworks))
    yield embedded("assistant: every counter", path, text, counter_sources(frameworks, domain.frameworks))
    yield anchors_in_place(text, frameworks, path)
    yield from check_exemplar_pieces(exemplars(text), rubric, bounds.exemplars, path)
    yield check_stamp(path, rubric, bounds.stale_prompt)


def _rules(path: str, text: str) -> Iterator[tuple[str, str, bool, str, Place]]:
    """Rules that can be worded in more ways than these patterns know: warnings."""
    rules = "METHOD 3: assistant"
    last = (text.splitlines() or [""])[-1]
    for name, pattern in (("length", LENGTH_RULE), ("question", QUESTION_RULE)):
        found = pattern.search(text)
        what = found[0] if found else f"a sentence with the {name} rule of a reply and its number"
        place = line_with(path, re.escape(found[0])) if found else Place(path, 1)
        yield f"assistant: {name} rule", rules, bool(found), what, place
    place = line_with(path, re.escape(last[:40]))
    yield "assistant: output format", METHOD, bool(OUTPUT.search(last)), f"a last line such as: {last[:80]}", place


def anchor_sources(frameworks: Frameworks, path: str) -> list[tuple[str, Place]]:
    """Every anchor with its place in frameworks.yaml."""
    kinds = {"always": frameworks.anchors.always, "never": frameworks.anchors.never}
    return [(s, yaml_place(path, "anchors", kind, n)) for kind, found in kinds.items() for n, s in enumerate(found)]


def counter_sources(frameworks: Frameworks, path: str) -> list[tuple[str, Place]]:
    """Every failure mode's counter with its place in frameworks.yaml."""
    modes = frameworks.failure_modes
    return [(mode.counter, yaml_place(path, "failure_modes", n, "counter")) for n, mode in enumerate(modes)]


def embedded(name: str, path: str, text: str, sources: Sequence[tuple[str, Place]]) -> Check:
    """Whether every sentence stands in the prompt as the model reads it, word for word but for line breaks."""
    whole = squeeze(text)
    faults = [
        Fault(
            f"{sentence!r} ({place}) is not in the prompt; its nearest line is this one", nearest_line(path, sentence)
        )
        for sentence, place in sources
        if squeeze(sentence) not in whole
    ]
    return faultless(name, METHOD, faults, f"all {len(sources)} stand word for word in the prompt", Place(path))


def anchors_in_place(text: str, frameworks: Frameworks, path: str) -> Check:
    """An ALWAYS anchor under "Never" says the opposite: each stands under the heading of its own kind."""
    section, n_items, at = "", 0, {}
    for line in text.splitlines():
        if heading := SECTION.match(line):
            section, n_items = heading[1].lower(), 0
        elif line.strip():
            n_items += 1
            at[squeeze(line).lstrip("-*0123456789. ")] = section
        elif n_items:
            section = ""  # a blank line after its items ends a section
    faults = []
    for kind in ("always", "never"):
        for anchor in getattr(frameworks.anchors, kind):
            if (found := at.get(squeeze(anchor))) is not None and found != kind:
                what = f"{anchor[:60]!r} stands under {found.title() or 'no heading'!r}, wanted {kind.title()!r}"
                faults.append(Fault(what, nearest_line(path, anchor)))
    return faultless("assistant: anchors under their heading", METHOD, faults, "Always and Never", Place(path))


def grounded(text: str, frameworks: Frameworks, words_min: int, path: str, source: str) -> Check:
    """Whether the prompt speaks of each framework at all: it shares some content words with its description."""
    said = content_words(text)
    faults = []
    for index, f in enumerate(frameworks.frameworks):
        shared = content_words(f"{f.name} {f.technique} {f.use_when}") & said
        if len(shared) < words_min:
            what = f"{f.name} ({yaml_place(source, 'frameworks', index)}) shares {len(shared)} words with the prompt"
            faults.append(Fault(f"{what}, wanted {words_min} or more", Place(path, 1)))
    evidence = f"each of {len(frameworks.frameworks)} shares {words_min} or more content words with the prompt"
    return faultless("assistant: frameworks", METHOD, faults, evidence, Place(path), level="warning")


def check_exemplar_pieces(found: Sequence[Exemplar], rubric: Rubric, wanted: Bounds, path: str) -> Iterator[Check]:
    """How many, each with a why, and none that a measured criterion fails (those that its length allows)."""
    first = line_with(path, "^User:")
    yield number("assistant: exemplars", METHOD, len(found), wanted, first)
    faults = [
        Fault(f"no {missing}: line in this exemplar", _place(path, one))
        for one in found
        for missing, there in (("Assistant", one.exchanges), ("Why", one.why))
        if not there
    ]
    yield faultless("assistant: exemplars annotated", METHOD, faults, "each has a reply and ends in a Why: line", first)
    faults = [
        Fault(f"fails {criterion}: {why}", _place(path, one))
        for one in found
        for criterion, why in failed_measures(one.exchanges, rubric).items()
    ]
    evidence = f"{len(found)} pass every measured criterion that their length allows"
    yield faultless("assistant: exemplars pass", METHOD, faults, evidence, first)


def _place(path: str, one: Exemplar) -> Place:
    return line_with(path, re.escape(one.opening[:40]))


def check_stamp(path: str, rubric: Rubric, level: Level) -> Check:
    """Evaluation before generation: the prompt says which rubric a person last checked it against."""
    wanted, found = stamp(rubric).strip(), checked_against(Path(path).read_text("utf-8"))
    if found == rubric.fingerprint:
        return Check("assistant: checked against this rubric", "METHOD 1: order", True, wanted, Place(path, 1), level)
    other = f"checked against rubric {found}, and the rubric has other criteria now" if found else "never checked"
    evidence = f"{other}; read both, mend the prompt, then write: {wanted}"
    return Check("assistant: checked against this rubric", "METHOD 1: order", False, evidence, Place(path, 1), level)
