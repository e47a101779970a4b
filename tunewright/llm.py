"""The one model client: every call to a language model goes through here.

Three parts can be exchanged: a store of replies (cache.py), a caller (providers.py: limits, keys, tries, transport;
batches.py for calls that can wait) and an account of calls, tokens and USD with its budget (accounts.py). The client
itself pays once for equal requests, asks again for empty replies and for output that does not fit its schema, and stops
in good order. A run whose answers are all cached imports neither litellm nor aiohttp nor a model.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from tunewright.accounts import Account, Tally, budget_of
from tunewright.batches import Batches
from tunewright.cache import ReplyCache, ReplyStore
from tunewright.carrying import MakeCarrier, carrier_of
from tunewright.config import PARAMS, read_mapping, validate
from tunewright.errors import OfflineMissError, TunewrightError
from tunewright.halt import Halt
from tunewright.items import EmptyReplyError, ItemFailure
from tunewright.json_text import said_value
from tunewright.locations import cache_dir
from tunewright.models import EMBEDDED, BatchAPI, Budget, Connection, LLMSection, ModelSpec, Reply
from tunewright.prompts import ChatMessage
from tunewright.providers import Providers
from tunewright.requests import Request, make_request

EMPTY_REASKS = 2  # an empty reply is asked again this often, under a changed key
NO_WORDS = {  # why a reply can be empty, by its finish reason
    "length": ": max_tokens ran out before a word; raise it, or let the model think less",
    "content_filter": ": the provider's filter took the words",
}
NO_BUDGET = Budget()
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
_about: ContextVar[str] = ContextVar("about", default="")  # the item that the calls of this task are about
_can_wait: ContextVar[bool] = ContextVar("can_wait", default=False)  # whether their replies may come tomorrow


@contextmanager
def calls_for(item: str, can_wait: bool = False) -> Iterator[None]:
    """Calls made inside are about this item (a transcript's id): the cache notes it, so that they can be forgotten.

    `can_wait`: nobody needs their replies soon, so that they go in a batch where the connection has `batch_api`.
    """
    about, wait = _about.set(item), _can_wait.set(can_wait)
    try:
        yield
    finally:
        _about.reset(about)
        _can_wait.reset(wait)


class Caller(Protocol):
    """What answers a request that the store has no reply to."""

    async def call(self, request: Request) -> Reply:
        """A reply; raises ItemFailure when this request cannot be answered, ModelError when none could be."""
        ...


class Client:
    """Calls models through the cache. One per stage run; `close` it at the end."""

    def __init__(
        self,
        connections: dict[str, Connection],
        cache: ReplyStore | None = None,
        caller: Caller | None = None,
        budget: Budget = NO_BUDGET,
        carrier: MakeCarrier | None = None,
    ) -> None:
        self._offline = os.environ.get("TUNEWRIGHT_OFFLINE", "") not in ("", "0")
        self._cache = ReplyCache(cache_dir(), read_only=self._offline) if cache is None else cache
        self.halt = Halt()
        self.providers = Providers(connections, self.halt, carrier)
        self._caller = self.providers if caller is None else caller
        self._account = Account(budget)
        self.batches = Batches(self.providers.connection, self.halt, self._account, self._cache)
        self._has_batches = caller is None
        self._pending: dict[str, asyncio.Future[Reply]] = {}

    @classmethod
    def from_params(cls, params: Path = PARAMS, store: ReplyStore | None = None) -> Client:
        """A client with the connections, the budget (TUNEWRIGHT_BUDGET_USD goes before it) and the runner of a file.

        Under `tunewright plan` one that only counts. `store`: instead of the cache. Raises ConfigError.
        """
        section: Any = read_mapping(params).get("llm") or {}
        if isinstance(section, dict):
            section = {"connections": {}} | {n: section[n] for n in LLMSection.model_fields if section.get(n)}
        found = validate(section, LLMSection, params, "llm")
        if os.environ.get("TUNEWRIGHT_PLAN"):
            return import_module("tunewright.planning").PlanningClient(found.connections)
        return cls(found.connections, store, budget=budget_of(found.budget), carrier=carrier_of(params))

    @property
    def tally(self) -> Tally:
        """What the calls took so far."""
        return self._account.tally

    def _batch_api(self, spec: ModelSpec) -> BatchAPI | None:
        return self.batches.option(spec) if self._has_batches else None

    def in_flight(self, specs: Sequence[ModelSpec], can_wait: bool = False) -> int:
        """How many conversations to have in flight, with these models in them; all where a model takes batches.

        As many as the models together take at once: each waits for one of them, so more would only be begun earlier and
        finished later. Fewer where a connection says so; with an embedded model no more than it has slots, so that a
        conversation finds its prefix there.
        """
        if can_wait and any(self._batch_api(spec) for spec in specs):
            return sys.maxsize
        models = {spec.model: (spec, self.providers.connection(spec)) for spec in specs}
        bounds = [c.conversations for _, c in models.values() if c.conversations]
        bounds += [c.concurrency for spec, c in models.values() if spec.provider == EMBEDDED and not c.conversations]
        return min(bounds) if bounds else max(1, sum(c.concurrency for _, c in models.values()))

    @property
    def n_in_flight(self) -> int:
        """How many requests are out."""
        return sum(service.line.limit.in_flight for _, service in self.providers.services())

    def progress(self, share_done: float) -> str:
        """For the progress bar: USD so far and at the end if it goes on so, requests out and the limits on them."""
        usd = self.tally.usd_text
        if self.tally.usd and share_done and not self.tally.unpriced:
            usd = f"{self.tally.usd:.2f} of about {self.tally.usd / share_done:.2f} USD"
        limits = sum(service.line.limit.limit for _, service in self.providers.services())
        batches = f", {self.batches.n_out} in batches" if self.batches.n_out else ""
        return f"{usd}, {self.n_in_flight}/{limits} in flight{batches}"

    async def complete(
        self, spec: ModelSpec, messages: Sequence[ChatMessage], *, sample: int = 0, schema: dict[str, Any] | None = None
    ) -> Reply:
        """One reply with words in it, from the cache or from the model.

        Raises ItemFailure when this item cannot be answered, ModelError when no item could be.
        """
        why = ""
        for attempt in range(1 + EMPTY_REASKS):
            reply = await self._reply(spec, messages, sample, attempt, schema)
            if reply.text.strip():
                return reply
            why = NO_WORDS.get(reply.finish_reason or "", "")
        raise EmptyReplyError(f"{spec.model} gave an empty reply {1 + EMPTY_REASKS} times{why}")

    async def structured(
        self,
        spec: ModelSpec,
        messages: Sequence[ChatMessage],
        model: type[M],
        *,
        schema: dict[str, Any],
        reasks: int,
        sample: int = 0,
    ) -> M:
        """A reply that fits `model`; one that does not is shown to the model with the fault, `reasks` times."""
        history = list(messages)
        fault = ""
        for _ in range(1 + reasks):
            reply = await self.complete(spec, history, sample=sample, schema=schema)
            try:
                return model.model_validate(parse_json(reply.text))
            except (ValidationError, ValueError) as error:
                fault = _first_fault(error)
                ask = f"That answer cannot be used: {fault}. Answer again with one JSON object that fits the schema."
                history = [*messages, {"role": "assistant", "content": reply.text}, {"role": "user", "content": ask}]
        raise ItemFailure(f"{spec.model} gave no usable answer in {1 + reasks} tries; the last fault: {fault}")

    async def in_turn(self, spec: ModelSpec, calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
        """The results of work that calls one model on one item, in order.

        One after the other, so that each finds its beginning in the provider's prefix cache; all at once where they go
        in batches: else a batch would hold one call of each item.
        """
        if _can_wait.get() and self._batch_api(spec):
            return list(await asyncio.gather(*(call() for call in calls)))
        return [await call() for call in calls]

    def close(self) -> None:
        """Close the cache."""
        self._cache.close()

    async def _reply(
        self, spec: ModelSpec, messages: Sequence[ChatMessage], sample: int, attempt: int, schema: dict[str, Any] | None
    ) -> Reply:
        request, item = make_request(spec, messages, sample, attempt, schema), _about.get()
        key = request.key
        if key in self._pending:  # the same request is already under way: pay once
            self.tally.cached += 1
            reply = await asyncio.shield(self._pending[key])
            self._cache.note_use(key, item)
            return reply
        stored = self._cache.get(key)
        if stored is not None:
            self.tally.cached += 1
            self._cache.note_use(key, item)
            return Reply.model_validate(stored)
        if self._offline:
            raise OfflineMissError(
                f"TUNEWRIGHT_OFFLINE is set and {self._cache.path} has no reply of {spec.model} to a request "
                f"that starts {messages[-1]['content'][:60]!r}; unset it to make the call"
            )
        return await self._ask(request, item)

    async def _ask(self, request: Request, item: str) -> Reply:
        """Make a call; its reply is stored and accounted for before anybody sees it.

        An error that every call would meet halts the run: no new call starts, and those in flight are stored.
        """
        self.halt.check()
        self._cache.ready()
        self._account.before(request)
        option = self._batch_api(request.spec) if _can_wait.get() else None
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._pending[request.key] = future
        try:
            paid = await (self.batches if option else self._caller).call(request)
            kept = self._cache.put(request.key, request.spec.identity, paid.model_dump(), item)
            reply = Reply.model_validate(kept)  # another process may have been first: its reply is the one
            future.set_result(reply)
        except BaseException as error:
            if isinstance(error, TunewrightError):
                self.halt.stop(error)
            future.set_exception(error)
            future.exception()  # mark as seen: there may be nobody else waiting
            raise
        finally:
            del self._pending[request.key]
        self._account.after(request, paid, option.price_factor if option else 1.0)
        if spent := self._account.spent():
            self.halt.stop(spent)
        return reply


def parse_json(text: str) -> Any:
    """The JSON value in a reply, whole or inside one Markdown fence; raises ValueError."""
    text = text.strip()
    if text.startswith("```"):
        text = text.split("\n", 1)[-1].rsplit("```", 1)[0]
    return said_value(text, parse_constant=float)


def _first_fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'answer'}: {first['msg']}"
    return f"not JSON ({error})"
