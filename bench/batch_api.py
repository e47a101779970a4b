"""Judges through the Batch API: the same verdicts, what they cost, and what a killed run pays twice.

    python -m bench.batch_api            # two minutes

Authored conversations of the therapy domain under names of their own are judged on all criteria that judges answer,
directly and through a server with files and batches, by the pipeline's code over HTTP; only the judge is scripted. It
answers by a hash of the question; of 50 first answers one is no JSON, and of 50 requests one is refused with a 500 the
first time. Then a process that judges is killed (-9) as soon as the server sees its first request of a kind, and run
again; so for every kind. Paid twice are the requests that the server answered more than once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from bench.fake_batches import FakeBatchServer
from bench.fake_model_server import Answer
from tunewright.cache import ReplyCache
from tunewright.document import md_table
from tunewright.judge_asking import Asking
from tunewright.judging import JudgingConfig, judge_transcripts
from tunewright.llm import Client
from tunewright.models import BatchAPI, Connection, Judge, Price
from tunewright.records import Transcript, digest, read_jsonl, stable_unit
from tunewright.rubric import load_rubric
from tunewright.runner import run

RUBRIC, TALKS = "conf/domain/therapy/rubric.yaml", "data/authored/therapy/transcripts.jsonl"
N_TALKS, UNREADABLE_SHARE, REFUSED_SHARE = 40, 0.02, 0.02
JUDGE = Judge(
    name="scripted", model="openai/scripted", temperature=0.0, max_tokens=500,
    price=Price(input_usd_per_mtok=1.0, output_usd_per_mtok=4.0),
)  # fmt: skip
JUDGING = JudgingConfig.model_validate({
    "judges": [JUDGE], "judge_trust": "assumed", "judged_transcripts": None, "samples": 1, "max_failed_share": 0.0,
    "batching": "criterion", "reasks": 1, "reasoning_chars": 200, "example_tokens": 0,
    "evidence": {"quotes": 1, "quote_chars": 80, "required": False},
})  # fmt: skip
BATCH_API = BatchAPI(
    window="24h", price_factor=0.5, max_requests=50_000, max_bytes=200_000_000, attempts=2, quiet_s=0.2, poll_s=0.2
)
MOMENTS = ("POST files", "POST batches", "GET batch", "GET content")


class Script:
    """A judge that answers by the question, with faults that pass."""

    def __init__(self) -> None:
        self._refused: set[str] = set()

    def __call__(self, body: dict[str, Any]) -> Answer:
        asked = digest(body["messages"])
        if stable_unit("refused", asked) < REFUSED_SHARE and asked not in self._refused:
            self._refused.add(asked)
            return Answer("scripted error", 500)
        tokens = sum(len(message["content"]) for message in body["messages"]) // 4
        if len(body["messages"]) == 2 and stable_unit("unreadable", asked) < UNREADABLE_SHARE:
            return Answer("I would say yes.", prompt_tokens=tokens, completion_tokens=6)
        said = "YES" if stable_unit("answer", asked) < 0.7 else "NO"
        answer = {"evidence": [1], "quotes": [], "reasoning": f"It shows in {asked[:8]}.", "answer": said}
        return Answer(json.dumps(answer), prompt_tokens=tokens, completion_tokens=40)


def conversations() -> list[Transcript]:
    """The authored ones, again and again, no two with the same words."""
    found = []
    for n, talk in enumerate(islice(cycle(read_jsonl(TALKS, Transcript)), N_TALKS)):
        first = talk.exchanges[0].model_copy(update={"user": f"{talk.exchanges[0].user} ({n})"})
        found.append(talk.model_copy(update={"id": f"t{n}", "exchanges": (first, *talk.exchanges[1:])}))
    return found


@contextmanager
def client_of(url: str, cache: Path, batch_api: BatchAPI | None) -> Iterator[Client]:
    """A client of the scripted judge."""
    cache.mkdir(parents=True, exist_ok=True)
    connection = Connection(concurrency=16, timeout_s=60, attempts=4, api_base=url, batch_api=batch_api)
    client = Client({"openai": connection}, ReplyCache(cache))
    try:
        yield client
    finally:
        client.close()


def judged(client: Client) -> str:
    """The SHA-256 of all verdicts, as a stage would write them."""
    talks, asking = conversations(), Asking(load_rubric(RUBRIC), JUDGING, {})
    ids = {t.id for t in talks}
    work = partial(judge_transcripts, client, talks, asking, ids, JUDGING, None)
    verdicts = run(client, "judging", len(talks), work)
    return hashlib.sha256("".join(v.model_dump_json() + "\n" for v in verdicts).encode()).hexdigest()


def measure(folder: Path, batch_api: BatchAPI | None) -> tuple[str, list[str]]:
    """The verdicts' hash and a row of the table."""
    with FakeBatchServer(Script(), in_progress_s=1.0) as server, client_of(server.url, folder, batch_api) as client:
        started = time.perf_counter()
        verdicts = judged(client)
        seconds = time.perf_counter() - started
        sizes = [len(server.lines(batch)) for batch in server.batches.values()]
        http = len(server.log) if batch_api else len(server.requests)
        row = [f"{client.tally.made}", f"{http}", ", ".join(map(str, sizes)) or "none", f"{client.tally.usd:.4f}",
               f"{seconds:.1f}", verdicts[:12]]  # fmt: skip
        return verdicts, row


