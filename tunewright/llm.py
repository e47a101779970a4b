"""The one model client: every call to a language model goes through here.

litellm is the provider layer. Around it: a content-addressed cache, bounded retries that honour Retry-After, output
checked against a JSON schema with a bounded number of re-asks, one error or recorded failure for every item, and an
account of calls, tokens and USD in which an unknown price stays unknown. A run whose answers are all cached imports
neither litellm nor a model.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tunewright import serving
from tunewright.cache import ReplyCache
from tunewright.config import PARAMS, read_yaml, validate
from tunewright.durations import call_of, note_duration
from tunewright.errors import ModelSetupError, OfflineMissError
from tunewright.items import ItemFailure
from tunewright.locations import cache_dir
from tunewright.models import EMBEDDED, Connection, LLMSection, ModelSpec, Reply
from tunewright.prompts import ChatMessage
from tunewright.records import digest
from tunewright.weights import Weights, fetch

EMPTY_REASKS = 2  # an empty reply is asked again this often, under a changed key
M = TypeVar("M", bound=BaseModel)
_about: ContextVar[str] = ContextVar("about", default="")  # the item that the calls of this task are about


@contextmanager
def calls_for(item: str) -> Iterator[None]:
    """Calls made inside are about this item (a transcript's id): the cache notes it, so that they can be forgotten."""
    token = _about.set(item)
    try:
        yield
    finally:
        _about.reset(token)


@dataclass
class Tally:
    """Calls and what they cost. `usd` covers the calls whose price is known; the others' models are named."""

    made: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prefix_tokens: int = 0
    usd: float = 0.0
    unpriced: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        usd = (
            f"{self.usd:.4f} USD"
            if not self.unpriced
            else f"USD unknown (no price for {', '.join(sorted(self.unpriced))})"
        )
        prompt = f"{self.prompt_tokens:,} tokens in ({self.prefix_tokens:,} from the prefix cache)"
        tokens = f"{prompt}, {self.completion_tokens:,} out"
        return f"{self.made} model calls made, {self.cached} from the cache; {tokens}; {usd}"


class Client:
    """Calls models through the cache. One per stage run; `close` it at the end."""

    def __init__(self, connections: dict[str, Connection], cache: ReplyCache | None = None) -> None:
        self.tally = Tally()
        self._connections = connections
        self._cache = ReplyCache(cache_dir()) if cache is None else cache
        self._offline = os.environ.get("TUNEWRIGHT_OFFLINE", "") not in ("", "0")
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._pending: dict[str, asyncio.Future[Reply]] = {}
        self._starting = asyncio.Lock()
        self._first_call: float | None = None
        self._called: set[str] = set()

    @classmethod
    def from_params(cls, params: Path = PARAMS) -> Client:
        """A client with the connections of a params file; under `tunewright plan` one that only counts."""
        kind = import_module("tunewright.planning").PlanningClient if os.environ.get("TUNEWRIGHT_PLAN") else cls
        section = (read_yaml(params).get("llm") or {}).get("connections") or {}
        return kind(validate({"connections": section}, LLMSection, params, "llm").connections)

    def connection(self, spec: ModelSpec) -> Connection:
        """The connection of a model's provider; raises ModelSetupError when conf/llm names none."""
        try:
            return self._connections[spec.provider]
        except KeyError:
            known = ", ".join(sorted(self._connections)) or "none"
            raise ModelSetupError(
                f"{spec.model}: no connection for provider {spec.provider!r} in llm.connections (there: {known}); "
                "add one in conf/llm/ and run: make params"
            ) from None

    def concurrency(self, specs: Iterable[ModelSpec]) -> int:
        """How many conversations to have in flight: what the fastest of these models' providers takes at once."""
        return max((self.connection(spec).concurrency for spec in specs), default=1)

    async def complete(
        self, spec: ModelSpec, messages: Sequence[ChatMessage], *, sample: int = 0, schema: dict[str, Any] | None = None
    ) -> Reply:
        """One reply with words in it, from the cache or from the model.

        Raises ItemFailure when this item cannot be answered, ModelError when no item could be.
        """
        for attempt in range(1 + EMPTY_REASKS):
            reply = await self._reply(spec, list(messages), sample, attempt, schema)
            if reply.text.strip():
                return reply
        raise ItemFailure(f"{spec.model} gave an empty reply {1 + EMPTY_REASKS} times")

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

    def close(self) -> None:
        """Close the cache, and keep how long a call took for the next plan."""
        self._cache.close()
        if self.tally.made and self._first_call is not None:
            seconds = (time.monotonic() - self._first_call) / self.tally.made
            for model in self._called:
                note_duration(call_of(model), seconds)

    async def _reply(
        self, spec: ModelSpec, messages: list[ChatMessage], sample: int, attempt: int, schema: dict[str, Any] | None
    ) -> Reply:
        key, item = request_key(spec, messages, sample, attempt, schema), _about.get()
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
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._pending[key] = future
        try:
            reply = await self._call(spec, messages, key, schema)
            self._cache.put(key, spec.identity, reply.model_dump())
            self._cache.note_use(key, item)
            future.set_result(reply)
        except BaseException as error:
            future.set_exception(error)
            future.exception()  # mark as seen: there may be nobody else waiting
            raise
        finally:
            del self._pending[key]
        self._account(spec, reply)
        return reply

    async def _call(
        self, spec: ModelSpec, messages: list[ChatMessage], key: str, schema: dict[str, Any] | None
    ) -> Reply:
        from tunewright import providers  # imports litellm (3 s): only when a call is really made

        connection = self.connection(spec)
        self._first_call = self._first_call or time.monotonic()
        gate = self._gates.setdefault(spec.provider, asyncio.Semaphore(connection.concurrency))
        async with gate:
            endpoint = await self._endpoint(spec, connection)
            return await providers.call(spec, messages, key, schema, connection, endpoint)

    async def _endpoint(self, spec: ModelSpec, connection: Connection) -> serving.Endpoint | None:
        """The embedded server of a model (started on first use, in a thread); None for models that are elsewhere."""
        weights = spec.weights
        if spec.provider != EMBEDDED or weights is None:
            return None
        async with self._starting:  # of several first calls one fetches and starts
            return await asyncio.to_thread(_serve, weights, connection)

    def _account(self, spec: ModelSpec, reply: Reply) -> None:
        from tunewright import providers

        self.tally.made += 1
        self._called.add(spec.model)
        self.tally.prompt_tokens += reply.prompt_tokens or 0
        self.tally.completion_tokens += reply.completion_tokens or 0
        self.tally.prefix_tokens += reply.cached_prompt_tokens or 0
        usd = providers.cost_usd(spec, reply)
        if usd is None:
            self.tally.unpriced.add(spec.model)
        else:
            self.tally.usd += usd


def request_key(
    spec: ModelSpec, messages: Sequence[ChatMessage], sample: int, attempt: int, schema: dict[str, Any] | None
) -> str:
    """The cache key: SHA-256 over all that determines a reply, and nothing about where or how fast it runs."""
    sampling = {"temperature": spec.temperature, "max_tokens": spec.max_tokens}
    return digest([spec.identity, list(messages), sampling, schema, sample, attempt])


def _serve(weights: Weights, connection: Connection) -> serving.Endpoint:
    slots, context = connection.concurrency, connection.context_tokens_per_slot
    return serving.serve(fetch(weights), slots, context, connection.threads, connection.gpu_layers)


def parse_json(text: str) -> Any:
    """The JSON value in a reply, whole or inside one Markdown fence; raises ValueError."""
    text = text.strip()
    if text.startswith("```"):
        text = text.split("\n", 1)[-1].rsplit("```", 1)[0]
    return json.loads(text)


def _first_fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'answer'}: {first['msg']}"
    return f"not JSON ({error})"
