"""A domain's design as a set of files: where each belongs, how it is read, and what must agree between them.

The same set is drafted into data/prep/<domain>/, criticised there, and adopted into conf/ and prompts/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tunewright.calibration import Calibration, load_calibration
from tunewright.config import Domain
from tunewright.errors import ConfigError
from tunewright.frameworks import Frameworks, load_frameworks
from tunewright.measures import measure
from tunewright.personas import PersonaTemplate, Taxonomy, load_taxonomy, load_template
from tunewright.prompts import PROMPT_ROLES, PROMPT_VARIABLES, roles, variables
from tunewright.records import Exchange, Transcript
from tunewright.rubric import Rubric, load_rubric
from tunewright.verdict_rules import measured_verdict

LOADERS: Mapping[str, Callable[[str], Any]] = {
    "frameworks.yaml": load_frameworks,
    "taxonomy.yaml": load_taxonomy,
    "rubric.yaml": load_rubric,
    "calibration.yaml": load_calibration,
    "personas.yaml": load_template,
}
PROMPTS = ("assistant.md", "system.md", "user_simulator.md")
FILES = (*LOADERS, *PROMPTS)
STAMP = re.compile(r"\A\{# checked against rubric ([0-9a-f]{12}) #\}\n")
EXEMPLAR = re.compile(r"^User: (?P<user>.+)\nAssistant: (?P<assistant>.+)\nWhy: (?P<why>.+)$", re.MULTILINE)


class Exemplar(NamedTuple):
    """A piece of good work in the assistant prompt."""

    user: str
    assistant: str
    why: str


class Design(NamedTuple):
    """The files of a set, read."""

    frameworks: Frameworks
    taxonomy: Taxonomy
    rubric: Rubric
    calibration: Calibration
    personas: PersonaTemplate
    assistant: str


def target(domain: Domain, name: str) -> Path:
    """Where a file of the set belongs once it is adopted."""
    return Path(domain.prompts) / name if name in PROMPTS else Path(getattr(domain, name.removesuffix(".yaml")))


def drafted(folder: Path, name: str) -> Path:
    """Where a file of the set is in a folder of drafts."""
    return folder / "prompts" / name if name in PROMPTS else folder / name


def stamp(rubric: Rubric) -> str:
    """The first line of an assistant prompt: the rubric that it was checked against."""
    return f"{{# checked against rubric {rubric.fingerprint} #}}\n"


def stamped(text: str, rubric: Rubric) -> str:
    """An assistant prompt with the stamp of this rubric in place of the one it has."""
    return stamp(rubric) + STAMP.sub("", text)


def exemplars(assistant: str) -> list[Exemplar]:
    """The annotated exemplars in the text of an assistant prompt."""
    return [Exemplar(**found.groupdict()) for found in EXEMPLAR.finditer(assistant)]


def file_fault(name: str, path: Path) -> str | None:
    """Why a file of the set cannot be read as what it is; None when it can."""
    try:
        if name in LOADERS:
            LOADERS[name](str(path))
            return None
        unknown, found = sorted(variables(path) - PROMPT_VARIABLES[name]), roles(path)
    except ConfigError as error:
        return str(error)
    if unknown:
        return f"{path}: unknown variables: {', '.join(unknown)}; known: {', '.join(sorted(PROMPT_VARIABLES[name]))}"
    if found != PROMPT_ROLES[name]:
        return f"{path}: messages are {', '.join(found)}, expected {', '.join(PROMPT_ROLES[name])}"
    return None


def set_faults(paths: Mapping[str, Path]) -> list[str]:
    """Every fault of a whole set, first of single files, then between them; `paths` by the names of FILES."""
    alone = [fault for name, path in paths.items() if (fault := file_fault(name, path))]
    if alone:
        return alone
    read = {name.removesuffix(".yaml"): LOADERS[name](str(paths[name])) for name in LOADERS}
    return list(disagreements(Design(**read, assistant=paths["assistant.md"].read_text("utf-8"))))


def disagreements(design: Design) -> Iterator[str]:
    """Where files that are each right do not fit together."""
    yield from _prompt_disagreements(design)
    known = {c.id for c in design.rubric.criteria}
    for criterion in sorted(set(design.calibration.examples) ^ known):
        there = "has no examples" if criterion in known else "is no criterion of rubric.yaml"
        yield f"calibration.yaml: {criterion} {there}"
    for worked in design.calibration.worked:
        if strays := sorted(set(worked.findings) ^ known):
            yield f"calibration.yaml: the findings of {worked.kind} and the criteria differ in {', '.join(strays)}"
    styles = set(design.taxonomy.dimensions["style"])
    for style in sorted(styles ^ set(design.personas.styles)):
        yield f"taxonomy.yaml and personas.yaml: style {style} is in only one of them"
    for style in sorted({s for band in design.personas.ages for s in band.styles} - styles):
        yield f"personas.yaml: ages give a weight to style {style}, which taxonomy.yaml does not have"


def _prompt_disagreements(design: Design) -> Iterator[str]:
    stamped_with = STAMP.match(design.assistant)
    if not stamped_with or stamped_with[1] != design.rubric.fingerprint:
        found = stamped_with[1] if stamped_with else "none"
        yield (
            f"assistant.md: was checked against rubric {found}, rubric.yaml is {design.rubric.fingerprint}; read the "
            f"prompt against the criteria and make its first line {stamp(design.rubric).strip()}"
        )
    anchors, modes = design.frameworks.anchors, design.frameworks.failure_modes
    for sentence in dict.fromkeys([*anchors.always, *anchors.never, *(mode.counter for mode in modes)]):
        if sentence not in design.assistant:
            yield f"assistant.md: does not say, word for word: {sentence}"
    for exemplar in exemplars(design.assistant):
        yield from (f"assistant.md: {fault}" for fault in exemplar_faults(exemplar, design.rubric))


def exemplar_faults(exemplar: Exemplar, rubric: Rubric) -> list[str]:
    """The measured criteria that an exemplar fails, of those that a single reply can be measured by."""
    exchange = Exchange(user=exemplar.user, assistant=exemplar.assistant)
    one = Transcript(
        id="exemplar", domain="", persona_id="", user_kind="authored", assistant="", user="", exchanges=(exchange,)
    )
    values = measure(one.exchanges, rubric.lexicon)
    verdicts = [
        measured_verdict(one, c, values)
        for c in rubric.criteria
        if c.evaluator == "measure" and c.min_exchanges <= len(one.exchanges)
    ]
    return [
        f"the exemplar {exemplar.assistant[:50]!r} fails {v.criterion} ({v.reasoning})"
        for v in verdicts
        if v.answer == "NO"
    ]
