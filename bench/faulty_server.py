"""A model server that shows every fault of a provider over real HTTP: what tests and the chaos bench call.

    with FaultyServer(script, mixture({"half_sent": 0.1, "busy": 0.2}, seed=1)) as server: ...

The script gives the calm reply to a request, the plan names the fault (or "") that this try of it meets, and `log`
keeps what became of each. A mixture draws by a stable hash of seed, request and try and not in order of arrival: so it
is the same with any concurrency and after a restart of the client. Faults in the words of a reply, and requests that
are too long, are drawn by the request alone: a calm run with the same shares of those gets the same replies.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bench.fake_model_server import Answer, FakeModelServer, Script, completion
from tunewright.records import stable_unit

PASSING = {  # the same request, asked again, can be answered
    "busy": "429 with Retry-After",
    "busy_untold": "429 without Retry-After",
    "error_500": "500",
    "unavailable": "503, a proxy's HTML page",
    "hang": "no answer, ever",
    "dropped": "the connection closes before a byte",
    "half_sent": "the connection closes half way through the reply",
    "truncated_json": "200, whole, with the first half of the JSON",
    "wrong_envelope": "200 with JSON in which no reply stands",
    "error_body": "200 with an error in it",
    "wrong_role": "200, and the message is the user's",
}
IN_WORDS = {  # replies like others, to be paid and kept; `slow` is one that comes late
    "slow": "a good reply, late",
    "wrong_schema": "JSON of another shape, where a shape was asked for",
    "empty": "no words",
    "refusal": "words that refuse",
    "filtered": "no words: the provider's filter took them",
}
FOR_GOOD = {
    "context_overflow": "400: longer than the context",
    "revoked_key": "401 from this request on",
}
BY_REQUEST = {"wrong_schema", "empty", "refusal", "filtered", "context_overflow"}  # drawn whatever the try is
REFUSAL = "I'm sorry, but I can't help with that."
FOREVER_S = 3600.0


@dataclass
class Asked:
    """One try of one request. `delivered`: every byte of a reply that can be used went out, so that it is paid."""

    key: str  # SHA-256 of the body
    nth: int  # how often the same body had come before
    fault: str
    body: dict[str, Any] = field(repr=False)
    at_s: float  # by the monotonic clock, as `ended_s`
    ended_s: float | None = None  # None while it is out, and when the client went away first
    delivered: bool = False
    tokens: int = 0  # in and out, of a reply that was delivered


Plan = Callable[[str, int], str]  # from a request's key and how often it came before to the name of a fault, or ""


@dataclass(frozen=True)
class Wire:
    """What goes over the wire: a part of a response, after a while."""

    payload: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    share_sent: float = 1.0
    delay_s: float = 0.0


@dataclass(frozen=True)
class Pace:
    """How long slow replies take, and how long a busy server asks to wait."""

    slow_s: float = 0.3
    retry_after_s: float = 0.05


class FaultyServer(FakeModelServer):
    """Answers by the script, except where the plan names a fault. `log` holds every try in order of arrival."""

    def __init__(self, script: Script, plan: Plan, api_key: str | None = None, pace: Pace | None = None) -> None:
        super().__init__(script, api_key)
        self.log: list[Asked] = []
        self.plan, self.pace = plan, pace or Pace()
        self.revoked = False  # set it to refuse every key, now or from the plan ("revoked_key")
        self._seen: Counter[str] = Counter()

    def refuses(self, request: web.Request) -> bool:
        """Whether the key is refused."""
        return self.revoked or super().refuses(request)

    def runner(self, app: web.Application) -> web.AppRunner:
        """A handler ends with its connection: a client that was killed leaves no hanging try behind."""
        return web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        key, body = hashlib.sha256(raw).hexdigest(), json.loads(raw)
        asked = Asked(key, self._seen[key], self.plan(key, self._seen[key]), body, time.monotonic())
        if asked.fault == "wrong_schema" and "response_format" not in body:
            asked.fault = ""  # no shape was asked for: the reply is the calm one
        self._seen[key] += 1
        self.requests.append(body)
        self.log.append(asked)
        self.revoked = self.revoked or asked.fault == "revoked_key"
        if self.refuses(request):
            asked.fault = asked.fault if asked.fault == "revoked_key" else "refused_key"
        answer = self.script(body)
        told = wire(asked.fault, body, answer, self.pace)
        await asyncio.sleep(told.delay_s)
        asked.ended_s = time.monotonic()  # before the bytes go: who has them may look here at once
        asked.delivered = told.status == 200 and asked.fault in ("", *IN_WORDS)
        asked.tokens = (answer.prompt_tokens + answer.completion_tokens) * asked.delivered
        try:
            return await send(request, told)
        except ConnectionError:
            asked.ended_s, asked.delivered, asked.tokens = None, False, 0
            raise


def mixture(shares: Mapping[str, float], seed: int, most_per_request: int = 3) -> Plan:
    """Each fault with its share (0 to 1) of all tries; after so many tries a request is answered, so that runs end."""
    if unknown := set(shares) - {*PASSING, *IN_WORDS, *FOR_GOOD}:
        raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
    lasting = {fault: share for fault, share in shares.items() if fault in BY_REQUEST}
    others = {fault: share for fault, share in shares.items() if fault not in BY_REQUEST}

    def plan(key: str, nth: int) -> str:
        if nth < most_per_request and (fault := _drawn(others, stable_unit("try", seed, key, nth))):
            return fault
        return _drawn(lasting, stable_unit("request", seed, key))

    return plan


def _drawn(shares: Mapping[str, float], unit: float) -> str:
    for fault, share in shares.items():
        if unit < share:
            return fault
        unit -= share
    return ""


def in_order(*faults: str) -> Plan:
    """The faults in the order of the tries, whatever is asked; then none."""
    left = list(faults)
    return lambda key, nth: left.pop(0) if left else ""


def always(fault: str) -> Plan:
    """The same fault for every try."""
    return lambda key, nth: fault


def wire(fault: str, body: dict[str, Any], answer: Answer, pace: Pace) -> Wire:
    """A try as the fault makes it; the calm one for ""."""
    reply = completion(body, answer)
    calm = Wire(_bytes(reply), delay_s=answer.delay_s)
    match fault:
        case "busy":
            return _error(429, "Rate limit reached", {"Retry-After": f"{pace.retry_after_s:g}"})
        case "busy_untold":
            return _error(429, "Rate limit reached")
        case "error_500":
            return _error(500, "The server had an error")
        case "unavailable":
            return Wire(b"<html><h1>503 Service Unavailable</h1></html>", 503, {"Content-Type": "text/html"})
        case "slow":
            return Wire(calm.payload, delay_s=pace.slow_s)
        case "hang":
            return Wire(calm.payload, delay_s=FOREVER_S)
        case "dropped":
            return Wire(calm.payload, share_sent=0.0)
        case "half_sent":
            return Wire(calm.payload, share_sent=0.5)
        case "truncated_json":
            return Wire(calm.payload[: len(calm.payload) // 2])
        case "wrong_envelope":
            return Wire(_bytes({"id": "fake", "output": [{"type": "message", "content": answer.text}]}))
        case "error_body":
            return Wire(_bytes({"error": {"message": "The engine is overloaded", "type": "overloaded"}}))
        case "wrong_role":
            return Wire(_bytes(_with(reply, role="user", content=body["messages"][-1]["content"])))
        case "wrong_schema":
            return Wire(_bytes(_with(reply, content='{"rating": "fine"}')))
        case "empty":
            return Wire(_bytes(_with(reply, content="")))
        case "refusal":
            return Wire(_bytes(_with(reply, content=REFUSAL)))
        case "filtered":
            filtered = _with(reply, content=None, refusal=REFUSAL)
            filtered["choices"][0]["finish_reason"] = "content_filter"
            return Wire(_bytes(filtered))
        case "context_overflow":
            return _error(400, "This model's maximum context length is 4096 tokens; you requested 5000")
        case "revoked_key" | "refused_key":
            return _error(401, "This key has been revoked")
        case "":
            return calm if answer.status == 200 else _error(answer.status, answer.text or "", answer.headers)
    raise ValueError(f"no such fault: {fault}")


def _with(reply: dict[str, Any], **message: Any) -> dict[str, Any]:
    reply["choices"][0]["message"].update(message)
    return reply


def _error(status: int, text: str, headers: Mapping[str, str] | None = None) -> Wire:
    return Wire(_bytes({"error": {"message": text, "type": "error", "code": str(status)}}), status, headers or {})


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


async def send(request: web.Request, wire: Wire) -> web.StreamResponse:
    """Write a response, or its beginning and then close; raises ConnectionError where the client went away."""
    headers = {"Content-Type": "application/json", **wire.headers}
    response = web.StreamResponse(status=wire.status, headers=headers)
    response.content_length = len(wire.payload)
    if wire.share_sent:
        await response.prepare(request)
        await response.write(wire.payload[: int(len(wire.payload) * wire.share_sent)])
    if wire.share_sent == 1.0:
        await response.write_eof()
    elif request.transport:
        request.transport.close()
    return response
