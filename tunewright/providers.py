"""One call to a provider through litellm: arguments, retries, errors, price.

Importing this module imports litellm, which takes seconds; only `tunewright.llm` does, and only to make a call.
"""

from __future__ import annotations

import logging
import os
import random
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else the import fetches a price list

import litellm
import openai  # litellm's exceptions derive from openai's
from litellm.exceptions import (
    APIConnectionError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    Timeout,
)
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from tunewright.errors import ModelAuthError, ModelSetupError
from tunewright.items import ItemFailure
from tunewright.models import Connection, ModelSpec, Reply
from tunewright.prompts import ChatMessage
from tunewright.serving import Endpoint

litellm.suppress_debug_info = True
litellm.drop_params = True
logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)

RETRY_CEILING_S = 60.0


class MalformedResponse(Exception):
    """A response with status 200 that holds no reply, such as an error body behind a proxy."""


async def call(
    spec: ModelSpec,
    messages: list[ChatMessage],
    key: str,
    schema: dict[str, Any] | None,
    connection: Connection,
    endpoint: Endpoint | None,
) -> Reply:
    """Make one request, with up to `connection.attempts` tries where trying again can help.

    Raises ModelAuthError or ModelSetupError when no request could succeed, ItemFailure when this one cannot.
    """
    arguments = _arguments(spec, messages, key, schema, connection, endpoint)
    secret = str(arguments["api_key"])
    retrying = AsyncRetrying(
        retry=retry_if_exception(_may_pass), stop=stop_after_attempt(connection.attempts), wait=_wait, reraise=True
    )
    try:
        async for attempt in retrying:
            with attempt:
                return _reply(await litellm.acompletion(**arguments))
    except (openai.OpenAIError, MalformedResponse) as error:
        raise _final(error, spec, connection, secret) from None
    raise AssertionError("the retry loop ended without a reply or an error")


def _may_pass(error: BaseException) -> bool:
    """Whether the same request can succeed later: no connection, too slow, too many requests, the server's fault.

    By status and not by litellm's classes, which map one status to different classes by provider.
    """
    if isinstance(error, ContextWindowExceededError | ContentPolicyViolationError):
        return False
    status = _status(error)
    by_kind = isinstance(error, Timeout | APIConnectionError | MalformedResponse)
    return by_kind or status in (408, 409, 429) or (status is not None and status >= 500)


def _status(error: BaseException) -> int | None:
    try:
        return int(getattr(error, "status_code", None) or 0) or None
    except (TypeError, ValueError):
        return None


def _final(error: Exception, spec: ModelSpec, connection: Connection, secret: str) -> Exception:
    """What a failed call means: the key, the account or the model (for every item), or this item alone."""
    status, words = _status(error), _short(error, secret)
    if status in (401, 403):
        where = f" in ${connection.api_key_env}" if connection.api_key_env else ""
        return ModelAuthError(
            f"{spec.model}: the provider refused the key{where} ({words}); "
            "set a valid one and run again: finished calls are in the cache"
        )
    if status == 402:
        return ModelSetupError(f"{spec.model}: the provider wants payment ({words}); finished calls are in the cache")
    if status == 404:
        return ModelSetupError(f"{spec.model}: the provider knows no such model ({words}); edit conf/llm/")
    if _may_pass(error):
        return ItemFailure(f"{spec.model} failed {connection.attempts} times: {words}")
    return ItemFailure(f"{spec.model} refused the request: {words}")


def _arguments(
    spec: ModelSpec,
    messages: list[ChatMessage],
    key: str,
    schema: dict[str, Any] | None,
    connection: Connection,
    endpoint: Endpoint | None,
) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model": spec.model,
        "messages": messages,
        "max_tokens": spec.max_tokens,
        "timeout": connection.timeout_s,
        "num_retries": 0,  # ours, above
    }
    if spec.temperature is not None:
        arguments["temperature"] = spec.temperature
    if schema is not None:
        arguments["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    if endpoint is not None:
        arguments |= {"model": f"hosted_vllm/{spec.model.split('/', 1)[1]}"}
        arguments |= {"api_base": endpoint.api_base, "api_key": endpoint.api_key}
    else:
        arguments |= {"api_key": _api_key(spec, connection)}
        if connection.api_base:
            arguments["api_base"] = connection.api_base
    if arguments["model"].startswith("hosted_vllm/"):
        arguments["seed"] = int(key[:7], 16)  # local servers sample by it: the same request, the same draw
    return arguments


def _api_key(spec: ModelSpec, connection: Connection) -> str:
    if connection.api_key_env is None:
        return "no-key-needed"  # a local server; litellm wants some text
    value = os.environ.get(connection.api_key_env, "")
    if not value:
        raise ModelSetupError(
            f"{spec.model}: ${connection.api_key_env} is not set; export it, or use the embedded model: "
            "dvc exp run -S llm=embedded"
        )
    return value


def _wait(state: RetryCallState) -> float:
    """Seconds until the next try: the server's Retry-After, else exponential with full jitter."""
    error = state.outcome.exception() if state.outcome else None
    named = _retry_after_s(error)
    if named is not None:
        return min(named, RETRY_CEILING_S)
    return random.uniform(0.1, min(RETRY_CEILING_S, 0.5 * 2**state.attempt_number))


def _retry_after_s(error: BaseException | None) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None) or getattr(
        error, "litellm_response_headers", None
    )
    try:
        return max(0.0, float(headers["retry-after"])) if headers and "retry-after" in headers else None
    except ValueError:
        return None  # the HTTP-date form: back off by our own rule


def _reply(response: Any) -> Reply:
    if not getattr(response, "choices", None):
        raise MalformedResponse("the response holds no choices")
    choice, usage = response.choices[0], getattr(response, "usage", None)
    details = getattr(usage, "prompt_tokens_details", None)
    return Reply(
        text=choice.message.content or "",
        finish_reason=choice.finish_reason,
        prompt_tokens=getattr(usage, "prompt_tokens", None),
        completion_tokens=getattr(usage, "completion_tokens", None),
        cached_prompt_tokens=getattr(details, "cached_tokens", None),
    )


def cost_usd(spec: ModelSpec, reply: Reply) -> float | None:
    """What a reply cost in USD, or None when the price or the token counts are not known."""
    if reply.prompt_tokens is None or reply.completion_tokens is None:
        return None
    if spec.price is not None:
        dollars = (
            reply.prompt_tokens * spec.price.input_usd_per_mtok
            + reply.completion_tokens * spec.price.output_usd_per_mtok
        )
        return dollars / 1e6
    try:
        prompt, completion = litellm.cost_per_token(
            model=spec.model, prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens
        )
    except Exception:  # litellm raises a bare Exception for a model that its list does not have
        return None
    return float(prompt + completion) or None


def _short(error: Exception, secret: str) -> str:
    """The provider's own words, one line, without litellm's prefixes and without the key, which some repeat."""
    text = " ".join(str(getattr(error, "message", error)).split())
    return text.replace(secret, "(key)").removeprefix("litellm.").strip()[:300]
