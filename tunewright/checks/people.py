"""Checks of the people who write: the taxonomy, the persona template, and what a sample of them turns out to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from tunewright.checks.checklist import Check, Fault, Place, faultless, of_error, share, yaml_place
from tunewright.config import Bounds, Config
from tunewright.errors import ConfigError
from tunewright.personas import (
    REQUIRED_DIMENSIONS,
    PersonaTemplate,
    Taxonomy,
    realised_shares,
    sample_persona,
    wanted_shares,
)
from tunewright.records import Persona

TAXONOMY = "METHOD 2: taxonomy"
PERSONAS = "METHOD 2: personas"
SAMPLE = "design-check"  # the sample's name, part of its seed


class PeopleBounds(Config):
    """The checklist's numbers on people; shares and probabilities from 0 to 1."""

    values_min: int
    subtopics_min: int
    edge_case_share: Bounds
    edge_kinds_min: int
    style_overlap_max: float
    style_drift_max: float
    flawless_share: Bounds
    primary_probability: Bounds
    secondary_probability: Bounds
    trajectories_min: int
    topic_seeds: Bounds
    sample: int
    significance: float


def check_people(
    taxonomy: Taxonomy, template: PersonaTemplate, bounds: PeopleBounds, seed: int, paths: tuple[str, str]
) -> Iterator[Check]:
    """What taxonomy and template (`paths`, in this order) say, then 1,000 people drawn from them."""
    at_taxonomy, at_template = paths
    yield dimensions(taxonomy, bounds.values_min, at_taxonomy)
    yield subtopics(taxonomy, bounds.subtopics_min, at_taxonomy)
    edge, place = taxonomy.edge_cases, yaml_place(at_taxonomy, "edge_cases", "share")
    yield share("edge-case share", TAXONOMY, edge.share, bounds.edge_case_share, place)
    place = yaml_place(at_taxonomy, "edge_cases", "kinds")
    evidence = f"{len(edge.kinds)}: {', '.join(edge.kinds)}; wanted {bounds.edge_kinds_min} or more"
    yield Check("kinds of edge cases", TAXONOMY, len(edge.kinds) >= bounds.edge_kinds_min, evidence, place)
    yield same_styles(taxonomy, template, at_template)
    yield style_limits(template, bounds.style_overlap_max, at_template)
    yield from flaws(template, bounds, at_template)
    yield trajectories(template, bounds.trajectories_min, at_template)
    yield topic_seeds(template, bounds.topic_seeds, at_template)
    yield sums_to_one("complexity weights", template.complexity, yaml_place(at_template, "complexity"))
    yield style_drift(taxonomy, template, bounds.style_drift_max, yaml_place(at_template, "ages"))
    try:
        people = sample_people(bounds.sample, seed, taxonomy, template)
    except ConfigError as error:
        yield of_error("realised shares", TAXONOMY, at_template, error)
        return
    yield realised(people, wanted_shares(taxonomy, template), bounds.significance, Place(at_taxonomy))


def sample_people(n: int, seed: int, taxonomy: Taxonomy, template: PersonaTemplate) -> list[Persona]:
    """The first n people of a seeded sequence; raises ConfigError when somebody cannot be drawn."""
    if without := sorted(set(taxonomy.dimensions["style"]) - set(template.styles)):
        raise ConfigError(f"nobody can be sampled: no word limits for style {', '.join(without)}")
    return [sample_persona(number, SAMPLE, seed, taxonomy, template) for number in range(1, n + 1)]


def dimensions(taxonomy: Taxonomy, values_min: int, path: str) -> Check:
    """The five dimensions and difficulty, each with values to choose from. Weights sum to 1 by the schema."""
    found = {d: taxonomy.dimensions[d] for d in REQUIRED_DIMENSIONS} | {"difficulty": taxonomy.difficulty}
    faults = [
        Fault(
            f"{name} has {len(values)} value(s), wanted {values_min} or more",
            yaml_place(path, *(("dimensions", name) if name in taxonomy.dimensions else (name,))),
        )
        for name, values in found.items()
        if len(values) < values_min
    ]
    evidence = f"{', '.join(f'{name} {len(values)}' for name, values in found.items())} values; each sums to 1"
    return faultless("five dimensions and difficulty", TAXONOMY, faults, evidence, yaml_place(path, "dimensions"))


def subtopics(taxonomy: Taxonomy, subtopics_min: int, path: str) -> Check:
    """Each topic can be about several things."""
    faults = [
        Fault(f"{topic} has {n}, wanted {subtopics_min} or more", yaml_place(path, "subtopics", topic))
        for topic in taxonomy.dimensions["topic"]
        if (n := len(set(taxonomy.subtopics[topic]))) < subtopics_min
    ]
    evidence = f"{sum(map(len, taxonomy.subtopics.values()))} for {len(taxonomy.subtopics)} topics"
    return faultless("subtopics", TAXONOMY, faults, evidence, yaml_place(path, "subtopics"))


def same_styles(taxonomy: Taxonomy, template: PersonaTemplate, path: str) -> Check:
    """Every style of the taxonomy has word limits, and no others do."""
    unknown = sorted(set(taxonomy.dimensions["style"]) ^ set(template.styles))
    evidence = f"in only one of the two files: {', '.join(unknown) or 'none'}"
    return Check("styles have limits", PERSONAS, not unknown, evidence, yaml_place(path, "styles"))


