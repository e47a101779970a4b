"""generate-personas: people for the simulated user, sampled from the taxonomy and the persona template.

Seeded by number, so that asking for more adds to the ones that are there. Realised shares are reported beside the
wanted ones.

Reads the domain's taxonomy and persona template.
Writes data/generate/personas.jsonl and metrics/generate-personas.json.
"""

from pydantic import Field

from tunewright.config import Config as BaseConfig
from tunewright.config import load, load_domain
from tunewright.errors import run_main
from tunewright.personas import PersonaTemplate, Taxonomy, load_taxonomy, load_template, realised_shares, sample_persona
from tunewright.records import Persona, write_json, write_jsonl
from tunewright.terminal import Stage


class Config(BaseConfig):
    """How many personas, and in which batches."""

    count: int = Field(ge=0)
    batch_size: int = Field(ge=1)
    seed: int


def sample(config: Config, taxonomy: Taxonomy, template: PersonaTemplate) -> list[Persona]:
    """Personas 1 to `count`, in batches of `batch_size` from 1."""
    return [
        sample_persona(number, "persona", config.seed, taxonomy, template, batch=1 + (number - 1) // config.batch_size)
        for number in range(1, config.count + 1)
    ]


def main() -> None:
    """Sample personas."""
    stage = Stage("generate-personas")
    config, domain = load("generate.personas", Config), load_domain()
    stage.start(f"{config.count} personas for {domain.id}")
    personas = sample(config, load_taxonomy(domain.taxonomy), load_template(domain.personas))
    write_jsonl("data/generate/personas.jsonl", personas)
    shares = {d: {v: round(x, 4) for v, x in s.items()} for d, s in realised_shares(personas).items()}
    write_json("metrics/generate-personas.json", {"n_personas": len(personas), "shares": shares})
    stage.end(f"{len(personas)} personas in {personas[-1].batch if personas else 0} batches")


if __name__ == "__main__":
    run_main(main)
