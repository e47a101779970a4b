"""Stopping in good order: no new call starts, those in flight come back and are stored.

A budget, a signal and an error that every call would meet (a revoked key) stop a run in the same way.
"""

from __future__ import annotations

import asyncio
import copy
from typing import TypeVar

from tunewright.errors import TunewrightError

T = TypeVar("T")


class Halt:
    """Says that a run is to stop, and wakes all that wait to start something."""

    def __init__(self) -> None:
        self.error: TunewrightError | None = None
        self._waiting: set[asyncio.Future] = set()

    def stop(self, error: TunewrightError) -> None:
        """From now on nothing new starts; the first reason stays."""
        if self.error is None:
            self.error = error
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(copy.copy(self.error))

    def check(self) -> None:
        """Raise the reason for stopping, if there is one."""
        if self.error is not None:
            raise copy.copy(self.error)  # a copy: a raised exception holds the frames that it went through

    async def wait(self, waiter: asyncio.Future[T]) -> T:
        """The result of a future that would let something start; raises the reason when the run is to stop first."""
        self.check()
        self._waiting.add(waiter)
        try:
            return await waiter
        finally:
            self._waiting.discard(waiter)

    async def sleep(self, seconds: float) -> None:
        """Wait before starting something; raises the reason when the run is to stop."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        timer = loop.call_later(seconds, lambda: waiter.done() or waiter.set_result(None))
        try:
            await self.wait(waiter)
        finally:
            timer.cancel()
