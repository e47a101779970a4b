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
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
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
LENGTHS = (20, 80)  # messages of history
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


def bare_wall_ratio(n: int) -> float:
    """The same conversations in a loop over aiohttp: what this machine allows at the moment."""

    async def all_at_once(url: str) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(bare_conversation(session, url, number) for number in range(n)))

    with running(LATENCY_S) as url:
        begun = time.perf_counter()
        asyncio.run(all_at_once(url))
        return (time.perf_counter() - begun) / (EXCHANGES * 2 * LATENCY_S)


async def bare_conversation(session: aiohttp.ClientSession, url: str, number: int) -> None:
    """`converse` without anything around it."""
    history: list[ChatMessage] = [{"role": "system", "content": f"{number}: {SENTENCE}"}]
    for _ in range(EXCHANGES):
        for role in ("user", "assistant"):
            async with session.post(f"{url}/chat/completions", json=body(history)) as response:
                history.append({"role": role, "content": reply_in(await response.read())})


def body(messages: list[ChatMessage]) -> dict[str, object]:
    """What a bare loop sends."""
    return {"model": "load", "messages": messages, "max_tokens": 200, "temperature": 0.7}


def reply_in(content: bytes) -> str:
    """What a bare loop reads."""
    return json.loads(content)["choices"][0]["message"]["content"]


def histories(n_messages: int, n: int, tag: str) -> list[list[ChatMessage]]:
    """`n` different histories of so many messages."""
    roles = ("user", "assistant")
    rest: list[ChatMessage] = [{"role": roles[i % 2], "content": SENTENCE} for i in range(n_messages - 1)]
    return [[{"role": "system", "content": f"{tag} {number}"}, *rest] for number in range(n)]


async def all_of(call: Call, asked: list[list[ChatMessage]]) -> None:
    """One call for each history, IN_FLIGHT of them at once."""
    left = iter(asked)

    async def worker() -> None:
        for messages in left:
            await call(messages)

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


async def measured(call: Call, n_messages: int) -> float:
    """CPU milliseconds per call, after a warm-up that opens connections and imports."""
    await all_of(call, histories(n_messages, 2 * IN_FLIGHT, "warm"))
    asked = histories(n_messages, CALLS, "asked")
    begun = time.process_time()
    await all_of(call, asked)
    return 1000 * (time.process_time() - begun) / CALLS


async def bare_aiohttp(url: str, n_messages: int) -> float:
    """A loop over aiohttp."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def call(messages: list[ChatMessage]) -> object:
            async with session.post(f"{url}/chat/completions", json=body(messages)) as response:
                return reply_in(await response.read())

        return await measured(call, n_messages)


async def bare_litellm(url: str, n_messages: int) -> float:
    """A loop over litellm."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else the import fetches a price list
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


def cpu_table(runs: int) -> str:
    """CPU of a call, four ways in turn, medians of so many rounds."""
    ways: dict[str, Callable[[str, int], Coroutine[None, None, float]]] = {
        "bare aiohttp": bare_aiohttp,
        "tunewright, direct": lambda url, n: ours(url, n, DIRECT),
        "bare litellm": bare_litellm,
        "tunewright, through litellm": lambda url, n: ours(url, n, LAYERED),
    }
    found: dict[tuple[str, int], list[float]] = {(way, n): [] for way in ways for n in LENGTHS}
    with running() as url:
        for _ in range(runs):
            for way, n in found:
                found[way, n].append(asyncio.run(ways[way](url, n)))
    ms = {which: statistics.median(values) for which, values in found.items()}
    rows = []
    for way in ways:
        ratios = [ms[way, n] / ms["bare aiohttp", n] for n in LENGTHS] + [
            ms[way, n] / ms["bare litellm", n] for n in LENGTHS
        ]
        growth = ms[way, LENGTHS[1]] / ms[way, LENGTHS[0]]
        rows.append(
            [way, *(f"{ms[way, n]:.2f}" for n in LENGTHS), f"{growth:.2f}", *(f"{ratio:.2f}" for ratio in ratios)]
        )
    heads = [f"{what}, {n} messages" for what in ("x bare aiohttp", "x bare litellm") for n in LENGTHS]
    return md_table(["CPU ms per call", *(f"{n} messages" for n in LENGTHS), "growth", *heads], rows)


def wall_table(runs: int) -> str:
    """Wall time against the ideal, and the same of a bare loop."""
    rows = []
    for n in (64, 256):
        both = [(wall_ratio(n), bare_wall_ratio(n)) for _ in range(runs)]
        mine, bare = (f"{statistics.median(column):.2f}" for column in zip(*both, strict=True))
        rows.append((f"{n} x {EXCHANGES} exchanges at {LATENCY_S:g} s", n, mine, bare))
    return md_table(("conversations", "in flight", "wall / ideal", "bare aiohttp loop"), rows)


def results(runs: int) -> str:
    """Both tables, as Markdown."""
    return f"{wall_table(runs)}\n\n{cpu_table(runs)}\n"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    print(results(parser.parse_args().runs))


if __name__ == "__main__":
    main()
