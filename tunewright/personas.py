"""Personas: sampled from the taxonomy and the persona template, one independent draw per dimension.

Each persona has a random generator of its own, seeded by its number, so that asking for ten more leaves the first
ones as they were.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, model_validator

from tunewright.config import Bounds, Config, load_file
from tunewright.errors import ConfigError
from tunewright.records import Flaw, Persona, TopicSeed, stable_seed

WEIGHT_TOLERANCE = 1e-6
NONE = "none"
REQUIRED_DIMENSIONS = ("topic", "style", "context", "stance", "presentation")


Weight = Annotated[float, Field(ge=0)]


class EdgeCases(Config):
    """How many personas are edge cases, and of which kinds (weights sum to 1)."""

    share: float = Field(ge=0, le=1)
    kinds: dict[str, float]


class Taxonomy(Config):
    """All of taxonomy.yaml: weights per value of each dimension, and what topics can be about."""

    dimensions: dict[str, dict[str, float]]
    difficulty: dict[str, float]
    edge_cases: EdgeCases
    subtopics: dict[str, tuple[str, ...]]
    edge_subtopics: dict[str, tuple[str, ...]]

    @model_validator(mode="after")
    def _whole(self) -> Taxonomy:
        if missing := [d for d in REQUIRED_DIMENSIONS if d not in self.dimensions]:
            raise ValueError(f"dimensions missing: found none called {', '.join(missing)}, expected each of them")
        if strange := [d for d in self.dimensions if d not in REQUIRED_DIMENSIONS]:
            raise ValueError(f"found dimension {strange[0]!r}, expected only {', '.join(REQUIRED_DIMENSIONS)}")
        weighed = self.dimensions | {"difficulty": self.difficulty, "edge_cases.kinds": self.edge_cases.kinds}
        for name, weights in weighed.items():
            total = sum(weights.values())
            if min(weights.values(), default=0) < 0:
                raise ValueError(f"weights of {name}: found {min(weights.values()):g}, expected none below 0")
            if abs(total - 1) > WEIGHT_TOLERANCE:
                raise ValueError(f"weights of {name}: found a sum of {total:g}, expected 1")
        if len(self.dimensions["topic"]) < 2:
            raise ValueError(
                f"dimensions.topic: found {len(self.dimensions['topic'])} topics, expected two or more: a persona has "
                "things to bring up from others than its own"
            )
        if missing := [t for t in (*self.dimensions["topic"], *self.subtopics) if not self.subtopics.get(t)]:
            raise ValueError(
                f"subtopics: found none for {', '.join(dict.fromkeys(missing))}, expected some for each topic"
            )
        if missing := [k for k in self.edge_cases.kinds if not self.edge_subtopics.get(k)]:
            raise ValueError(f"edge_subtopics: found none for {', '.join(missing)}, expected some for each edge case")
        return self


class Style(Config):
    """How long and in what manner a style writes; hard limits in words per message."""

    min_words: int = Field(ge=1)
    max_words: int
    manner: str

    @model_validator(mode="after")
    def _in_order(self) -> Style:
        if self.max_words < self.min_words:
            raise ValueError(f"found max_words {self.max_words}, expected {self.min_words} (min_words) or more")
        return self


class FlawRules(Config):
    """Which human habits there are and how often they show."""

    none_share: float = Field(ge=0, le=1)
    primary_probability: float = Field(ge=0, le=1)
    secondary_probability: float = Field(ge=0, le=1)
    max_secondary: int = Field(ge=0)
    kinds: dict[str, str]

    @model_validator(mode="after")
    def _enough(self) -> FlawRules:
        if self.none_share < 1 and len(self.kinds) < 1 + self.max_secondary:
            raise ValueError(
                f"kinds: found {len(self.kinds)} kinds of flaws, expected {1 + self.max_secondary} or more: a persona "
                "may have so many (max_secondary + 1)"
            )
        return self


class Trajectory(Config):
    """One way in which the situation can move."""

    weight: float = Field(ge=0)
    text: str


class AgeBand(Config):
    """Ages in years, the band's weight, and how it bends the taxonomy's style weights."""

    min: int = Field(ge=13)
    max: int = Field(le=110)
    weight: float = Field(ge=0)
    styles: dict[str, Weight]

    @model_validator(mode="after")
    def _in_order(self) -> AgeBand:
        if self.max < self.min:
            raise ValueError(f"found max {self.max}, expected {self.min} (min) or more")
        return self


class PersonaTemplate(Config):
    """All of personas.yaml."""

    styles: dict[str, Style]
    flaws: FlawRules
    trajectory: dict[str, Trajectory]
    topic_seeds: Bounds
    complexity: dict[str, Weight]
    ages: tuple[AgeBand, ...] = Field(min_length=1)
    names: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_drawn(self) -> PersonaTemplate:
        weights = {
            "complexity": sum(self.complexity.values()),
            "ages": sum(band.weight for band in self.ages),
            "trajectory": sum(t.weight for t in self.trajectory.values()),
        }
        if empty := [name for name, total in weights.items() if total <= 0]:
            raise ValueError(f"weights of {', '.join(empty)}: found a sum of 0, expected more: nothing can be drawn")
        low, high = self.topic_seeds.min, self.topic_seeds.max
        if not (low and high and 1 <= low == int(low) and high == int(high)):
            raise ValueError(f"topic_seeds: found {self.topic_seeds}, expected min and max, both whole and 1 or more")
        return self


def load_taxonomy(path: str) -> Taxonomy:
    """Read and check a taxonomy file; raises ConfigError."""
    return load_file(path, Taxonomy)


def load_template(path: str) -> PersonaTemplate:
    """Read and check a persona template; raises ConfigError."""
    return load_file(path, PersonaTemplate)


def sample_persona(
    number: int, prefix: str, seed: int, taxonomy: Taxonomy, template: PersonaTemplate, batch: int = 0
) -> Persona:
    """Persona `number` of the sequence that `prefix` and `seed` name."""
    rng = random.Random(stable_seed(prefix, seed, number))
    edge = _draw(rng, taxonomy.edge_cases.kinds) if rng.random() < taxonomy.edge_cases.share else None
    age_band = rng.choices(template.ages, [a.weight for a in template.ages])[0]
    style_weights = bent_styles(taxonomy, age_band)
    point = {name: _draw(rng, weights) for name, weights in taxonomy.dimensions.items() if name != "style"}
    style = _draw(rng, style_weights)
    if style not in template.styles:
        raise ConfigError(
            f"personas.yaml: styles: found {', '.join(template.styles)}, expected {style!r} too, which taxonomy.yaml "
            "draws; edit one of them and run: dvc repro design-check"
        )
    limits = template.styles[style]
    return Persona(
        id=f"{prefix}-{number:04d}",
        source="sampled",
        name=rng.choice(template.names),
        age=rng.randint(age_band.min, age_band.max),
        style=style,
        difficulty=_draw(rng, taxonomy.difficulty),
        edge_case=edge,
        min_words=limits.min_words,
        max_words=limits.max_words,
        flaws=_flaws(rng, template.flaws),
        trajectory=_draw(rng, {name: t.weight for name, t in template.trajectory.items()}),
        seeds=_seeds(rng, point["topic"], edge, taxonomy, template),
        batch=batch,
        **point,
    )


def bent_styles(taxonomy: Taxonomy, band: AgeBand) -> dict[str, float]:
    """The styles' weights for people of an age; raises ConfigError where nothing could be drawn."""
    bent = {style: weight * band.styles.get(style, 1.0) for style, weight in taxonomy.dimensions["style"].items()}
    if not sum(bent.values()):
        raise ConfigError(
            f"personas.yaml: ages {band.min} to {band.max}: found a weight of 0 for every style of taxonomy.yaml, "
            "expected one above 0; edit it and run: dvc repro design-check"
        )
    return bent


