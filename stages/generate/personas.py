"""generate-personas: people for the simulated user, sampled from the taxonomy and the persona template.

Seeded by number, so that asking for more adds to the ones that are there; a forgotten number is left out and moves
nobody. Realised shares stand beside the wanted ones.

Reads the domain's taxonomy, persona template and forgotten.txt.
Writes data/generate/personas.jsonl, data/generate/persona_shares.json (every value of every dimension),
metrics/generate-personas.json and plots/generate-personas.json (one row per dimension).
"""

from collections.abc import Container
from typing import Any

from pydantic import Field

from tunewright.config import Config as BaseConfig
from tunewright.config import load, load_domain
from tunewright.errors import run_main
from tunewright.forgotten import Forgotten
from tunewright.personas import (
    PersonaTemplate,
    Taxonomy,
    load_taxonomy,
    load_template,
    realised_shares,
    sample_persona,
    wanted_shares,
)
from tunewright.records import Persona, write_json, write_jsonl
from tunewright.terminal import Stage


class Config(BaseConfig):
    """How many personas, and in which batches."""

    count: int = Field(ge=0)
    batch_size: int = Field(ge=1)
    seed: int


def sample(config: Config, taxonomy: Taxonomy, template: PersonaTemplate, forgotten: Container[str]) -> list[Persona]:
    """Personas 1 to `count`, in batches of `batch_size` from 1, without those whose ids are forgotten."""
    people = [
        sample_persona(number, "persona", config.seed, taxonomy, template, batch=1 + (number - 1) // config.batch_size)
        for number in range(1, config.count + 1)
    ]
    return [person for person in people if person.id not in forgotten]


def share_rows(personas: list[Persona], taxonomy: Taxonomy, template: PersonaTemplate) -> list[dict[str, object]]:
    """Wanted and realised share of every value of every dimension."""
    found = realised_shares(personas)
    wanted = [(d, v, s) for d, shares in wanted_shares(taxonomy, template).items() for v, s in shares.items()]
    return [
        {"dimension": d, "value": v, "wanted": round(share, 4), "realised": round(found[d].get(v, 0.0), 4)}
        for d, v, share in wanted
    ]


def distances(rows: list[dict[str, Any]]) -> list[dict[str, object]]:
    """Per dimension, the share of people who would have to be others for the wanted shares (total variation)."""
    gaps: dict[str, float] = {}
    for row in rows:
        gaps[row["dimension"]] = gaps.get(row["dimension"], 0.0) + abs(row["wanted"] - row["realised"]) / 2
    return [{"dimension": dimension, "distance": round(gap, 4)} for dimension, gap in gaps.items()]


def main() -> None:
    """Sample personas."""
    stage = Stage("generate-personas")
    config, domain = load("generate.personas", Config), load_domain()
    stage.start(f"{config.count} personas for {domain.id}")
    taxonomy, template = load_taxonomy(domain.taxonomy), load_template(domain.personas)
    personas = sample(config, taxonomy, template, Forgotten(domain.authored))
    write_jsonl("data/generate/personas.jsonl", personas)
    shares = share_rows(personas, taxonomy, template)
    write_json("data/generate/persona_shares.json", shares)
    write_json("plots/generate-personas.json", distances(shares))
    n_edge, n_flawless = sum(p.edge_case is not None for p in personas), sum(not p.flaws for p in personas)
    metrics = {"n_personas": len(personas), "n_edge_cases": n_edge, "n_without_flaws": n_flawless}
    write_json("metrics/generate-personas.json", metrics)
    stage.end(f"{len(personas)} personas in {personas[-1].batch if personas else 0} batches")


if __name__ == "__main__":
    run_main(main)
