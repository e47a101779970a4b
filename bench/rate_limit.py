"""How much of a provider's rate limit the engine uses, without being told what it is.

    python -m bench.rate_limit                # 600 requests a minute for three minutes, two kinds of limit

The server refuses with 429 and Retry-After in whole seconds; the client has 64 conversations in flight and no cap in
its configuration. `used` is what was answered over what the limit allows in that time. No request may be lost.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time

from bench.load_server import running, stats
from bench.throughput import DIRECT, client, spec
from tunewright.document import md_table
from tunewright.items import ItemFailure
from tunewright.llm import Client

PER_MINUTE, MINUTES, IN_FLIGHT, LATENCY_S = 600, 3.0, 64, 0.2


async def ask_until(ours: Client, until: float) -> tuple[int, int]:
    """Keep IN_FLIGHT conversations asking until then; how many requests were answered, and how many were lost."""
    numbers, answered, lost = iter(range(1_000_000)), 0, 0

    async def worker() -> None:
        nonlocal answered, lost
        while time.perf_counter() < until:
            try:
                await ours.complete(spec(DIRECT), [{"role": "user", "content": f"number {next(numbers)}"}])
                answered += 1
            except ItemFailure:
                lost += 1

    workers = [asyncio.ensure_future(worker()) for _ in range(IN_FLIGHT)]
    await asyncio.sleep(until - time.perf_counter())
    in_time = answered
    for task in workers:
        task.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return in_time, lost


def measure(window: str, minutes: float) -> tuple[float, int, int, int]:
    """Share of the limit that was used, requests lost, refusals, and cuts of the limit."""
    with running(LATENCY_S, PER_MINUTE, window) as url, tempfile.TemporaryDirectory() as folder:
        ours = client(url, folder, IN_FLIGHT)
        answered, lost = asyncio.run(ask_until(ours, time.perf_counter() + 60 * minutes))
        [(_, service)] = ours.providers.services()
        cuts = len(service.line.limit.history)
        refused = stats(url)["refused"]
        ours.close()
    return answered / (PER_MINUTE * minutes), lost, refused, cuts


def results(runs: int, minutes: float = MINUTES) -> str:
    """The table, as Markdown: medians of `runs`."""
    rows = []
    for window, words in (("sliding", "in any 60 s"), ("bucket", "10 a second, at most 10 at once")):
        found = [measure(window, minutes) for _ in range(runs)]
        used, lost, refused, cuts = (statistics.median(column) for column in zip(*found, strict=True))
        rows.append((f"{PER_MINUTE} a minute, {words}", f"{used:.1%}", f"{lost:g}", f"{refused:g}", f"{cuts:g}"))
    return md_table(("limit", "used", "requests lost", "refusals", "cuts"), rows) + "\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    asked = parser.parse_args()
    print(results(asked.runs, asked.minutes))


if __name__ == "__main__":
    main()
