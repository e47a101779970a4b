"""prep-taxonomy: who writes, about what and how, as weighted dimensions that personas are sampled from.

Reads the brief, data/prep/<domain>/frameworks.yaml and answers mended by hand. Writes data/prep/<domain>/taxonomy.yaml.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from tunewright.config import PREP_PARAMS, Bounds, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.draft_rules import count_faults, missing_faults, name_faults, weight_faults
from tunewright.drafting import Drafting, Expert, draft_folder, model_faults, run_drafting, write_yaml
from tunewright.errors import run_main
from tunewright.frameworks import Frameworks, load_frameworks
from tunewright.personas import REQUIRED_DIMENSIONS, Taxonomy
from tunewright.prompts import render
from tunewright.sources import plain_text
from tunewright.terminal import Stage

PROMPT = "prompts/shared/draft_taxonomy.md"


class Config(Drafting):
    """The method's numbers for a taxonomy."""

    styles: dict[str, Bounds]
    values: Bounds
    subtopics_min: int
    difficulties: Bounds
    edge_kinds: Bounds
    edge_subtopics_min: int
    edge_share: float


class Value(BaseConfig):
    """One value of a dimension and its share (0 to 1)."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    weight: float = Field(gt=0, le=1)


class Theme(Value):
    """A topic or a kind of edge case, with what it can be about."""

    subtopics: tuple[str, ...]


class TaxonomyAnswer(BaseConfig):
    """The answer: dimensions as lists."""

    topic: tuple[Theme, ...]
    style: tuple[Value, ...]
    context: tuple[Value, ...]
    stance: tuple[Value, ...]
    presentation: tuple[Value, ...]
    difficulty: tuple[Value, ...]
    edge_cases: tuple[Theme, ...]


def taxonomy_faults(answer: TaxonomyAnswer, config: Config) -> Iterator[str]:
    """Numbers, names given twice, weights, subtopics; then whatever the taxonomy's own schema refuses."""
    wanted = {name: config.values for name in REQUIRED_DIMENSIONS if name != "style"}
    wanted |= {"difficulty": config.difficulties, "edge_cases": config.edge_kinds}
    for name, bounds in wanted.items():
        yield from count_faults(name, len(getattr(answer, name)), bounds)
    for name in ("style", *wanted):
        values: Sequence[Value] = getattr(answer, name)
        yield from name_faults(name, [v.name for v in values])
        yield from weight_faults(name, weights(values))
    yield from missing_faults("style", [v.name for v in answer.style], config.styles)
    for themes, n in ((answer.topic, config.subtopics_min), (answer.edge_cases, config.edge_subtopics_min)):
        for theme in themes:
            yield from count_faults(f"subtopics of {theme.name}", len(set(theme.subtopics)), Bounds(min=n))
    yield from model_faults(Taxonomy, as_file(answer, config))


def as_file(answer: TaxonomyAnswer, config: Config) -> dict[str, Any]:
    """The answer in the shape of taxonomy.yaml."""
    return {
        "dimensions": {name: weights(getattr(answer, name)) for name in REQUIRED_DIMENSIONS},
        "difficulty": weights(answer.difficulty),
        "edge_cases": {"share": config.edge_share, "kinds": weights(answer.edge_cases)},
        "subtopics": {t.name: t.subtopics for t in answer.topic},
        "edge_subtopics": {t.name: t.subtopics for t in answer.edge_cases},
    }


def weights(values: Sequence[Value]) -> dict[str, float]:
    """Values as a mapping from name to weight."""
    return {v.name: v.weight for v in values}


async def taxonomy(expert: Expert, config: Config, brief: str, frameworks: Frameworks) -> Taxonomy:
    """The whole taxonomy: one answer, so that its dimensions fit together."""
    messages = render(PROMPT, config=config, brief=brief, frameworks=frameworks)
    answer = await expert.draft("taxonomy", messages, TaxonomyAnswer, lambda a: taxonomy_faults(a, config))
    return Taxonomy.model_validate(as_file(answer, config))


def main() -> None:
    """Draft the taxonomy."""
    stage = Stage("prep-taxonomy")
    config, domain = load("prep.taxonomy", Config, PREP_PARAMS), load_domain(PREP_PARAMS)
    frameworks = load_frameworks(str(draft_folder(domain) / "frameworks.yaml"))
    brief = plain_text(domain.brief)
    stage.start(f"{domain.id}, {len(REQUIRED_DIMENSIONS)} dimensions, difficulty and edge cases")
    found, tally = run_drafting(config, domain, stage.address, lambda e: taxonomy(e, config, brief, frameworks))
    comment = f"Who writes in {domain.id}, about what, and how: the shares that personas are sampled by."
    write_yaml(draft_folder(domain) / "taxonomy.yaml", found, comment)
    n_subtopics = sum(len(subtopics) for subtopics in found.subtopics.values())
    stage.end(f"{len(found.subtopics)} topics with {n_subtopics} subtopics; {tally}")


if __name__ == "__main__":
    run_main(main)
