"""evaluate-transcripts (base, tuned): the candidates converse with the same people.

Same personas, same user (replayed or simulated with the same seeds), same system prompt and sampling for both, so that
a difference is the weights'. The system prompt is the short one that the training data carry.

Reads data/evaluate/personas.jsonl, the domain's authored and imported conversations, persona template and prompts, and
the candidate's weights.
Writes data/evaluate/transcripts/<candidate>.jsonl and metrics/evaluate-transcripts/<candidate>.json.
"""

import sys
from functools import partial

from tunewright.conduct import ends, out_of_limits
from tunewright.config import load, load_domain
from tunewright.encounters import Encounters
from tunewright.errors import run_main
from tunewright.imported import load_recorded
from tunewright.items import refuse_many_failures
from tunewright.llm import Client
from tunewright.models import ModelSpec
from tunewright.records import Persona, read_jsonl, write_json, write_jsonl
from tunewright.runner import run, run_jobs
from tunewright.terminal import Stage


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
    work = config.conversations(cast, personas, load_recorded(domain, "recorded")[1])
    stage.start(
        f"{len(work)} conversations with {len(personas)} people, {config.user_kind} user, {cast.assistant.model}"
    )
    models = [config.user, cast.assistant]
    transcripts = run(client, "conversations", len(work), partial(run_jobs, client, work, models))
    client.close()
    failures = [t.failure for t in transcripts if t.failure]
    refuse_many_failures(failures, len(transcripts), config.max_failed_share, "conversations")
    write_jsonl(f"data/evaluate/transcripts/{candidate}.jsonl", transcripts)
    n_exchanges = sum(len(t.exchanges) for t in transcripts)
    n_cut = sum(e.cut for t in transcripts for e in t.exchanges)
    n_out, _ = out_of_limits(transcripts, personas, config.conduct.word_limit_tolerance)
    metrics = {"n_transcripts": len(transcripts), "n_exchanges": n_exchanges, "n_failed": len(failures), "n_cut": n_cut}
    metrics |= {"n_out_of_limits": n_out, "by_end": ends(transcripts)}
    write_json(f"metrics/evaluate-transcripts/{candidate}.json", metrics)
    stage.end(
        f"{len(transcripts)} transcripts, {len(failures)} failed, {n_exchanges} exchanges, {n_cut} cut off by "
        f"max_tokens; {client.tally}"
    )


if __name__ == "__main__":
    run_main(main)
