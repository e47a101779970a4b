"""evaluate-transcripts (base, tuned): the candidates converse with the same people.

Same personas, same user (replayed or simulated with the same seeds), same system prompt and sampling for both, so that
a difference is the weights'. The system prompt is the short one that the training data carry.

Reads data/evaluate/personas.jsonl, the domain's authored conversations, persona template and prompts, and the
candidate's weights.
Writes data/evaluate/transcripts/<candidate>.jsonl and metrics/evaluate-transcripts/<candidate>.json.
"""

import asyncio
import sys

from tunewright.authored import load_authored
from tunewright.config import load, load_domain
from tunewright.encounters import Encounters
from tunewright.errors import run_main
from tunewright.items import refuse_many_failures
from tunewright.llm import Client
from tunewright.models import ModelSpec
from tunewright.records import Persona, read_jsonl, write_json, write_jsonl
from tunewright.runner import run_jobs
from tunewright.terminal import Stage, bar


class Config(Encounters):
    """Who talks to whom, and for how long."""

    candidates: dict[str, ModelSpec]


def main() -> None:
    """Let one candidate converse."""
    candidate = sys.argv[1]
    stage = Stage(f"evaluate-transcripts@{candidate}")
    config, domain = load("evaluate.transcripts", Config), load_domain()
    personas = read_jsonl("data/evaluate/personas.jsonl", Persona, "evaluate-personas")
    client, cast = Client.from_params(), config.cast(domain, config.candidates[candidate])
    work = config.conversations(cast, personas, load_authored(domain)[1])
    stage.start(
        f"{len(work)} conversations with {len(personas)} people, {config.user_kind} user, {cast.assistant.model}"
    )
    with bar("conversations", len(work)) as progress:
        transcripts = asyncio.run(run_jobs(client, work, [config.user, cast.assistant], progress.advance))
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
