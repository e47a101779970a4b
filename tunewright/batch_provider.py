"""Files and batches of a provider, through litellm: upload requests, begin a batch, look at it, read its results.

Importing this module imports litellm, which takes seconds; only `tunewright.batch_run` does, and only for a batch.
What asks the provider raises Fault. litellm's plain functions run in threads: its asynchronous ones leave an open
client behind every call, and a coroutine that nobody awaits when a run stops.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else the import fetches a price list

import litellm
import openai
from litellm.utils import get_optional_params

from tunewright.batch_lines import ENDPOINT, Results, read_results, request_line
from tunewright.faults import one_line
from tunewright.keys import Keys
from tunewright.models import Connection, ModelSpec
from tunewright.requests import Request
from tunewright.through_litellm import fault_of

ENDED = ("completed", "failed", "expired", "cancelled")
LISTED = 100  # of the latest batches, among which one is looked for


class Look(NamedTuple):
    """What a look at a batch showed."""

    status: str
    files: tuple[str, ...]  # with results, once it has ended
    words: str  # why it failed, where it did


class BatchProvider:
    """The Batch API of one model's provider, under the first of its keys: a batch belongs to one account."""

    def __init__(self, spec: ModelSpec, connection: Connection) -> None:
        self.model, self._provider = spec.model, spec.provider
        self._key = Keys(connection.key_names[:1], spec.model).take(0.0)[1]
        self._where: dict[str, Any] = {
            "custom_llm_provider": spec.provider, "api_key": self._key, "timeout": connection.timeout_s,
            "max_retries": 0,
        }  # fmt: skip
        if connection.api_base:
            self._where["api_base"] = connection.api_base

    def line(self, request: Request) -> bytes:
        """A request as a line of a batch."""
        return request_line(request.key, self.body(request))

    def body(self, request: Request) -> dict[str, Any]:
        """A request as this model takes it: newer ones have other names for `max_tokens`, which litellm knows."""
        spec, name = request.spec, request.spec.model.split("/", 1)[1]
        asked: dict[str, Any] = {"max_tokens": spec.max_tokens}
        if spec.temperature is not None:
            asked["temperature"] = spec.temperature
        if self._provider == "hosted_vllm":  # as in `transport`: the same request, the same draw
            asked["seed"] = int(request.key[:7], 16)
        if request.schema is not None:
            schema = {"name": "answer", "schema": request.schema}
            asked["response_format"] = {"type": "json_schema", "json_schema": schema}
        taken: dict[str, Any] = get_optional_params(
            model=name, custom_llm_provider=self._provider, drop_params=True, **asked
        )
        sent = {key: value for key, value in taken.items() if key not in ("stream", "extra_body")}
        return {"model": name, "messages": request.messages} | sent | (taken.get("extra_body") or {})

    async def upload(self, lines: bytes) -> str:
        """The id of a new file with these requests."""
        file = ("requests.jsonl", lines)
        return (await self._ask(litellm.create_file, file=file, purpose="batch")).id

    async def begin(self, input_file: str, window: Any) -> str:
        """The id of a new batch of an uploaded file."""
        arguments = {"completion_window": window, "endpoint": ENDPOINT, "input_file_id": input_file}
        return (await self._ask(litellm.create_batch, **arguments)).id

    async def find(self, input_file: str) -> str | None:
        """The id of the batch of an uploaded file among the latest; None where there is none."""
        listed = await self._ask(litellm.list_batches, limit=LISTED)
        return next((batch.id for batch in listed.data if batch.input_file_id == input_file), None)

    async def look(self, batch: str) -> Look:
        """How far a batch is."""
        quiet = {"batch_ignore_default_logging": True}  # else litellm fetches the results to add up their price
        seen = await self._ask(litellm.retrieve_batch, batch_id=batch, litellm_metadata=quiet)
        files = tuple(filter(None, (seen.output_file_id, seen.error_file_id))) if seen.status in ENDED else ()
        faults = seen.errors.data if seen.errors and seen.errors.data else []
        return Look(
            seen.status, files, one_line("; ".join(error.message or error.code or "" for error in faults), [self._key])
        )

    async def results(self, file: str) -> Results:
        """What a file of results holds."""
        content = await self._ask(litellm.file_content, file_id=file)
        return read_results(content.text, [self._key])

    async def _ask(self, function: Callable[..., Any], **arguments: Any) -> Any:
        try:
            return await asyncio.to_thread(function, **arguments, **self._where)
        except openai.OpenAIError as error:
            raise fault_of(error, [self._key]) from None
