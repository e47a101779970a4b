"""One request through litellm: for every provider that does not speak the plain OpenAI chat protocol.

Importing this module imports litellm, which takes seconds; only `tunewright.providers` does, and only to make a call.
"""

from __future__ import annotations

import gc
import logging
import os
import warnings
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else the import fetches a price list

import litellm
import openai  # litellm's exceptions derive from openai's
from litellm.exceptions import ContentPolicyViolationError, ContextWindowExceededError

from tunewright.faults import Fault, http_fault, malformed, one_line, refuse_role, told_with_200
from tunewright.keys import hide_in_reason, hide_in_reply
from tunewright.models import Connection, ModelSpec, Reply
from tunewright.requests import Request, Target

NO_CODE = 422  # what litellm puts for an error inside a 200 that names no code

litellm.suppress_debug_info = True
litellm.drop_params = True
logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", "Item .* is using the `ReadOnly` qualifier")  # its types against pydantic, at a call

gc.collect()
gc.freeze()  # its million objects never go: looking through them again and again cost each call a tenth


async def send(request: Request, connection: Connection, target: Target) -> Reply:
    """Make one request; raises Fault."""
    try:
        response = await litellm.acompletion(**_arguments(request, connection, target))
    except openai.OpenAIError as error:
        raise fault_of(error, [target.api_key]) from None
    return _reply(response, [target.api_key])


def register(spec: ModelSpec) -> None:
    """Tell litellm the price that conf gives a model: once, else it looks for one at every call."""
    if spec.price is not None and spec.model not in litellm.model_cost:
        price = {
            "input_cost_per_token": spec.price.input_usd_per_mtok / 1e6,
            "output_cost_per_token": spec.price.output_usd_per_mtok / 1e6,
            "litellm_provider": spec.provider,
            "mode": "chat",
        }
        litellm.register_model({spec.model: price})


def _arguments(request: Request, connection: Connection, target: Target) -> dict[str, Any]:
    spec = request.spec
    arguments: dict[str, Any] = {
        "model": target.model,
        "messages": request.messages,
        "max_tokens": spec.max_tokens,
        "timeout": connection.timeout_s,
        "api_key": target.api_key,
        "num_retries": 0,  # ours
    }
    if spec.temperature is not None:
        arguments["temperature"] = spec.temperature
    if request.schema is not None:
        schema = {"name": "answer", "schema": request.schema}
        arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
    if target.api_base:
        arguments["api_base"] = target.api_base
    return arguments


def fault_of(error: openai.OpenAIError, secrets: list[str]) -> Fault:
    """What went wrong, by status and not by litellm's classes, which map one status to others with each provider."""
    words = str(getattr(error, "message", error)).removeprefix("litellm.").strip()
    status = _status(error)
    if isinstance(error, ContextWindowExceededError | ContentPolicyViolationError):
        return Fault(one_line(words, secrets), status)
    inside = error.__context__
    if type(inside) is Exception:  # litellm's own for an error inside a response with status 200, which it maps to 400
        code = getattr(inside, "status_code", None)
        return told_with_200(getattr(inside, "message", str(inside)), None if code == NO_CODE else code, secrets)
    if status == 200:  # half of one, or one without choices
        return malformed(words, secrets)
    if status is None or isinstance(error, openai.APIConnectionError):  # a timeout is one too
        return Fault(one_line(words, secrets), status, may_pass=isinstance(error, openai.APIConnectionError))
    return http_fault(status, words, _headers(error), secrets)


def _status(error: openai.OpenAIError) -> int | None:
    try:
        return int(getattr(error, "status_code", None) or 0) or None
    except (TypeError, ValueError):
        return None


def _headers(error: openai.OpenAIError) -> Mapping[str, str]:
    response = getattr(error, "response", None)
    return getattr(response, "headers", None) or getattr(error, "litellm_response_headers", None) or {}


def _reply(response: Any, secrets: list[str]) -> Reply:
    if not getattr(response, "choices", None):
        raise malformed("the response holds no choices", secrets)
    choice, usage = response.choices[0], getattr(response, "usage", None)
    refuse_role(choice.message.role, secrets)
    details = getattr(usage, "prompt_tokens_details", None)
    return Reply(
        text=hide_in_reply(choice.message.content or "", secrets),
        finish_reason=hide_in_reason(choice.finish_reason, secrets),
        prompt_tokens=getattr(usage, "prompt_tokens", None),
        completion_tokens=getattr(usage, "completion_tokens", None),
        cached_prompt_tokens=getattr(details, "cached_tokens", None),
    )
