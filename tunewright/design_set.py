"""A domain's design as a set of files: where each belongs, how it is read, and what must agree between them.

The same set is drafted into data/prep/<domain>/, criticised there, and adopted into conf/ and prompts/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tunewright.calibration import Calibration, load_calibration
from tunewright.checks.worked import check_worked
from tunewright.config import Domain
from tunewright.conversation import AssistantVariables
from tunewright.draft_rules import check_faults
from tunewright.errors import ConfigError
from tunewright.exemplars import checked_against, exemplar_faults, exemplars, stamp
from tunewright.frameworks import Frameworks, load_frameworks
from tunewright.guidance import SimulatorVariables
from tunewright.personas import PersonaTemplate, Taxonomy, load_taxonomy, load_template
from tunewright.prompts import PROMPT_ROLES, roles, variables
from tunewright.rubric import Rubric, load_rubric

LOADERS: Mapping[str, Callable[[str], Any]] = {
    "frameworks.yaml": load_frameworks,
    "taxonomy.yaml": load_taxonomy,
    "rubric.yaml": load_rubric,
    "calibration.yaml": load_calibration,
    "personas.yaml": load_template,
}
PROMPT_VARIABLES = {  # what the code gives to each prompt that a domain writes
    "assistant.md": AssistantVariables.__annotations__.keys(),
    "system.md": AssistantVariables.__annotations__.keys(),
    "user_simulator.md": SimulatorVariables.__annotations__.keys(),
}
PROMPTS = tuple(PROMPT_VARIABLES)
FILES = (*LOADERS, *PROMPTS)


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
    for criterion in design.rubric.criteria:
        for number, example in enumerate(design.calibration.examples.get(criterion.id, ()), 1):
            if example.exchanges and (n := len(example.exchanges)) < criterion.min_exchanges:
                needed = f"{criterion.id} needs {criterion.min_exchanges} exchanges"
                yield f"rubric.yaml and calibration.yaml: {needed}, its example {number} has {n}"
    if all(set(worked.findings) == known for worked in design.calibration.worked):
        checks = check_worked(design.calibration, design.rubric, optional=True, path="calibration.yaml")
        yield from (f"calibration.yaml: {fault}" for fault in check_faults(checks))
    styles = set(design.taxonomy.dimensions["style"])
    for style in sorted(styles ^ set(design.personas.styles)):
        yield f"taxonomy.yaml and personas.yaml: style {style} is in only one of them"
    for style in sorted({s for band in design.personas.ages for s in band.styles} - styles):
        yield f"personas.yaml: ages give a weight to style {style}, which taxonomy.yaml does not have"


def _prompt_disagreements(design: Design) -> Iterator[str]:
    if (found := checked_against(design.assistant)) != design.rubric.fingerprint:
        yield (
            f"assistant.md: was checked against rubric {found or 'none'}, rubric.yaml is "
            f"{design.rubric.fingerprint}; read the prompt against "
            f"the criteria and make its first line {stamp(design.rubric).strip()}"
        )
    anchors, modes = design.frameworks.anchors, design.frameworks.failure_modes
    for sentence in dict.fromkeys([*anchors.always, *anchors.never, *(mode.counter for mode in modes)]):
        if sentence not in design.assistant:
            yield f"assistant.md: does not say, word for word: {sentence}"
    for exemplar in exemplars(design.assistant):
        yield from (f"assistant.md: {fault}" for fault in exemplar_faults(exemplar.exchanges, design.rubric))