def killed(folder: Path, moment: str) -> tuple[str, list[str]]:
    """Kill a judging process when the server sees its first request of a kind, run it again; hash and row."""
    with FakeBatchServer(Script(), in_progress_s=1.0) as server:
        process = _process(server.url, folder)
        while moment not in server.log and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.wait()
        noted, n_before = len(list(folder.glob("batches/*.json"))), len(server.batches)
        again = _process(server.url, folder)
        out, _ = again.communicate(timeout=300)
        if again.returncode:
            raise RuntimeError(f"the second run failed with exit code {again.returncode}")
        twice = sum(n - 1 for n in Counter(server.paid).values())
        left = len(list(folder.glob("batches/*.json")))
        counts = (n_before, noted, len(server.batches), len(server.paid), twice, left)
        return out.strip(), [moment, *map(str, counts)]


def _process(url: str, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.batch_api", "--judge", url, str(cache)]
    env = os.environ | {"TUNEWRIGHT_CACHE": str(cache)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)


def results(runs: int) -> str:
    """Both tables, as Markdown; every kill `runs` times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TUNEWRIGHT_CACHE"] = str(folder / "notes")  # of durations
        direct, row = measure(folder / "direct", None)
        batched, batch_row = measure(folder / "batched", BATCH_API)
        head = ("judges", "replies", "HTTP requests", "requests in each batch", "USD", "seconds", "verdicts")
        cost = md_table(head, [["directly", *row], ["Batch API", *batch_row]])
        rows, hashes = [], {direct, batched}
        for n, moment in enumerate(MOMENTS * runs):
            verdicts, row = killed(folder / f"killed-{n}", moment)
            hashes.add(verdicts)
            rows.append(row)
    head = ("killed at the first", "batches then", "noted then", "batches in all", "replies paid", "paid twice",
            "notes left")  # fmt: skip
    same = "the same bytes in all runs" if len(hashes) == 1 else f"DIFFERENT: {len(hashes)} kinds"
    return f"{cost}\n\nVerdicts: {same}.\n\n{md_table(head, rows)}"


def main() -> None:
    """Print the tables, or judge for them."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--judge", nargs=2, metavar=("URL", "CACHE"), help="judge in this process, print the hash")
    arguments = parser.parse_args()
    if arguments.judge:
        with client_of(arguments.judge[0], Path(arguments.judge[1]), BATCH_API) as client:
            print(judged(client))
        return
    print(results(arguments.runs))


if __name__ == "__main__":
    main()
