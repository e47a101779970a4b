"""The waiting line before one model: first come, first served, constant work per request.

The head goes when the adaptive limit has room, no pause is on and the caps per minute allow it. After a pause the
line does not go all at once: its requests are spread over a tenth of the pause, from a random moment on, so that they
do not meet those of another process.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from tunewright.halt import Halt
from tunewright.limits import AdaptiveLimit
from tunewright.rates import Rate

SPREAD_SHARE = 0.1  # of a pause, over which what waited is spread
LONGEST_SPREAD_S = 1.0


class Place(NamedTuple):
    """A request that may go: what it was let through under."""

    epoch: int
    tokens: int


class Line:
    """Who may call one model next. Every `enter` is followed by exactly one of succeeded, refused, left."""

    def __init__(
        self,
        limit: AdaptiveLimit,
        requests: Rate | None,
        tokens: Rate | None,
        halt: Halt,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit, self.n_succeeded = limit, 0
        self._requests, self._tokens, self._halt, self._clock = requests, tokens, halt, clock
        self._spread: tuple[Rate, float] | None = None  # after a pause, and until when
        self._waiting: deque[tuple[asyncio.Future[Place], int]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, tokens: int, again: bool = False) -> Place:
        """Wait for one's turn with a request of about this many tokens; `again`: at the head, it has waited before.

        Raises the reason when the run is to stop.
        """
        self._drop_gone()
        if not self._waiting and self.limit.has_room and self._ready_at(now := self._clock()) <= now:
            self._halt.check()
            return self._let(tokens, now)
        waiter: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if again else self._waiting.append)((waiter, tokens))
        self._pump()
        try:
            await self._halt.wait(waiter)
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:  # let through too late
                self.left(waiter.result())
            waiter.cancel()
            raise
        return waiter.result()

    def succeeded(self, place: Place, tokens: int | None) -> None:
        """It was answered, and took this many tokens (None: the provider does not say)."""
        self.n_succeeded += 1
        if self._tokens and tokens is not None:
            self._tokens.correct(tokens - place.tokens)
        self.limit.succeed()
        self.left(place)

    def refused(self, place: Place, retry_after_s: float | None) -> None:
        """The provider said that it is too much."""
        now = self._clock()
        self.limit.refuse(place.epoch, now, retry_after_s)
        self._spread_after(now)
        self.left(place)

    def left(self, place: Place) -> None:
        """It came back some other way."""
        self.limit.leave()
        if self._waiting and self._timer is None:
            self._pump()

    def _let(self, tokens: int, now: float) -> Place:
        if self._requests:
            self._requests.take(1, now)
        if self._tokens:
            self._tokens.take(tokens, now)
        if self._spread:
            self._spread[0].take(1, now)
        return Place(self.limit.enter(), tokens)

    def _ready_at(self, now: float) -> float:
        at = self.limit.resume_at
        if self._requests:
            at = max(at, self._requests.ready_at)
        if self._tokens:
            at = max(at, self._tokens.ready_at)
        if self._spread:
            rate, until = self._spread
            if now < until:
                return max(at, rate.ready_at)
            self._spread = None
        return at

    def _spread_after(self, now: float) -> None:
        pause = self.limit.resume_at - now
        spread_s = min(LONGEST_SPREAD_S, SPREAD_SHARE * pause)
        if spread_s > 0:
            rate = Rate(60.0 * self.limit.limit / spread_s, slack_s=0.0)
            rate.take(0, self.limit.resume_at + random.uniform(0, spread_s / self.limit.limit))
            self._spread = rate, self.limit.resume_at + 2 * spread_s

    def _pump(self) -> None:
        """Let go all that may go now, and come back when the next one may."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        now = self._clock()
        while self._waiting and self.limit.has_room:
            waiter, tokens = self._waiting[0]
            if not waiter.done():
                wait_s = self._ready_at(now) - now
                if wait_s > 0:
                    self._timer = asyncio.get_running_loop().call_later(wait_s, self._pump)
                    return
                waiter.set_result(self._let(tokens, now))
            self._waiting.popleft()

    def _drop_gone(self) -> None:
        while self._waiting and self._waiting[0][0].done():
            self._waiting.popleft()
        if not self._waiting and self._timer:
            self._timer.cancel()
            self._timer = None
