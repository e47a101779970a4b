"""A model server that says back the key it was sent, wherever a response has room for it: what a proxy that logs too
much, a wrong address or a careless provider does.

It speaks OpenAI's chat protocol, Anthropic's messages, and to everything else (Gemini, the Hub) it gives an error.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

from aiohttp import web

from bench.fake_model_server import FakeModelServer, Script, completion

KINDS = ("429", "500 in HTML", "no choices", "no JSON", "400 of many words", "reply", "reply", "plain reply")


class EchoServer(FakeModelServer):
    """`revoked`: a key that is refused after ten requests, with an error that names it."""

    def __init__(self, script: Script, revoked: str = "") -> None:
        super().__init__(script)
        self.said: Counter[str] = Counter()  # how often a key was said back, by where
        self._revoked, self._n, self._tries = revoked, 0, Counter[str]()

    def routes(self) -> list[web.RouteDef]:
        """All that is there."""
        chat, messages = web.post("/v1/chat/completions", self._chat), web.post("/v1/messages", self._messages)
        return [chat, messages, web.route("*", "/{rest:.*}", self._anything)]

    async def _chat(self, request: web.Request) -> web.Response:
        body, key = await request.json(), request.headers.get("Authorization", "")
        self.requests.append(body)
        self._n += 1
        if self._revoked and self._revoked in key and self._n > 10:
            return self._error("401", 401, f"Incorrect API key provided: {key}. You sent {dict(request.headers)}", key)
        asked = json.dumps(body["messages"])
        self._tries[asked] += 1
        kind = KINDS[self._n % len(KINDS)] if self._tries[asked] == 1 else "reply"
        if kind == "400 of many words" and "response_format" not in body:
            kind = "reply"  # a refused message ends a conversation; a refused question does not
        return self._response(kind, body, key)

    def _response(self, kind: str, body: dict[str, Any], key: str) -> web.Response:
        if kind == "429":
            return self._error(kind, 429, f"slow down, {key}", key, {"Retry-After": "0"})
        if kind == "400 of many words":
            return self._error(kind, 400, "word " * 56 + key, key)  # the message is cut inside the key
        if kind == "500 in HTML":
            self.said[kind] += bool(key)
            return web.Response(
                status=500, text=f"<pre>GET / HTTP/1.1\r\nAuthorization: {key}</pre>", content_type="text/html"
            )
        if kind == "no JSON":
            self.said[kind] += bool(key)
            return web.Response(text=f"<html><body>{'x' * 25} your request: {key}")
        answer = self.script(body)
        if kind == "no choices":
            self.said[kind] += bool(key)
            return web.json_response({"error": {"message": f"no route for {key}"}, "choices": []})
        if kind == "reply":
            self.said[kind] += bool(key)
            answer = replace(answer, text=_with(answer.text or "", key))
        return web.json_response(completion(body, answer), headers={"X-Your-Key": key})

    async def _messages(self, request: web.Request) -> web.Response:
        """Anthropic's protocol, through litellm: an error first, then a reply, both with the key."""
        body, key = await request.json(), request.headers.get("x-api-key", "")
        self._n += 1
        if self._n % 2:
            return self._error("Anthropic's error", 529, f"overloaded: x-api-key: {key}", key)
        system = body.get("system", "")
        text = system if isinstance(system, str) else "".join(part["text"] for part in system)
        said = self.script({"messages": [{"role": "system", "content": text}, *_plain(body["messages"])]}).text or ""
        self.said["Anthropic's reply"] += bool(key)
        content = [{"type": "text", "text": _with(said, key)}]
        usage = {"input_tokens": 5, "output_tokens": 5}
        return web.json_response(
            {"id": "m", "type": "message", "role": "assistant", "model": body["model"], "content": content,
             "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
        )  # fmt: skip

    async def _anything(self, request: web.Request) -> web.Response:
        sent = f"{request.method} {request.path_qs} {dict(request.headers)}"
        key = "".join(filter(None, (request.headers.get("Authorization"), request.headers.get("x-goog-api-key"))))
        kind, headers = request.path.split("/")[1] or "/", {"X-Error-Message": sent[:1500]}
        return self._error(kind, 418, sent, key or request.query.get("key", ""), headers)

    def _error(
        self, kind: str, status: int, words: str, key: str, headers: dict[str, str] | None = None
    ) -> web.Response:
        self.said[kind] += bool(key)
        return web.json_response({"error": {"message": words, "type": "error"}}, status=status, headers=headers)


def _with(said: str, key: str) -> str:
    """A reply with the key in it: in the reasoning of an answer, at the end of a message."""
    try:
        answer = json.loads(said)
    except ValueError:
        return f"{said} {key}"
    field = next((name for name in ("reasoning", "reply") if name in answer), None)
    return json.dumps(answer | {field: f"{answer[field]} {key}"}) if field else said


def _plain(messages: list[dict[str, Any]]) -> list[dict[str, str]]:
    texts = [m["content"] if isinstance(m["content"], str) else m["content"][0]["text"] for m in messages]
    return [{"role": m["role"], "content": text} for m, text in zip(messages, texts, strict=True)]
