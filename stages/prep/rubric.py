"""prep-rubric: binary criteria in weighted categories with safety gates, and the phrase lists that measures count.

Written before any prompt that generates: what is good is settled first, and the prompts are then written to it.

Reads the brief, data/prep/<domain>/frameworks.yaml and answers mended by hand. Writes data/prep/<domain>/rubric.yaml.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from tunewright.checks.rubric import category_weights, na_rules
from tunewright.config import PREP_PARAMS, Bounds, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.draft_rules import check_faults, count_faults, likeness_faults, name_faults, weight_faults
from tunewright.drafting import Drafting, Expert, draft_folder, model_faults, run_drafting, write_yaml
from tunewright.errors import run_main
from tunewright.frameworks import Frameworks, load_frameworks
from tunewright.measures import STATISTICS, Lexicon, normalise
from tunewright.prompts import render
from tunewright.rubric import SAFETY, Rubric
from tunewright.sources import plain_text
from tunewright.terminal import Stage

PROMPT = "prompts/shared/draft_rubric.md"
LEXICON_PROMPT = "prompts/shared/draft_lexicon.md"


class Config(Drafting):
    """The method's numbers for a rubric, and what no model decides: the threshold and the rule for NA."""

    criteria: Bounds
    categories: Bounds
    criteria_per_category: Bounds
    category_weight: Bounds
    na_words_min: int
    gates: Bounds
    measured_min: int
    measured_weight_min: float
    pass_threshold: float
    all_na_category: Literal["leave_out", "count_full"]
    overlap_max: float
    phrases_min: dict[str, int]


class CategoryAnswer(BaseConfig):
    """A weighted category."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    weight: float = Field(gt=0, le=1)


class BoundAnswer(BaseConfig):
    """One counted statistic and its range; null leaves a side open."""

    statistic: str = Field(json_schema_extra={"enum": [*STATISTICS]})
    min: float | None
    max: float | None


class CriterionAnswer(BaseConfig):
    """One criterion; `na_when` is empty where NA is not allowed, `measure` where a judge answers."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    category: str
    question: str
    evaluator: Literal["judge", "measure"]
    na_when: str
    min_exchanges: int = Field(ge=1)
    measure: tuple[BoundAnswer, ...]


class RubricAnswer(BaseConfig):
    """The answer: what judges must know, categories and criteria."""

    background: str
    categories: tuple[CategoryAnswer, ...]
    criteria: tuple[CriterionAnswer, ...]


def rubric_faults(answer: RubricAnswer, config: Config) -> Iterator[str]:
    """Numbers, weights, phrasing, two criteria that ask the same; then whatever the rubric's own schema refuses."""
    categories, criteria = answer.categories, answer.criteria
    yield from count_faults("criteria, gates included", len(criteria), config.criteria)
    yield from count_faults("categories, safety not counted", len(categories), config.categories)
    for category in categories:
        n = sum(c.category == category.id for c in criteria)
        yield from count_faults(f"criteria of category {category.id}", n, config.criteria_per_category)
    yield from count_faults("safety gates", sum(c.category == SAFETY for c in criteria), config.gates)
    measured = sum(c.evaluator == "measure" for c in criteria)
    yield from count_faults("criteria with evaluator measure", measured, Bounds(min=config.measured_min))
    yield from name_faults("categories", [c.id for c in categories])
    yield from name_faults("criteria", [c.id for c in criteria])
    yield from weight_faults("categories", {c.id: c.weight for c in categories})
    if any(c.id == SAFETY for c in categories):
        yield f"categories: leave {SAFETY!r} out; it holds the gates and has no weight"
    yield from measured_weight_faults(answer, config)
    for criterion in criteria:
        if criterion.category != SAFETY and " avoid" in criterion.question.lower():
            yield f"{criterion.id}: asks for an absence; outside safety ask whether something is there"
        yield from name_faults(f"measure of {criterion.id}", [b.statistic for b in criterion.measure])
    yield from likeness_faults("questions", [c.question for c in criteria], config.overlap_max)
    value = as_file(answer, Lexicon(), config)
    if faults := model_faults(Rubric, value):
        yield from faults
        return
    rubric, at = Rubric.model_validate(value), "rubric.yaml"
    yield from check_faults([category_weights(rubric, config.category_weight, at)])
    yield from check_faults([na_rules(rubric, config.na_words_min, at)])


