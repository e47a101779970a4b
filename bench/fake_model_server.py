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

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [web.post("/v1/chat/completions", self._chat)]

    def refuses(self, request: web.Request) -> bool:
        """Whether a request has not the key that it should have."""
        return bool(self._api_key) and request.headers.get("Authorization") != f"Bearer {self._api_key}"

    def runner(self, app: web.Application) -> web.AppRunner:
        """What serves the routes."""
        return web.AppRunner(app)

    async def _start(self) -> str:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_routes(self.routes())
        self._runner = self.runner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}/v1"

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        if self.refuses(request):
            return error_body(401, "Incorrect API key provided", {})
        answer = self.script(body)
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        if answer.status != 200:
            return error_body(answer.status, answer.text or "scripted error", answer.headers)
        return web.json_response(completion(body, answer), headers=answer.headers)


def completion(body: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """The body of a reply."""
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


def error_body(status: int, text: str, headers: dict[str, str]) -> web.Response:
    """The response of a request that was not answered."""
    kind = {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(status, "error")
    body = {"error": {"message": text, "type": kind, "code": kind}}
    return web.Response(status=status, text=json.dumps(body), content_type="application/json", headers=headers)
