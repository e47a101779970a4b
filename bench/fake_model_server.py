"""A scripted model server that speaks the OpenAI chat protocol over real HTTP, for tests and benchmarks.

It stands at the network's edge: the real client, litellm included, talks to it. A script (a function from the request
body to an Answer) decides every reply; every request is kept for the test to look at.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Answer:
    """One HTTP response: a reply's text (None: status 200 without choices), or with another status an error body."""

    text: str | None = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    finish_reason: str = "stop"
    delay_s: float = 0.0
    prompt_tokens: int = 10
    completion_tokens: int = 5


Script = Callable[[dict[str, Any]], Answer]


class FakeModelServer:
    """Serves on a free loopback port in a thread of its own; use as a context manager."""

    def __init__(self, script: Script, api_key: str | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        self.script = script
        self._api_key = api_key
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _start(self) -> str:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}/v1"

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append(body)
        if self._api_key and request.headers.get("Authorization") != f"Bearer {self._api_key}":
            return _error(401, "Incorrect API key provided", {})
        answer = self.script(body)
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        if answer.status != 200:
            return _error(answer.status, answer.text or "scripted error", answer.headers)
        return web.json_response(_completion(body, answer), headers=answer.headers)


def _completion(body: dict[str, Any], answer: Answer) -> dict[str, Any]:
    total = answer.prompt_tokens + answer.completion_tokens
    message = {"role": "assistant", "content": answer.text}
    choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason}
    return {
        "id": "fake",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model", "fake"),
        "choices": [] if answer.text is None else [choice],
        "usage": {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "total_tokens": total,
        },
    }


def _error(status: int, text: str, headers: dict[str, str]) -> web.Response:
    kind = {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(status, "error")
    body = {"error": {"message": text, "type": kind, "code": kind}}
    return web.Response(status=status, text=json.dumps(body), content_type="application/json", headers=headers)
