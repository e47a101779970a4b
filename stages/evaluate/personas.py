"""evaluate-personas: the people on whom base and tuned are compared; no training example came from any of them.

`authored`, `imported`, `recorded` (both): people of the holdout split, whose recorded messages can be replayed.
Imported ones need no holdout example, since their logged replies count for nothing here, and no split where generation
leaves imports out. `sampled`: new ones from the taxonomy and the template, checked to differ from everyone in the
training data.

Reads data/generate/{train,valid,holdout}.jsonl, data/generate/personas.jsonl, the domain's authored and imported
personas, forgotten.txt, taxonomy and persona template. Writes data/evaluate/personas.jsonl and
metrics/evaluate-personas.json.
"""

from typing import Literal

from pydantic import Field

from tunewright.config import Config as BaseConfig
from tunewright.config import Domain, load, load_domain
from tunewright.errors import ConfigError, RecordError, run_main
from tunewright.forgotten import Forgotten
from tunewright.imported import ImportedUse, RecordedSource, held_out_ids, load_recorded
from tunewright.personas import load_taxonomy, load_template, sample_persona
from tunewright.records import Example, Persona, read_jsonl, stable_unit, write_json, write_jsonl
from tunewright.splits import Shares
from tunewright.terminal import Stage

TRIES = 100  # draws per wanted persona


class Config(BaseConfig):
    """Who is evaluated on."""

    source: RecordedSource | Literal["sampled"]
    imported: ImportedUse  # what generation does with imported conversations
    shares: Shares
    split_seed: int
    count: int = Field(ge=2)
    seed: int


def allowed_ids(people: list[Persona], with_examples: set[str], config: Config) -> set[str]:
    """Who may be evaluated on: authored people with holdout examples, and imported ones who are never trained on."""
    imported = [p for p in people if p.source == "imported"]
    return with_examples | held_out_ids(imported, config.imported, config.shares, config.split_seed)


def held_out(people: list[Persona], holdout_ids: set[str], count: int, seed: int) -> list[Persona]:
    """Up to `count` recorded personas that are held out, by stable hash, in the order of their ids."""
    there = [p for p in people if p.id in holdout_ids]
    chosen = sorted(there, key=lambda p: stable_unit("evaluate", seed, p.id))[:count]
    return sorted(chosen, key=lambda p: p.id)


def sampled(config: Config, domain: Domain, known: list[Persona]) -> list[Persona]:
    """`count` new personas; one that equals a known one in everything but its id is passed over.

    Raises ConfigError when the taxonomy has too few people to give.
    """
    taxonomy, template = load_taxonomy(domain.taxonomy), load_template(domain.personas)
    taken, forgotten = {_likeness(p) for p in known}, Forgotten(domain.authored)
    found: list[Persona] = []
    for number in range(1, TRIES * config.count + 1):
        if len(found) == config.count:
            return found
        persona = sample_persona(number, "evaluation", config.seed, taxonomy, template)
        if _likeness(persona) not in taken and persona.id not in forgotten:
            found.append(persona)
    raise ConfigError(
        f"{domain.taxonomy}: {TRIES * config.count} draws gave {len(found)} people who are not in the training data, "
        f"wanted {config.count}; give the taxonomy more values, or lower evaluation_personas"
    )


def missing_edge_cases(personas: list[Persona], kinds: list[str]) -> list[str]:
    """Kinds of edge cases that no evaluation persona is: nothing will be known about them."""
    return [kind for kind in kinds if kind not in {p.edge_case for p in personas}]


def _likeness(persona: Persona) -> str:
    return persona.model_copy(update={"id": "", "batch": 0}).model_dump_json()


def refuse_overlap(personas: list[Persona], training: set[str]) -> None:
    """Raise RecordError when a persona has a training example: the comparison would be worth nothing."""
    if leaked := sorted({p.id for p in personas} & training):
        raise RecordError(
            f"data/evaluate/personas.jsonl: {len(leaked)} people have training examples too ({', '.join(leaked[:5])}); "
            "expected none; split again with: dvc repro -f generate-slices"
        )


def main() -> None:
    """Pick or sample the evaluation personas."""
    stage = Stage("evaluate-personas")
    config, domain = load("evaluate.personas", Config), load_domain()
    splits = {
        s: read_jsonl(f"data/generate/{s}.jsonl", Example, "generate-slices") for s in ("train", "valid", "holdout")
    }
    stage.start(f"{config.count} personas, {config.source}")
    if config.source == "sampled":
        personas = sampled(config, domain, read_jsonl("data/generate/personas.jsonl", Persona, "generate-personas"))
    else:
        people = load_recorded(domain, config.source)[0]
        allowed = allowed_ids(people, {e.persona_id for e in splits["holdout"]}, config)
        personas = held_out(people, allowed, config.count, config.seed)
    refuse_overlap(personas, {e.persona_id for s in ("train", "valid") for e in splits[s]})
    if len(personas) < 2:
        raise RecordError(
            f"only {len(personas)} held-out personas; a comparison needs 2: raise generate.slices.shares.holdout"
        )
    write_jsonl("data/evaluate/personas.jsonl", personas)
    n_edge = sum(p.edge_case is not None for p in personas)
    write_json("metrics/evaluate-personas.json", {"n_personas": len(personas), "n_edge_cases": n_edge})
    if missing := missing_edge_cases(personas, list(load_taxonomy(domain.taxonomy).edge_cases.kinds)):
        stage.note(f"nobody among them is an edge case of kind {', '.join(missing)}: these stay untested")
    wanted = f" ({config.count} were wanted)" if len(personas) < config.count else ""
    stage.end(f"{len(personas)} personas{wanted}, {n_edge} edge cases, none of them in the training data")


if __name__ == "__main__":
    run_main(main)
