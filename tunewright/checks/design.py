"""A domain's whole design against the method's checklist: what is read, and every check of it, by subject.

Every check has a name, the line of the method that it comes from, what was found, and the line to edit. A file that
does not read hides only the checks that need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from tunewright.authored import load_authored
from tunewright.calibration import Calibration, Planted, load_calibration, load_planted
from tunewright.checks.assistant_prompt import AssistantBounds, check_assistant_prompt
from tunewright.checks.calibration import CalibrationBounds, check_calibration
from tunewright.checks.checklist import Check, Place, read, yaml_place
from tunewright.checks.exemplars import check_exemplars
from tunewright.checks.foundations import FoundationBounds, check_foundations
from tunewright.checks.generation import GenerationBounds, Slices, check_generation
from tunewright.checks.judge_prompt import check_judge_prompt
from tunewright.checks.people import PeopleBounds, check_people
from tunewright.checks.planted import PlantedBounds, check_planted
from tunewright.checks.prompts import check_brief, check_placeholders, check_system_length, check_template
from tunewright.checks.rubric import RubricBounds, check_rubric
from tunewright.checks.user_simulator import check_user_simulator
from tunewright.checks.worked import check_worked
from tunewright.config import CONF, Bounds, Domain
from tunewright.config import Config as BaseConfig
from tunewright.conversation import assistant_variables
from tunewright.frameworks import Frameworks, load_frameworks
from tunewright.guidance import Guidance
from tunewright.personas import PersonaTemplate, Taxonomy, load_taxonomy, load_template
from tunewright.records import Persona, Transcript
from tunewright.rubric import Rubric, load_rubric

SHARED_PROMPTS = Path("prompts/shared")
T = TypeVar("T")


class Texts(BaseConfig):
    """The numbers on the brief and the short system prompt."""

    brief_words_min: int
    tokens_per_word: float
    system_share_max: float


class Config(BaseConfig):
    """The checklist's numbers, by subject, and the params of other stages that it looks at."""

    foundations: FoundationBounds
    rubric: RubricBounds
    people: PeopleBounds
    texts: Texts
    assistant: AssistantBounds
    calibration: CalibrationBounds
    planted: PlantedBounds
    generation: GenerationBounds
    exemplars_min: int
    exchanges: Bounds
    guidance: Guidance
    slices: Slices
    seed: int


class Design(NamedTuple):
    """A domain's design as read; None for a file that does not read, of which `reading` then tells."""

    domain: Domain
    frameworks: Frameworks | None
    taxonomy: Taxonomy | None
    template: PersonaTemplate | None
    rubric: Rubric | None
    calibration: Calibration | None
    planted: Planted | None
    authored: tuple[list[Persona], list[Transcript]] | None
    reading: list[Check]


def read_design(domain: Domain) -> Design:
    """Every file of the design, each on its own."""
    reading: list[Check] = []

    def one(name: str, method: str, path: str, load: Callable[[str], T]) -> T | None:
        value, check = read(name, method, path, partial(load, path))
        reading.append(check)
        return value

    return Design(
        domain=domain,
        frameworks=one("frameworks", "METHOD 1: frameworks", domain.frameworks, load_frameworks),
        taxonomy=one("taxonomy", "METHOD 2: taxonomy", domain.taxonomy, load_taxonomy),
        template=one("personas", "METHOD 2: personas", domain.personas, load_template),
        rubric=one("rubric", "METHOD 1: rubric", domain.rubric, load_rubric),
        calibration=one("calibration", "METHOD 2: rubric", domain.calibration, load_calibration),
        planted=one("planted flaws", "METHOD 3: assessment", domain.planted, load_planted),
        authored=one("authored", "METHOD 1: exemplars", domain.authored, lambda _: load_authored(domain)),
        reading=reading,
    )


def checklist(design: Design, config: Config) -> dict[str, list[Check]]:
    """All checks by subject; a subject is left out when a file that it needs does not read."""
    return {title: list(checks) for title, checks in _subjects(design, config)}


def _subjects(d: Design, config: Config) -> Iterator[tuple[str, Iterator[Check]]]:
    domain = d.domain
    yield "Files", iter(d.reading)
    if d.frameworks and d.taxonomy:
        checks = check_foundations(d.frameworks, d.taxonomy, config.foundations, domain.frameworks)
        yield "Frameworks, anchors, failure modes", checks
    if d.rubric:
        yield "Rubric", check_rubric(d.rubric, config.rubric, config.exchanges, domain.rubric)
    if d.taxonomy and d.template:
        paths = (domain.taxonomy, domain.personas)
        yield "People", check_people(d.taxonomy, d.template, config.people, config.seed, paths)
    yield "Prompts", check_texts(domain, config)
    if d.rubric:
        yield "Judge's prompt", check_judge_prompt(str(SHARED_PROMPTS / "judge.md"), d.rubric)
    if d.frameworks and d.rubric:
        path = f"{domain.prompts}/assistant.md"
        checks = check_assistant_prompt(path, domain, d.frameworks, d.rubric, config.assistant)
        yield "Assistant's prompt", checks
    if d.taxonomy and d.template:
        path, days = f"{domain.prompts}/user_simulator.md", domain.days_between_exchanges
        checks = check_user_simulator(path, d.taxonomy, d.template, config.guidance, days, config.seed)
        yield "User simulator", checks
    if d.rubric and d.authored:
        yield from _labelled(d, d.rubric, *d.authored, config)
    checks = check_generation(config.guidance, config.exchanges, config.slices, config.generation, conf_places())
    yield "Generation", checks


def _labelled(
    d: Design, rubric: Rubric, people: list[Persona], transcripts: list[Transcript], config: Config
) -> Iterator[tuple[str, Iterator[Check]]]:
    optional = config.exemplars_min == 0
    path = f"{d.domain.authored}/transcripts.jsonl"
    bounds = (config.generation.exchanges, config.people.edge_case_share)
    yield "Authored conversations", check_exemplars(people, transcripts, rubric, config.exemplars_min, *bounds, path)
    if d.calibration:
        at = d.domain.calibration
        yield "Calibration", check_calibration(d.calibration, rubric, transcripts, config.calibration, optional, at)
        yield "Worked evaluations", check_worked(d.calibration, rubric, optional, at)
    if d.planted:
        at = d.domain.planted
        yield "Planted flaws", check_planted(d.planted, rubric, transcripts, config.planted, optional, at)


def check_texts(domain: Domain, config: Config) -> Iterator[Check]:
    """The brief, placeholders in every prompt, and the short system prompt."""
    yield check_brief(domain.brief, config.texts.brief_words_min)
    folders = (Path(domain.prompts), SHARED_PROMPTS)
    yield check_placeholders([domain.brief, *(str(path) for folder in folders for path in folder.glob("*.md"))])
    system = f"{domain.prompts}/system.md"
    template = check_template(system, ("system",), [dict(assistant_variables(domain))])
    yield template
    if template.passed:
        texts = config.texts
        limits = (texts.tokens_per_word, config.slices.max_tokens, texts.system_share_max)
        yield check_system_length(system, *limits)


def conf_places() -> dict[str, Place]:
    """Where the params of other stages stand in conf/."""
    transcripts, slices = ("generate", "transcripts"), ("generate", "slices")
    keys = {
        **{k: (*transcripts, "guidance", k) for k in ("responses", "early_share", "late_share")},
        "exchanges": (*transcripts, "exchanges"),
        **{k: (*slices, k) for k in ("first_exchange", "gap", "max_tokens")},
    }
    return {key: yaml_place(str(CONF / "config.yaml"), *path) for key, path in keys.items()}