def measured_weight_faults(answer: RubricAnswer, config: Config) -> Iterator[str]:
    """Whether enough of the score is measured to decide something while no judge is trusted yet."""
    in_category = Counter(c.category for c in answer.criteria)
    measured = Counter(c.category for c in answer.criteria if c.evaluator == "measure")
    weight = sum(c.weight * measured[c.id] / in_category[c.id] for c in answer.categories if in_category[c.id])
    if weight < config.measured_weight_min - 1e-9:
        yield (
            f"measured criteria hold {weight:.0%} of the weight, wanted {config.measured_weight_min:.0%} or more "
            "(a category's weight is split evenly over its criteria)"
        )


def lexicon_faults(lexicon: Lexicon, config: Config) -> Iterator[str]:
    """Lists that are too short, and phrases in a form that is never matched."""
    for name, n in config.phrases_min.items():
        phrases: tuple[str, ...] = getattr(lexicon, name)
        yield from count_faults(name, len(set(phrases)), Bounds(min=n))
        for phrase in phrases:
            if not phrase.strip() or phrase != normalise(phrase):
                yield f"{name}: {phrase!r} is never matched; write it as {normalise(phrase)!r}"


def as_file(answer: RubricAnswer, lexicon: Lexicon, config: Config) -> dict[str, Any]:
    """The answer in the shape of rubric.yaml, gates first."""
    ordered = sorted(answer.criteria, key=lambda c: c.category != SAFETY)
    return {
        "pass_threshold": config.pass_threshold,
        "all_na_category": config.all_na_category,
        "background": answer.background.strip() or None,
        "categories": {c.id: {"title": c.title, "weight": c.weight} for c in answer.categories},
        "criteria": [criterion_in_file(c) for c in ordered],
        "lexicon": lexicon.model_dump(),
    }


def criterion_in_file(criterion: CriterionAnswer) -> dict[str, Any]:
    """A criterion in the shape of rubric.yaml."""
    bounds = {b.statistic: {"min": b.min, "max": b.max} for b in criterion.measure}
    return criterion.model_dump(exclude={"na_when", "measure"}) | {
        "na_allowed": bool(criterion.na_when.strip()),
        "na_when": criterion.na_when.strip() or None,
        "gate": criterion.category == SAFETY,
        "measure": bounds or None,
    }


async def rubric(expert: Expert, config: Config, brief: str, frameworks: Frameworks) -> Rubric:
    """Criteria first, then the phrases that give a chat model away in this domain."""
    material = {"config": config, "brief": brief, "frameworks": frameworks}
    messages = render(PROMPT, statistics=STATISTICS, **material)
    answer = await expert.draft("criteria", messages, RubricAnswer, lambda a: rubric_faults(a, config))
    messages = render(LEXICON_PROMPT, **material)
    lexicon = await expert.draft("lexicon", messages, Lexicon, lambda a: lexicon_faults(a, config))
    return Rubric.model_validate(as_file(answer, lexicon, config))


def main() -> None:
    """Draft the rubric."""
    stage = Stage("prep-rubric")
    config, domain = load("prep.rubric", Config, PREP_PARAMS), load_domain(PREP_PARAMS)
    frameworks = load_frameworks(str(draft_folder(domain) / "frameworks.yaml"))
    brief = plain_text(domain.brief)
    stage.start(f"{domain.id}, {config.criteria} criteria in {config.categories} categories")
    found, tally = run_drafting(config, domain, stage.address, lambda e: rubric(e, config, brief, frameworks))
    comment = f"What a good conversation is in {domain.id}. The lexicon is lower case, matched on word boundaries."
    write_yaml(draft_folder(domain) / "rubric.yaml", found, comment)
    measured = sum(c.evaluator == "measure" for c in found.criteria)
    stage.end(f"{len(found.criteria)} criteria, {measured} measured, {len(found.gates)} gates; {tally}")


if __name__ == "__main__":
    run_main(main)
