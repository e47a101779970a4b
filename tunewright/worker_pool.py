"""Workers that come and go: each request goes to the idlest that lives, and to another one when that is lost.

Knows nothing of what a worker is; ray_runner.py gives it Ray's. A worker that is lost takes with it only the requests
that were out: they are made again, and that is all that is ever paid twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from tunewright.errors import RunnerError
from tunewright.halt import Halt
from tunewright.models import Connection, Reply
from tunewright.requests import Request, Target
from tunewright.terminal import console

T = TypeVar("T")
LOSSES = 3  # a request that loses its worker this often is itself the trouble: it would go on to lose them all
GO_ON = "finished calls are in the cache: run the same command again, or with: dvc exp run -S runner=local"


class WorkerLostError(Exception):
    """A worker, or the machine that it was on, is gone; the text says why."""


class Worker(Protocol):
    """Somebody else who makes requests."""

    async def ready(self) -> None:
        """Return when it can begin; raises WorkerLostError."""
        ...

    async def send(self, request: Request, connection: Connection, target: Target) -> Reply:
        """Make one request; raises what a transport raises, and WorkerLostError."""
        ...

    def stop(self) -> None:
        """Take no more; what it has in hand is not wanted."""
        ...


class Pool:
    """The workers that live, and how many requests each has in hand. Of one event loop."""

    def __init__(self, make: Callable[[], Worker], n_workers: int, start_timeout_s: float, halt: Halt) -> None:
        """Begin to start `n_workers`; those that have begun work while others wait for room on the cluster."""
        self._make, self._start_timeout_s, self._halt = make, start_timeout_s, halt
        self._in_hand: dict[Worker, int] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._last_loss = "none has begun"
        for _ in range(n_workers):
            self._begin()

    @property
    def n_workers(self) -> int:
        """How many are ready for requests."""
        return len(self._in_hand)

    async def send(self, request: Request, connection: Connection, target: Target) -> Reply:
        """A reply by some worker; raises what a transport raises, and RunnerError when there is no worker for it."""
        for _ in range(LOSSES):
            worker = await self._idlest()
            self._in_hand[worker] += 1
            try:
                return await worker.send(request, connection, target)
            except WorkerLostError as loss:
                self._lose(worker, loss)
            finally:
                if worker in self._in_hand:
                    self._in_hand[worker] -= 1
        raise RunnerError(
            f"{request.spec.model}: {LOSSES} workers were lost with the same request ({self._last_loss}), which starts "
            f"{request.messages[-1]['content'][:60]!r}; {GO_ON}"
        )

    async def _idlest(self) -> Worker:
        """The worker with the fewest requests in hand; waits for the first to begin. Raises RunnerError."""
        while not self._in_hand and self._starting:
            starting = tuple(self._starting)  # as it is now: those that end take themselves out
            first = asyncio.wait(starting, timeout=self._start_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            done, _ = await self._unless_halted(first)
            if not done:
                raise RunnerError(
                    f"no worker began within {self._start_timeout_s:g} s (runner.start_timeout_s): the cluster has no "
                    f"room for one (ray status tells), or {self._last_loss}; {GO_ON}"
                )
        if not self._in_hand:
            raise RunnerError(f"every worker was lost, the last one so: {self._last_loss}; {GO_ON}")
        return min(self._in_hand, key=self._in_hand.__getitem__)

    async def _unless_halted(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of some waiting; raises the reason when the run is to stop first."""
        task = asyncio.ensure_future(work)
        try:
            return await self._halt.wait(asyncio.shield(task))
        finally:
            task.cancel()

    def _begin(self) -> None:
        task = asyncio.ensure_future(self._start(self._make()))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _start(self, worker: Worker) -> None:
        try:
            await worker.ready()
        except WorkerLostError as loss:
            self._last_loss = str(loss)
            return
        self._in_hand[worker] = 0

    def _lose(self, worker: Worker, loss: WorkerLostError) -> None:
        """Count a worker out, once for all that it had in hand, and ask for another in its place."""
        self._last_loss = str(loss)
        if worker in self._in_hand:
            n = self._in_hand.pop(worker)
            worker.stop()
            self._begin()
            console.print(f"  a worker was lost ({loss}); others make its {n} requests", markup=False)
