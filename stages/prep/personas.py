"""prep-personas: how a sampled point of the taxonomy becomes a person: manners, human habits, ages, names.

The numbers (word limits, probabilities, weights) are the method's and stand in conf/; the model writes the sentences.

Reads the brief, data/prep/<domain>/taxonomy.yaml and answers mended by hand. Writes data/prep/<domain>/personas.yaml.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from tunewright.checks.checklist import Place
from tunewright.checks.people import style_drift
from tunewright.config import PREP_PARAMS, Bounds, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.draft_rules import check_faults, count_faults, line_faults, missing_faults, name_faults
from tunewright.drafting import Drafting, Expert, draft_folder, model_faults, run_drafting, write_yaml
from tunewright.errors import run_main
from tunewright.personas import PersonaTemplate, Taxonomy, load_taxonomy
from tunewright.prompts import render
from tunewright.sources import plain_text
from tunewright.terminal import Stage

PROMPT = "prompts/shared/draft_personas.md"


class FlawNumbers(BaseConfig):
    """How often habits show."""

    none_share: float
    primary_probability: float
    secondary_probability: float
    max_secondary: int


class Config(Drafting):
    """The method's numbers for personas."""

    styles: dict[str, Bounds]
    flaws: FlawNumbers
    flaw_kinds: Bounds
    trajectory: dict[str, float]
    topic_seeds: Bounds
    complexity: dict[str, float]
    names: Bounds
    age_bands: Bounds
    style_drift_max: float


class Sentence(BaseConfig):
    """A name and what it means, in words that a model can act on."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    text: str = Field(min_length=10)


class Factor(BaseConfig):
    """How much more or less often than usual (1.0) an age writes in a style."""

    style: str
    factor: float = Field(gt=0)


class Band(BaseConfig):
    """Ages in years."""

    min: int = Field(ge=13)
    max: int = Field(le=110)
    weight: float = Field(gt=0, le=1)
    styles: tuple[Factor, ...]


class PersonasAnswer(BaseConfig):
    """The answer: sentences, ages and names."""

    manners: tuple[Sentence, ...]
    flaws: tuple[Sentence, ...]
    trajectories: tuple[Sentence, ...]
    ages: tuple[Band, ...]
    names: tuple[str, ...]


def persona_faults(answer: PersonasAnswer, taxonomy: Taxonomy, config: Config) -> Iterator[str]:
    """What is missing or too much; then whatever the template's own schema refuses."""
    styles = taxonomy.dimensions["style"]
    yield from missing_faults("manners", [m.name for m in answer.manners], styles)
    yield from missing_faults("trajectories", [t.name for t in answer.trajectories], config.trajectory)
    yield from count_faults("flaws", len(answer.flaws), config.flaw_kinds)
    yield from count_faults("names", len(set(answer.names)), config.names)
    yield from count_faults("ages", len(answer.ages), config.age_bands)
    for what, sentences in (
        ("manners", answer.manners),
        ("flaws", answer.flaws),
        ("trajectories", answer.trajectories),
    ):
        yield from name_faults(what, [s.name for s in sentences])
        yield from line_faults(what, [s.text for s in sentences])
    yield from line_faults("names", answer.names)
    for band in answer.ages:
        yield from missing_faults(f"styles of ages {band.min} to {band.max}", [f.style for f in band.styles], styles)
    value = as_file(answer, config)
    if faults := model_faults(PersonaTemplate, value):
        yield from faults
    elif set(value["styles"]) == set(styles):
        drawn = PersonaTemplate.model_validate(value)
        yield from check_faults([style_drift(taxonomy, drawn, config.style_drift_max, Place("personas.yaml"))])


def as_file(answer: PersonasAnswer, config: Config) -> dict[str, Any]:
    """The answer and the method's numbers in the shape of personas.yaml."""
    manners = {m.name: m.text for m in answer.manners}
    return {
        "styles": {  # in the method's order, from short to long
            name: {"min_words": words.min, "max_words": words.max, "manner": manners[name]}
            for name, words in config.styles.items()
            if name in manners
        },
        "flaws": config.flaws.model_dump() | {"kinds": {f.name: f.text for f in answer.flaws}},
        "trajectory": {
            t.name: {"weight": config.trajectory.get(t.name, 0.0), "text": t.text} for t in answer.trajectories
        },
        "topic_seeds": config.topic_seeds.model_dump(),
        "complexity": config.complexity,
        "ages": [b.model_dump() | {"styles": {f.style: f.factor for f in b.styles}} for b in answer.ages],
        "names": answer.names,
    }


async def template(expert: Expert, config: Config, brief: str, taxonomy: Taxonomy) -> PersonaTemplate:
    """The whole template: one answer."""
    messages = render(PROMPT, config=config, brief=brief, taxonomy=taxonomy)
    answer = await expert.draft("personas", messages, PersonasAnswer, lambda a: persona_faults(a, taxonomy, config))
    return PersonaTemplate.model_validate(as_file(answer, config))


def main() -> None:
    """Draft the persona template."""
    stage = Stage("prep-personas")
    config, domain = load("prep.personas", Config, PREP_PARAMS), load_domain(PREP_PARAMS)
    taxonomy = load_taxonomy(str(draft_folder(domain) / "taxonomy.yaml"))
    brief = plain_text(domain.brief)
    stage.start(f"{domain.id}, styles {', '.join(taxonomy.dimensions['style'])}")
    found, tally = run_drafting(config, domain, stage.address, lambda e: template(e, config, brief, taxonomy))
    comment = f"How a sampled point of the taxonomy of {domain.id} becomes a person. Limits are words per message."
    write_yaml(draft_folder(domain) / "personas.yaml", found, comment)
    stage.end(f"{len(found.flaws.kinds)} flaws, {len(found.names)} names; {tally}")


if __name__ == "__main__":
    run_main(main)
