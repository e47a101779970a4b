"""evaluate-transcripts (base, tuned): the candidates converse with the same people.

Same personas, same user (replayed or simulated with the same seeds), same system prompt and sampling for both, so that
a difference is the weights'. The system prompt is the short one that the training data carry.

Reads data/evaluate/personas.jsonl, the domain's authored conversations, persona template and prompts, and the
candidate's weights.
Writes data/evaluate/transcripts/<candidate>.jsonl and metrics/evaluate-transcripts/<candidate>.json.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from tunewright.authored import load_authored
from tunewright.config import Bounds, Domain, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.errors import ConfigError, run_main
from tunewright.items import map_items, refuse_many_failures
from tunewright.llm import Client
from tunewright.models import ModelSpec
from tunewright.personas import load_template
from tunewright.records import Persona, Transcript, read_jsonl, write_json, write_jsonl
from tunewright.simulation import Cast, Guidance, replay, simulate
from tunewright.terminal import Stage, bar


class Config(BaseConfig):
    """Who talks to whom, and for how long."""

    user_kind: Literal["replay", "simulated"]
    user: ModelSpec
    candidates: dict[str, ModelSpec]
    conversations_per_persona: int = Field(ge=1)
    exchanges: Bounds
    max_exchanges: int = Field(ge=1)
    guidance: Guidance
    max_failed_share: float = Field(ge=0, le=1)
    seed: int


def cast_of(config: Config, domain: Domain, candidate: str) -> Cast:
    """The candidate under the system prompt that it was trained with."""
    longest = min(int(config.exchanges.max or config.max_exchanges), config.max_exchanges)
    return Cast(
        domain=domain,
        template=load_template(domain.personas),
        user=config.user,
        assistant=config.candidates[candidate],
        assistant_prompt=str(Path(domain.prompts) / "system.md"),
        guidance=config.guidance,
        exchanges=Bounds(min=min(config.exchanges.min or 1, longest), max=longest),
        seed=config.seed,
    )


def recordings(
    personas: list[Persona], recorded: list[Transcript], per_persona: int
) -> list[tuple[Persona, Transcript]]:
    """Each persona's first `per_persona` recorded conversations, by id."""
    by_persona = {p.id: sorted((t for t in recorded if t.persona_id == p.id), key=lambda t: t.id) for p in personas}
    return [(p, t) for p in personas for t in by_persona[p.id][:per_persona]]


def jobs(
    client: Client, config: Config, cast: Cast, personas: list[Persona], recorded: list[Transcript]
) -> list[Callable[[], Awaitable[Transcript]]]:
    """One job per conversation. Ids are the same for every candidate: a comparison pairs on them."""
    if config.user_kind == "replay":
        pairs = recordings(personas, recorded, config.conversations_per_persona)
        return [partial(replay, client, cast, p, t, 0, f"pair-{t.id}", config.max_exchanges) for p, t in pairs]
    return [
        partial(simulate, client, cast, p, n, f"pair-{p.id}-{n}")
        for p in personas
        for n in range(config.conversations_per_persona)
    ]


def main() -> None:
    """Let one candidate converse."""
    candidate = sys.argv[1]
    stage = Stage(f"evaluate-transcripts@{candidate}")
    config, domain = load("evaluate.transcripts", Config), load_domain()
    personas = read_jsonl("data/evaluate/personas.jsonl", Persona, "evaluate-personas")
    client, cast = Client.from_params(), cast_of(config, domain, candidate)
    work = jobs(client, config, cast, personas, load_authored(domain)[1])
    if not work:
        raise ConfigError(
            f"no conversation to hold: none of the {len(personas)} evaluation personas has a recorded conversation "
            "to replay; set evaluation_user: simulated or evaluation_source: authored in conf/preset/"
        )
    stage.start(
        f"{len(work)} conversations with {len(personas)} people, {config.user_kind} user, {cast.assistant.model}"
    )
    with bar("conversations", len(work)) as progress:
        in_flight = client.concurrency([config.user, cast.assistant])
        transcripts = asyncio.run(map_items(work, lambda job: job(), in_flight, progress.advance))
    client.close()
    failures = [t.failure for t in transcripts if t.failure]
    refuse_many_failures(failures, len(transcripts), config.max_failed_share, "conversations")
    write_jsonl(f"data/evaluate/transcripts/{candidate}.jsonl", transcripts)
    n_exchanges = sum(len(t.exchanges) for t in transcripts)
    n_cut = sum(e.cut for t in transcripts for e in t.exchanges)
    metrics = {"n_transcripts": len(transcripts), "n_exchanges": n_exchanges, "n_failed": len(failures), "n_cut": n_cut}
    write_json(f"metrics/evaluate-transcripts/{candidate}.json", metrics)
    stage.end(
        f"{len(transcripts)} transcripts, {len(failures)} failed, {n_exchanges} exchanges, {n_cut} cut off by "
        f"max_tokens; {client.tally}"
    )


if __name__ == "__main__":
    run_main(main)
