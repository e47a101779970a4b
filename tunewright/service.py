"""One model at one provider: its waiting line, its keys, and the tries of a request.

A 429 halves the limit and is asked again; it costs a try only when nothing else got through meanwhile, so that a
rate limit loses no request. Other passing faults cost a try and back off with full jitter, and leave the limit alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable

from tunewright.faults import Fault, final
from tunewright.halt import Halt
from tunewright.keys import Keys
from tunewright.limits import AdaptiveLimit
from tunewright.line import Line, Place
from tunewright.models import Connection, Reply
from tunewright.plain import plain
from tunewright.rates import Rate
from tunewright.requests import Request, Target
from tunewright.terminal import console

Send = Callable[[Request, Connection, Target], Awaitable[Reply]]
Locate = Callable[[str], Awaitable[Target]]  # from a key to where the request goes

BACKOFF_CEILING_S = 60.0
KEY_REST_S = 1.0  # of a key that had enough and was told no time
REFUSALS_PER_TRY = 20  # a request that is refused this much more often than it may fail is itself the trouble


class Service:
    """Calls one model; every request ends as a reply or as the error that says what is wrong."""

    def __init__(self, model: str, connection: Connection, send: Send, locate: Locate, halt: Halt) -> None:
        self._model, self._connection, self._send, self._locate, self._halt = model, connection, send, locate, halt
        caps = (connection.requests_per_minute, connection.tokens_per_minute)
        requests, tokens = (Rate(cap) if cap else None for cap in caps)
        self.line = Line(AdaptiveLimit(connection.concurrency), requests, tokens, halt)
        self._keys = Keys(connection.key_names, model)
        self._counts_tokens = tokens is not None
        self._n_replies, self._completion_tokens = 0, 0

    async def call(self, request: Request) -> Reply:
        """A reply, in up to `attempts` tries where trying again can help.

        Raises ModelAuthError or ModelSetupError when no request could succeed, ItemFailure when this one cannot, and
        the reason for stopping when the run stops before the request went out.
        """
        tries, refusals, tokens = 0, 0, self._guess(request)
        attempts = self._connection.attempts
        while True:
            place = await self.line.enter(tokens, again=tries + refusals > 0)
            n_succeeded = self.line.n_succeeded
            name, key = self._keys.take(time.monotonic())
            try:
                return await self._try(request, place, key)
            except Fault as caught:
                fault = caught
            if fault.is_refusal:
                refusals += 1
                another_key = self._make_way(fault, place, name)
                tries += not another_key and self.line.n_succeeded == n_succeeded
            else:
                self.line.left(place)
                if fault.is_about_key and self._drop(name, fault):
                    continue
                tries += 1
            if not fault.may_pass or tries >= attempts or refusals >= REFUSALS_PER_TRY * attempts:
                raise final(fault, self._model, self._keys.names, tries)
            if not fault.is_refusal:
                await self._halt.sleep(backoff_s(fault, tries))

    async def _try(self, request: Request, place: Place, key: str) -> Reply:
        try:
            reply = await self._send(request, self._connection, await self._locate(key))
        except Fault:
            raise
        except BaseException:
            self.line.left(place)
            raise
        self.line.succeeded(place, self._count(reply))
        return reply

    def _make_way(self, fault: Fault, place: Place, key: str | None) -> bool:
        """After a 429: let the key rest; where no other can take over, cut the limit. Whether another can."""
        now = time.monotonic()
        wait_s = KEY_REST_S if fault.retry_after_s is None else fault.retry_after_s
        if self._keys.rest(key, now + wait_s, now):
            self.line.left(place)
            return True
        self.line.refused(place, fault.retry_after_s)
        return False

    def _drop(self, key: str | None, fault: Fault) -> bool:
        """Use a refused key no more; whether there is another."""
        was = len(self._keys)
        other = self._keys.drop(key)
        if other and len(self._keys) < was:
            console.print(
                plain(f"  {self._model}: ${key} was refused and is used no more ({fault.words})"), markup=False
            )
        return other

    def _guess(self, request: Request) -> int:
        """About how many tokens a request will take: a quarter of its characters, and a reply of usual length."""
        if not self._counts_tokens:
            return 0
        usual = self._completion_tokens // self._n_replies if self._n_replies else request.spec.max_tokens
        return request.prompt_tokens_guess + usual

    def _count(self, reply: Reply) -> int | None:
        if reply.prompt_tokens is None or reply.completion_tokens is None:
            return None
        self._n_replies += 1
        self._completion_tokens += reply.completion_tokens
        return reply.prompt_tokens + reply.completion_tokens


def backoff_s(fault: Fault, tries: int) -> float:
    """Seconds until the next try: what the server asks for, else exponential with full jitter."""
    if fault.retry_after_s is not None:
        return fault.retry_after_s
    return random.uniform(0.1, min(BACKOFF_CEILING_S, 0.5 * 2**tries))