def _draw(rng: random.Random, weights: Mapping[str, float]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def _flaws(rng: random.Random, rules: FlawRules) -> tuple[Flaw, ...]:
    if rng.random() < rules.none_share:
        return ()
    n_secondary = rng.randint(0, rules.max_secondary)
    primary, *others = rng.sample(sorted(rules.kinds), 1 + n_secondary)
    secondary = [Flaw(id=f, probability=rules.secondary_probability) for f in others]
    return (Flaw(id=primary, probability=rules.primary_probability), *secondary)


def _seeds(
    rng: random.Random, topic: str, edge: str | None, taxonomy: Taxonomy, template: PersonaTemplate
) -> tuple[TopicSeed, ...]:
    """4 to 6 things to bring up: an edge case first, most from the persona's own topic, one or two from others.

    Raises ConfigError when the taxonomy has fewer subtopics than that.
    """
    wanted = rng.randint(int(template.topic_seeds.min or 1), int(template.topic_seeds.max or 1))
    if wanted > (there := len({(t, s) for t, subtopics in taxonomy.subtopics.items() for s in subtopics})):
        raise ConfigError(
            f"personas.yaml: topic_seeds: found {wanted} things to bring up, expected at most {there}, as many as "
            "taxonomy.yaml has subtopics; edit one of them and run: dvc repro design-check"
        )
    found: list[tuple[str, str]] = [(edge, rng.choice(taxonomy.edge_subtopics[edge]))] if edge else []
    own = list(taxonomy.subtopics[topic])
    found += [(topic, s) for s in rng.sample(own, max(0, min(len(own), wanted - len(found) - 1)))]
    while len(found) < wanted:
        other = rng.choice([t for t in sorted(taxonomy.subtopics) if t != topic])
        candidate = (other, rng.choice(taxonomy.subtopics[other]))
        found += [candidate] if candidate not in found else []
    return tuple(TopicSeed(topic=t, subtopic=s, complexity=_draw(rng, template.complexity)) for t, s in found)


def wanted_shares(taxonomy: Taxonomy, template: PersonaTemplate) -> dict[str, dict[str, float]]:
    """The probability of each value per dimension, as `sample_persona` draws; ages bend the styles."""
    shares = {name: dict(weights) for name, weights in taxonomy.dimensions.items()}
    shares["style"] = dict.fromkeys(taxonomy.dimensions["style"], 0.0)
    ages_total = sum(band.weight for band in template.ages)
    for band in template.ages:
        bent = bent_styles(taxonomy, band)
        for style, weight in bent.items():
            shares["style"][style] += band.weight / ages_total * weight / sum(bent.values())
    shares["difficulty"] = dict(taxonomy.difficulty)
    shares["trajectory"] = {name: t.weight for name, t in template.trajectory.items()}
    edge = taxonomy.edge_cases
    shares["edge_case"] = {kind: edge.share * w for kind, w in edge.kinds.items()} | {NONE: 1 - edge.share}
    shares["flaws"] = {NONE: template.flaws.none_share, "some": 1 - template.flaws.none_share}
    return shares


def realised_shares(personas: Sequence[Persona]) -> dict[str, dict[str, float]]:
    """The share of personas (0 to 1) with each value, per dimension of `wanted_shares`."""
    values: dict[str, list[str]] = {
        name: [getattr(p, name) for p in personas] for name in (*REQUIRED_DIMENSIONS, "difficulty", "trajectory")
    }
    values["edge_case"] = [p.edge_case or NONE for p in personas]
    values["flaws"] = ["some" if p.flaws else NONE for p in personas]
    return {name: {v: n / len(found) for v, n in sorted(Counter(found).items())} for name, found in values.items()}
