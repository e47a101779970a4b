"""One criterion, one category or all criteria in a judge's call: what each way costs, on the embedded model.

    python -m bench.batching                                 # three conversations, one run of each way
    python -m bench.batching --conversations 1 --runs 3

The embedded judge of conf/llm/embedded.yaml answers every judged criterion of the therapy rubric on authored
conversations, through the real client with an empty reply cache. Each way runs in a process of its own, since the
server keeps prefixes: what one way has sent would be cached for the next. Cached share: prompt tokens that the server
took from its prefix cache. Usable: criteria with an answer that could be read. The embedded model's answers are worth
nothing; that it can be asked in all three ways, and what that costs, is what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from tunewright.cache import ReplyCache
from tunewright.composing import composed_text
from tunewright.document import md_table
from tunewright.judge_asking import Asking
from tunewright.judging import JudgingConfig, judge_transcripts
from tunewright.llm import Client
from tunewright.models import Connection
from tunewright.records import Transcript, Verdict, read_jsonl
from tunewright.rubric import load_rubric

WAYS = ("criterion", "category", "conversation")
RUBRIC, TALKS = "conf/domain/therapy/rubric.yaml", "data/authored/therapy/transcripts.jsonl"
SLOTS = {"concurrency": 2, "context_tokens_per_slot": 8192, "timeout_s": 1800}  # all criteria and answers fit in one
PARAMS = yaml.safe_load(composed_text(["llm=embedded", "domain=therapy", "preset=demo"]))


def conversations(n: int) -> list[Transcript]:
    """The shortest authored ones: the embedded model reads slowly."""
    whole = read_jsonl(TALKS, Transcript)
    return sorted(whole, key=lambda t: sum(len(e.user) + len(e.assistant) for e in t.exchanges))[:n]


def measure(way: str, n: int) -> dict[str, Any]:
    """Judge `n` conversations one way; what it took."""
    config = JudgingConfig.model_validate(PARAMS["generate"]["verdicts"] | {"batching": way, "judge_trust": "assumed"})
    talks, rubric = conversations(n), load_rubric(RUBRIC)
    connections = {k: Connection.model_validate(v | SLOTS) for k, v in PARAMS["llm"]["connections"].items()}
    with tempfile.TemporaryDirectory() as folder:
        client = Client(connections, ReplyCache(Path(folder)))
        start = time.perf_counter()
        work = judge_transcripts(client, talks, Asking(rubric, config, {}), {t.id for t in talks}, config, None)
        verdicts = [v for v in asyncio.run(work) if v.judge == config.judges[0].name]
        seconds = time.perf_counter() - start
        client.close()
    tally = client.tally
    return {
        "calls": tally.made,
        "prompt": tally.prompt_tokens,
        "cached": tally.prefix_tokens,
        "completion": tally.completion_tokens,
        "seconds": seconds,
        **answers(verdicts),
    }


def answers(verdicts: list[Verdict]) -> dict[str, int]:
    """How many criteria were asked and answered, how much was quoted, and how much of it nobody said."""
    misquotes = sum(len(v.misquotes) for v in verdicts)
    quotes = sum(len(v.quotes) for v in verdicts) + misquotes
    usable = sum(v.answer is not None for v in verdicts)
    return {"asked": len(verdicts), "usable": usable, "quotes": quotes, "misquotes": misquotes}


def row(way: str, n: int, runs: int) -> list[str]:
    """One way of batching: the counts of the last run, the median time of all."""
    command = [sys.executable, "-m", "bench.batching", "--conversations", str(n), "--measure", way]
    found = []
    for _ in range(runs):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    last, seconds = found[-1], median(one["seconds"] for one in found)
    return [
        way,
        str(last["calls"]),
        f"{last['prompt']:,}",
        f"{last['cached'] / last['prompt']:.0%}",
        f"{last['completion']:,}",
        f"{seconds:.1f}",
        f"{last['usable']} of {last['asked']}",
        f"{last['misquotes']} of {last['quotes']}",
    ]


def results(runs: int, n_conversations: int = 3) -> str:
    """The table of all three ways, as Markdown."""
    head = (
        "batching", "calls", "prompt tokens", "cached share", "completion tokens", "seconds", "usable answers",
        "quotes not in the transcript",
    )  # fmt: skip
    return md_table(head, [row(way, n_conversations, runs) for way in WAYS])


def main() -> None:
    """Print the table, or measure one way for it."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--conversations", type=int, default=3)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--measure", choices=WAYS, help="judge this way in this very process and print what it took")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.conversations)))
        return
    print(results(arguments.runs, arguments.conversations))


if __name__ == "__main__":
    main()