def style_limits(template: PersonaTemplate, overlap_max: float, path: str) -> Check:
    """In the file's order no style is shorter than the one before, and each is a length of its own."""
    faults = []
    for (before, short), (name, long) in pairwise(template.styles.items()):
        shared = min(short.max_words, long.max_words) - max(short.min_words, long.min_words)
        width = max(1, min(short.max_words - short.min_words, long.max_words - long.min_words))
        place = yaml_place(path, "styles", name)
        if long.min_words < short.min_words or long.max_words < short.max_words:
            what = f"{name} {long.min_words} to {long.max_words} words is shorter than {before} before it"
            faults.append(Fault(f"{what} ({short.min_words} to {short.max_words}); wanted rising limits", place))
        elif shared / width > overlap_max:
            what = f"{name} and {before} share {shared / width:.0%} of their range, wanted at most {overlap_max:.0%}"
            faults.append(Fault(what, place))
    evidence = ", ".join(f"{name} {s.min_words} to {s.max_words} words" for name, s in template.styles.items())
    return faultless("style limits", PERSONAS, faults, evidence, yaml_place(path, "styles"))


def flaws(template: PersonaTemplate, bounds: PeopleBounds, path: str) -> Iterator[Check]:
    """How many people have none, and how often a primary and a secondary flaw show in one message."""
    rules = template.flaws
    rows = (
        ("people without flaws", "none_share", rules.none_share, bounds.flawless_share),
        ("primary flaw per message", "primary_probability", rules.primary_probability, bounds.primary_probability),
        (
            "secondary flaws per message",
            "secondary_probability",
            rules.secondary_probability,
            bounds.secondary_probability,
        ),
    )
    for name, key, value, wanted in rows:
        yield share(name, PERSONAS, value, wanted, yaml_place(path, "flaws", key))


def trajectories(template: PersonaTemplate, trajectories_min: int, path: str) -> Check:
    """Stable, improving, worsening, volatile or the like; weights sum to 1."""
    kinds, place = template.trajectory, yaml_place(path, "trajectory")
    if len(kinds) < trajectories_min:
        evidence = f"{len(kinds)}: {', '.join(kinds)}; wanted {trajectories_min} or more"
        return Check("trajectories", PERSONAS, False, evidence, place)
    return sums_to_one("trajectories", {name: t.weight for name, t in kinds.items()}, place)


def topic_seeds(template: PersonaTemplate, wanted: Bounds, path: str) -> Check:
    """4 to 6 things to bring up."""
    found = template.topic_seeds
    inside = all(side is not None and wanted.holds(side) for side in (found.min, found.max))
    return Check("topic seeds", PERSONAS, inside, f"{found}, wanted within {wanted}", yaml_place(path, "topic_seeds"))


def sums_to_one(name: str, weights: Mapping[str, float], place: Place) -> Check:
    """Weights that the schema leaves free."""
    total = sum(weights.values())
    listed = " + ".join(f"{value} {weight:g}" for value, weight in weights.items())
    return Check(name, PERSONAS, abs(total - 1) < 1e-6, f"{listed} = {total:g}, wanted 1", place)


def style_drift(taxonomy: Taxonomy, template: PersonaTemplate, drift_max: float, place: Place) -> Check:
    """Ages may bend who writes how, but all ages together keep the taxonomy's shares."""
    wanted, bent = taxonomy.dimensions["style"], wanted_shares(taxonomy, template)["style"]
    worst = max(wanted, key=lambda s: abs(bent[s] - wanted[s]))
    evidence = f"{worst} {wanted[worst]:.0%} becomes {bent[worst]:.0%}, wanted at most {drift_max * 100:.0f} points off"
    return Check("ages keep the styles", PERSONAS, abs(bent[worst] - wanted[worst]) <= drift_max, evidence, place)


def realised(
    people: list[Persona], wanted: Mapping[str, Mapping[str, float]], significance: float, place: Place
) -> Check:
    """Whether a sample could come from the wanted shares: chi-square per dimension, Bonferroni over all of them.

    The sample is seeded: the same design gives the same answer. Of right designs one in 1/significance would fail.
    """
    found = realised_shares(people)
    p_values = {name: chi_square_p(found[name], shares, len(people)) for name, shares in wanted.items()}
    worst, bound = min(p_values, key=lambda name: p_values[name]), significance / len(p_values)
    value = max(wanted[worst], key=lambda v: abs(found[worst].get(v, 0.0) - wanted[worst][v]))
    evidence = (
        f"{len(people)} people, {len(p_values)} dimensions; furthest off is {worst} (p = {p_values[worst]:.2g}, wanted "
        f"{bound:.2g} or more): {value} {found[worst].get(value, 0.0):.1%} of people for {wanted[worst][value]:.1%}"
    )
    return Check("realised shares", TAXONOMY, p_values[worst] >= bound, evidence, place)


def chi_square_p(found: Mapping[str, float], wanted: Mapping[str, float], n: int) -> float:
    """Pearson's goodness of fit: the probability of shares at least as far off in a sample of n (1900, Phil. Mag. 50).

    A value that is found and has no wanted share makes it 0.
    """
    from scipy.special import chdtrc  # a third of a second to import

    total = sum(wanted.values())
    expected = {value: n * weight / total for value, weight in wanted.items() if weight > 0}
    if any(share > 0 and value not in expected for value, share in found.items()):
        return 0.0
    statistic = sum((n * found.get(value, 0.0) - e) ** 2 / e for value, e in expected.items())
    return float(chdtrc(len(expected) - 1, statistic)) if len(expected) > 1 else 1.0
