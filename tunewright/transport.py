"""One request to a server that speaks the OpenAI chat protocol, over aiohttp and nothing else.

For vLLM, llama.cpp, Ollama and their like a provider layer translates nothing, and costs ten times the request
(`python -m bench.throughput`). Importing this module imports aiohttp and not litellm.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from tunewright.errors import ModelSetupError
from tunewright.faults import Fault, error_words, fault_in_body, http_fault, malformed, one_line, refuse_role
from tunewright.keys import hide_in_reason, hide_in_reply
from tunewright.models import Connection, Reply
from tunewright.requests import Request, Target

KEEP_ALIVE_S = 4.0  # below uvicorn's 5: else a request now and then meets a connection that is just being closed
THOUGHT = re.compile(r"\A\s*<(think|thinking)>.*?</\1>", re.DOTALL)  # some servers leave the reasoning in the reply
_open: dict[asyncio.AbstractEventLoop, tuple[aiohttp.ClientSession, AsyncGenerator[aiohttp.ClientSession]]] = {}


async def send(request: Request, connection: Connection, target: Target) -> Reply:
    """Make one request; raises Fault, or ModelSetupError when the address can never work."""
    session, url = await _session(), f"{target.api_base}/chat/completions"
    headers = {"Authorization": f"Bearer {target.api_key}", "Content-Type": "application/json"}
    secrets = [target.api_key]
    try:
        async with session.post(
            url, data=_body(request, target), headers=headers, proxy=_proxy(url), timeout=_timeout(connection.timeout_s)
        ) as response:
            content = await response.read()
    except TimeoutError:
        raise Fault(f"no answer in {connection.timeout_s:g} s", may_pass=True) from None
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
        raise ModelSetupError(f"{request.spec.model}: {target.api_base!r} in llm.connections is no address") from None
    except (aiohttp.ClientError, OSError) as error:
        words = one_line(str(error) or type(error).__name__, secrets)
        raise Fault(f"no connection to {target.api_base}, or it broke ({words})", may_pass=True) from None
    text = content.decode("utf-8", "replace")
    if response.status != 200:
        raise http_fault(response.status, error_words(text) or str(response.reason), response.headers, secrets)
    return read_reply(text, secrets)


def _body(request: Request, target: Target) -> bytes:
    spec = request.spec
    body: dict[str, Any] = {"model": target.model, "max_tokens": spec.max_tokens}
    if spec.temperature is not None:
        body["temperature"] = spec.temperature
    if request.schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": request.schema}}
    if spec.provider != "openai":  # local servers sample by it: the same request, the same draw
        body["seed"] = int(request.key[:7], 16)
    return f'{json.dumps(body, ensure_ascii=False)[:-1]}, "messages": {request.messages_json}}}'.encode()


def read_reply(text: str, secrets: Sequence[str]) -> Reply:
    """The reply in a body with status 200; raises the fault that is tried again when there is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise malformed(f"the response is not JSON: {one_line(text, secrets)[:80]!r}", secrets) from None
    try:
        choice, usage = value["choices"][0], value.get("usage") or {}
        refuse_role(choice["message"].get("role"), secrets)
        return Reply(
            text=THOUGHT.sub("", hide_in_reply(choice["message"]["content"] or "", secrets)),
            finish_reason=hide_in_reason(choice.get("finish_reason"), secrets),
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=usage.get("completion_tokens"),
            cached_prompt_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise fault_in_body(text, secrets) from None


async def _session() -> aiohttp.ClientSession:
    """The one session of this event loop, which closes with it."""
    loop = asyncio.get_running_loop()
    if loop not in _open:
        generator = _session_of(loop)
        _open[loop] = await anext(generator), generator
    return _open[loop][0]


async def _session_of(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[aiohttp.ClientSession]:
    """A generator, because a loop that ends closes its generators: nobody has to remember the session."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)  # no limit: the line's is the one
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session
    finally:
        del _open[loop]


@lru_cache(maxsize=16)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds)


@lru_cache(maxsize=16)
def _proxy(url: str) -> str | None:
    """The proxy that the environment names for an address; none for this machine itself."""
    parts = urlsplit(url)
    if parts.hostname in ("localhost", "127.0.0.1", "::1") or proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)
