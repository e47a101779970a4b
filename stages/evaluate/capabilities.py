"""evaluate-capabilities (base, tuned): does the model still do what it could do before it was tuned?

Each candidate is asked the probes of data/probes/ (facts, arithmetic, JSON and format, instructions, refusals, talk on
other subjects), greedily and without the domain's system prompt, and code decides whether each reply is right. The
answer costs no judge. evaluate-sanity compares the two sides.

Reads data/probes/ and the candidate's weights. Writes data/evaluate/capabilities/<candidate>.jsonl and
metrics/evaluate-capabilities/<candidate>.json.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import Field

from tunewright.config import Config as BaseConfig
from tunewright.config import load
from tunewright.errors import ConfigError, run_main
from tunewright.items import EmptyReplyError, ItemFailure, refuse_many_failures
from tunewright.llm import Client
from tunewright.models import ModelSpec
from tunewright.probe_checks import faults
from tunewright.probes import Answered, Probe, chosen, load_probes
from tunewright.records import write_json, write_jsonl
from tunewright.runner import Job, run, run_jobs
from tunewright.terminal import Stage

GREEDY = 0.0  # temperature: the likeliest word at every place, so that chance is no part of the comparison


class Config(BaseConfig):
    """Who is asked, and how much."""

    candidates: dict[str, ModelSpec]
    per_category: int | None = Field(ge=1)  # None: all
    max_tokens: dict[str, int]  # of a reply, by category
    max_failed_share: float = Field(ge=0, le=1)
    seed: int


async def answer(client: Client, spec: ModelSpec, category: str, probe: Probe) -> Answered:
    """One model's reply to one probe, checked.

    Saying nothing is wrong; a model that could not be asked leaves the probe unscored, and never wrong.
    """
    about = {"probe": probe.id, "category": category, "ask": probe.turns[-1]}
    try:
        reply = await client.complete(spec, probe.messages)
    except EmptyReplyError:
        return Answered(**about, reply="", finish_reason="stop", passed=False, fault="an empty reply")
    except ItemFailure as error:
        return Answered(**about, reply="", finish_reason=None, passed=None, fault=str(error))
    found = faults(probe.check, reply.text)
    fault = "; ".join(found) or None
    return Answered(**about, reply=reply.text, finish_reason=reply.finish_reason, passed=not found, fault=fault)


def jobs(probes: Mapping[str, Sequence[Probe]], spec: ModelSpec, max_tokens: Mapping[str, int]) -> list[Job]:
    """One job a probe. Raises ConfigError for a category without a limit."""
    if missing := [name for name in probes if name not in max_tokens]:
        raise ConfigError(
            f"evaluate.capabilities.max_tokens: no limit for {missing[0]!r}, a category of data/probes/; "
            "add one in conf/config.yaml and run: make params"
        )
    greedy = {
        name: spec.model_copy(update={"temperature": GREEDY, "max_tokens": most}) for name, most in max_tokens.items()
    }
    return [
        Job(probe.id, answer, (greedy[name], name, probe), True) for name, found in probes.items() for probe in found
    ]


def counts(answers: Sequence[Answered]) -> dict[str, Any]:
    """How many probes were right, in all and by category; unscored ones apart."""
    names = sorted({one.category for one in answers})
    by_category = {name: [one for one in answers if one.category == name] for name in names}
    return {
        "n_probes": len(answers),
        "n_right": sum(one.passed is True for one in answers),
        "n_unscored": sum(one.passed is None for one in answers),
        "n_cut": sum(one.finish_reason == "length" for one in answers),
        "right_by_category": {name: sum(one.passed is True for one in found) for name, found in by_category.items()},
    }


def main() -> None:
    """Ask one candidate."""
    candidate = sys.argv[1]
    stage, config = Stage(f"evaluate-capabilities@{candidate}"), load("evaluate.capabilities", Config)
    spec, client = config.candidates[candidate], Client.from_params()
    work = jobs(chosen(load_probes(), config.per_category, config.seed), spec, config.max_tokens)
    stage.start(f"{len(work)} probes, {spec.model}, greedy")
    answers = run(client, "probes", len(work), partial(run_jobs, client, work, [spec]))
    client.close()
    unscored = [one.fault for one in answers if one.passed is None]
    refuse_many_failures(unscored, len(answers), config.max_failed_share, "probes")
    write_jsonl(f"data/evaluate/capabilities/{candidate}.jsonl", answers)
    metrics = counts(answers)
    write_json(f"metrics/evaluate-capabilities/{candidate}.json", metrics)
    stage.end(f"{metrics['n_right']} of {len(answers)} right, {len(unscored)} unscored; {client.tally}")


if __name__ == "__main__":
    run_main(main)
