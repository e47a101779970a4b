"""Independent pieces of work that call models: conversations to hold, transcripts to judge, repairs to make.

A Job says which transcript it is about, so that the reply cache knows whose replies it holds. Jobs run in this process
whatever the runner is: what goes to a cluster is their requests (carrying.py).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

from tunewright.durations import call_of, note_duration
from tunewright.interrupts import run_watched
from tunewright.items import map_items
from tunewright.limit_log import write_log
from tunewright.llm import Client, calls_for
from tunewright.models import ModelSpec
from tunewright.terminal import bar

T = TypeVar("T")


class Job(NamedTuple):
    """One piece of work: `await work(client, *arguments)`."""

    item: str  # the id of the transcript that the calls are about
    work: Callable[..., Awaitable[Any]]  # a function of a module, not a closure
    arguments: tuple[Any, ...]
    can_wait: bool = False  # nobody waits for its replies: they may come through a Batch API


def run(client: Client, what: str, total: int, work: Callable[[Callable[[], None]], Coroutine[Any, Any, T]]) -> T:
    """Run work that calls models and advances a bar of `total` steps: the one way in which a stage does so.

    Raises what the work raises, BudgetError when the budget is spent, InterruptedRunError after Ctrl-C or SIGTERM.
    """
    started, before = time.monotonic(), client.tally.made
    try:
        with bar(what, total, client.progress) as progress:
            return run_watched(client, work(progress.advance))
    finally:
        client.providers.close()
        write_log(client.providers.services())
        note_calls(client, client.tally.made - before, time.monotonic() - started)


def note_calls(client: Client, n_made: int, seconds: float) -> None:
    """Keep how long a call took on the whole, for the next plan."""
    if n_made:
        for model, _ in client.providers.services():
            note_duration(call_of(model), seconds / n_made)


async def run_jobs(
    client: Client, jobs: Sequence[Job], models: Sequence[ModelSpec], advance: Callable[[], None] = lambda: None
) -> list[Any]:
    """All jobs, results in their order; an ItemFailure is that job's result. `models`: those that the jobs call."""
    in_flight = client.in_flight(models, can_wait=all(job.can_wait for job in jobs))
    return await map_items(jobs, lambda job: run_job(client, job), in_flight, advance)


async def run_job(client: Client, job: Job) -> Any:
    """One job; its calls are noted in the cache under its item."""
    with calls_for(job.item, job.can_wait):
        return await job.work(client, *job.arguments)
