"""Independent pieces of work that call models: conversations to hold, transcripts to judge, repairs to make.

A Job names its work by a module-level function and plain arguments, so that the same job can run in this process or in
another one, and says which transcript it is about, so that the reply cache knows whose replies it holds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from tunewright.items import map_items
from tunewright.llm import Client, calls_for
from tunewright.models import ModelSpec


class Job(NamedTuple):
    """One piece of work: `await work(client, *arguments)`."""

    item: str  # the id of the transcript that the calls are about
    work: Callable[..., Awaitable[Any]]  # a function of a module, not a closure
    arguments: tuple[Any, ...]


async def run_jobs(
    client: Client, jobs: Sequence[Job], models: Sequence[ModelSpec], advance: Callable[[], None] = lambda: None
) -> list[Any]:
    """All jobs, results in their order; an ItemFailure is that job's result. `models`: those that the jobs call."""
    return await map_items(jobs, lambda job: run_job(client, job), client.concurrency(models), advance)


async def run_job(client: Client, job: Job) -> Any:
    """One job; its calls are noted in the cache under its item."""
    with calls_for(job.item):
        return await job.work(client, *job.arguments)
