"""What the engine costs: wall time of many conversations against the ideal, and CPU time of a call.

    python -m bench.throughput                # both tables, medians of three runs

Conversations have two calls an exchange, user and assistant, each with the whole history. The ideal is exchanges x 2 x
latency. CPU is the process time of this process for the calls alone; the server has a process of its own. Ours is the
whole path: cache key, look-up, waiting line, request, store on disk, note of use, account. Beside it, in one run, a
bare loop over aiohttp and one over litellm, both with the same bodies. Compare ratios, not milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from bench.load_server import running
from tunewright.cache import ReplyCache
from tunewright.document import md_table
from tunewright.llm import Client, calls_for
from tunewright.models import Connection, ModelSpec, Price
from tunewright.prompts import ChatMessage
from tunewright.runner import Job, run_jobs

EXCHANGES, LATENCY_S = 10, 0.5
SENTENCE = "I have thought about what you said, and most of it holds, but the evenings are still the hardest part. " * 2
FREE = Price(input_usd_per_mtok=0.0, output_usd_per_mtok=0.0)
DIRECT, LAYERED = "hosted_vllm/load", "deepseek/load"  # ours directly, ours through litellm
IN_FLIGHT, CALLS = 64, 1280
Call = Callable[[list[ChatMessage]], Awaitable[object]]


def spec(model: str) -> ModelSpec:
    """A model on the load server."""
    return ModelSpec(model=model, temperature=0.7, max_tokens=200, price=FREE)


def client(url: str, folder: str, concurrency: int) -> Client:
    """Ours, with a cache on disk."""
    connection = Connection(concurrency=concurrency, timeout_s=60, attempts=3, api_base=url)
    return Client({"hosted_vllm": connection, "deepseek": connection}, ReplyCache(Path(folder)))


async def converse(ours: Client, number: int) -> None:
    """One conversation of two simulated sides."""
    history: list[ChatMessage] = [{"role": "system", "content": f"{number}: {SENTENCE}"}]
    for _ in range(EXCHANGES):
        for role in ("user", "assistant"):
            reply = await ours.complete(spec(DIRECT), history)
            history.append({"role": role, "content": reply.text})


def wall_ratio(n: int) -> float:
    """Wall time over the ideal of `n` conversations at `n` in flight."""
    with running(LATENCY_S) as url, tempfile.TemporaryDirectory() as folder:
        ours = client(url, folder, n)
        jobs = [Job(f"c{number}", converse, (number,)) for number in range(n)]
        begun = time.perf_counter()
        asyncio.run(run_jobs(ours, jobs, [spec(DIRECT)]))
        took = time.perf_counter() - begun
        assert ours.tally.made == n * EXCHANGES * 2, ours.tally
        ours.close()
    return took / (EXCHANGES * 2 * LATENCY_S)


def histories(n_messages: int, n: int, tag: str) -> list[list[ChatMessage]]:
    """`n` different histories of so many messages."""
    roles = ("user", "assistant")
    rest: list[ChatMessage] = [{"role": roles[i % 2], "content": SENTENCE} for i in range(n_messages - 1)]
    return [[{"role": "system", "content": f"{tag} {number}"}, *rest] for number in range(n)]


async def cpu_ms(call: Call, asked: list[list[ChatMessage]]) -> float:
    """CPU milliseconds per call, IN_FLIGHT of them at once."""
    left = iter(asked)

    async def worker() -> None:
        for messages in left:
            await call(messages)

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))  # warm: connections, imports
    return 0.0


async def measured(call: Call, n_messages: int) -> float:
    """CPU milliseconds per call after a warm-up."""
    await cpu_ms(call, histories(n_messages, 2 * IN_FLIGHT, "warm"))
    asked = histories(n_messages, CALLS, "asked")
    begun = time.process_time()
    await cpu_ms(call, asked)
    return 1000 * (time.process_time() - begun) / CALLS


async def bare_aiohttp(url: str, n_messages: int) -> float:
    """A loop over aiohttp."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def call(messages: list[ChatMessage]) -> object:
            body = {"model": "load", "messages": messages, "max_tokens": 200, "temperature": 0.7}
            async with session.post(f"{url}/chat/completions", json=body) as response:
                return json.loads(await response.read())["choices"][0]["message"]["content"]

        return await measured(call, n_messages)


async def bare_litellm(url: str, n_messages: int) -> float:
    """A loop over litellm."""
    import litellm

    async def call(messages: list[ChatMessage]) -> object:
        arguments = {"max_tokens": 200, "temperature": 0.7, "timeout": 60, "num_retries": 0}
        found = await litellm.acompletion(LAYERED, messages, api_base=url, api_key="no-key", **arguments)
        return found.choices[0].message.content  # type: ignore[union-attr]

    return await measured(call, n_messages)


async def ours(url: str, n_messages: int, model: str) -> float:
    """The client, cache writes and account included."""
    with tempfile.TemporaryDirectory() as folder:
        one = client(url, folder, IN_FLIGHT)
        with calls_for("a transcript"):
            found = await measured(lambda messages: one.complete(spec(model), messages), n_messages)
        one.close()
    return found


def cpu_row(name: str, measure: Callable[[str, int], Awaitable[float]], runs: int) -> tuple[str, float, float]:
    """Medians at 20 and 80 messages."""

    async def one(url: str, n_messages: int) -> float:
        return await measure(url, n_messages)

    with running() as url:
        medians = [statistics.median(asyncio.run(one(url, n)) for _ in range(runs)) for n in (20, 80)]
    return name, medians[0], medians[1]


def results(runs: int) -> str:
    """Both tables, as Markdown."""
    walls = [(f"{n} x {EXCHANGES}", n, statistics.median(wall_ratio(n) for _ in range(runs))) for n in (64, 256)]
    rows = [
        cpu_row("bare aiohttp", bare_aiohttp, runs),
        cpu_row("tunewright, direct", lambda url, n: ours(url, n, DIRECT), runs),
        cpu_row("bare litellm", bare_litellm, runs),
        cpu_row("tunewright, through litellm", lambda url, n: ours(url, n, LAYERED), runs),
    ]
    aio, litellm = rows[0], rows[2]
    cells = [
        [name, f"{a:.2f}", f"{b:.2f}", f"{a / aio[1]:.1f}", f"{b / aio[1]:.1f}", f"{a / litellm[1]:.2f}"]
        for name, a, b in rows
    ]
    head = ("CPU ms per call", "20 messages", "80 messages", "20: x bare aiohttp", "80: x bare at 20", "20: x litellm")
    table = md_table(("conversations", "in flight", "wall / ideal"), [(n, f, f"{r:.2f}") for n, f, r in walls])
    return f"{table}\n\n{md_table(head, cells)}\n"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    print(results(parser.parse_args().runs))


if __name__ == "__main__":
    main()
