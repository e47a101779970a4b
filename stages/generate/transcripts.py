"""generate-transcripts: conversations to learn from.

Four sources: an LLM that plays each sampled persona against the assistant model (simulated), recorded user messages
answered anew by the assistant model (replay), and the domain's expert-written and imported conversations, taken in as
they are (authored, imported). A conversation that fails is kept with the reason and never trained on.

Reads data/generate/personas.jsonl, the domain's authored and imported conversations, persona template and prompts.
Writes data/generate/transcripts.jsonl and metrics/generate-transcripts.json.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pydantic import Field

from tunewright.conduct import Conduct, ends, out_of_limits
from tunewright.config import Bounds, Domain, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.errors import run_main
from tunewright.imported import ImportedUse, load_recorded
from tunewright.items import commonest, refuse_many_failures
from tunewright.llm import Client
from tunewright.models import ModelSpec
from tunewright.personas import load_template
from tunewright.records import Persona, Transcript, read_jsonl, stable_unit, write_json, write_jsonl
from tunewright.runner import Job, run, run_jobs
from tunewright.simulation import Cast, Guidance, replay, simulate
from tunewright.terminal import Stage


class Config(BaseConfig):
    """Where conversations come from, and how simulated ones go."""

    authored: bool
    imported: ImportedUse
    replay: int = Field(ge=0)
    user: ModelSpec
    assistant: ModelSpec
    exchanges: Bounds
    guidance: Guidance
    conduct: Conduct
    max_failed_share: float = Field(ge=0, le=1)
    seed: int


def cast_of(config: Config, domain: Domain) -> Cast:
    """The models, prompts and rules that all conversations of this run share."""
    return Cast(
        domain=domain,
        template=load_template(domain.personas),
        user=config.user,
        assistant=config.assistant,
        assistant_prompt=str(Path(domain.prompts) / "assistant.md"),
        guidance=config.guidance,
        conduct=config.conduct,
        exchanges=config.exchanges,
        seed=config.seed,
    )


def replayed(transcripts: list[Transcript], n: int) -> list[Transcript]:
    """Which `n` recordings to replay: by stable hash, so that one more adds one."""
    return sorted(transcripts, key=lambda t: stable_unit("replay", t.id))[:n]


def taken_in(recorded: list[Transcript], config: Config) -> list[Transcript]:
    """The recorded conversations that this run takes as they are."""
    return [t for t in recorded if (config.imported == "take" if t.user_kind == "imported" else config.authored)]


async def generate(
    client: Client,
    config: Config,
    cast: Cast,
    sampled: list[Persona],
    known: list[Persona],
    recorded: list[Transcript],
    advance: Callable[[], None],
) -> list[Transcript]:
    """All new conversations: the simulated ones in the order of their personas, then the replayed ones."""
    by_id = {p.id: p for p in known}
    longest = int(config.exchanges.max or 0) or None
    jobs = []
    for person in sampled:
        made = f"simulated-{person.id}"
        jobs.append(Job(made, simulate, (cast, person, 0, made)))
    for one in replayed(recorded, config.replay):
        made = f"replay-{one.id}"
        jobs.append(Job(made, replay, (cast, by_id[one.persona_id], one, 0, made, longest)))
    return await run_jobs(client, jobs, [config.user, config.assistant], advance) if jobs else []


def metrics(transcripts: list[Transcript], n_out_of_limits: int) -> dict[str, object]:
    """Counts by source and by how conversations ended, and what went wrong."""
    sources = Counter(t.user_kind for t in transcripts)
    return {
        "n_transcripts": len(transcripts),
        "n_exchanges": sum(len(t.exchanges) for t in transcripts),
        "n_failed": sum(t.failure is not None for t in transcripts),
        "n_cut": sum(t.is_cut for t in transcripts),
        "n_out_of_limits": n_out_of_limits,
        "by_user": dict(sorted(sources.items())),
        "by_end": ends(transcripts),
    }


def main() -> None:
    """Make or take in all conversations of this run."""
    stage = Stage("generate-transcripts")
    config, domain = load("generate.transcripts", Config), load_domain()
    sampled = read_jsonl("data/generate/personas.jsonl", Persona, "generate-personas")
    known, recorded = load_recorded(domain, "authored" if config.imported == "leave" else "recorded")
    taken = taken_in(recorded, config)
    client, cast = Client.from_params(), cast_of(config, domain)
    n_new = len(sampled) + min(config.replay, len(recorded))
    n_imported = sum(t.user_kind == "imported" for t in taken)
    stage.start(
        f"{len(sampled)} simulated, {n_new - len(sampled)} replayed, {len(taken) - n_imported} authored, "
        f"{n_imported} imported"
    )
    work = partial(generate, client, config, cast, sampled, known, recorded)
    made = run(client, "conversations", n_new, work)
    client.close()
    failures = [t.failure for t in made if t.failure]
    refuse_many_failures(failures, n_new, config.max_failed_share, "conversations")
    transcripts = taken + made
    write_jsonl("data/generate/transcripts.jsonl", transcripts)
    n_out, n_said = out_of_limits(made, sampled, config.conduct.word_limit_tolerance)
    write_json("metrics/generate-transcripts.json", metrics(transcripts, n_out))
    if failures:
        again = "ask for those alone again with: dvc repro -f -s generate-transcripts"
        stage.note(f"{len(failures)} failed, most often: {commonest(failures)}; {again}")
    if n_said:
        stage.note(f"{n_out} of {n_said} simulated messages are out of their word limits; ended: {ends(made)}")
    n_cut = sum(t.is_cut for t in transcripts)
    stage.end(f"{len(transcripts)} transcripts, {len(failures)} failed, {n_cut} with a message cut off; {client.tally}")


if __name__ == "__main__":
    run_main(main)
