"""How the fake Hub of bench/fake_hub.py speaks HTTP: what came, what is answered, how a test's faults strike."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from bench.fake_hub import FakeHub


@dataclass(frozen=True)
class Seen:
    """A request that came; `token` is what its Authorization header bore."""

    method: str
    path: str
    query: str
    token: str | None
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body or b"{}")

    def asked(self, name: str) -> list[str]:
        """A parameter of the query."""
        return parse_qs(self.query).get(name, [])


class Refusal(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, message: str, code: str | None = None, **told: Any) -> None:
        super().__init__(message)
        self.status, self.body = status, {"error": message} | told
        self.headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})


@dataclass(frozen=True)
class Reply:
    """A file, or with `events` a stream of log lines."""

    data: bytes = b""
    headers: dict[str, str] | None = None
    events: Iterable[str] | None = None


class Handler(BaseHTTPRequestHandler):
    """One connection; finds the route and writes the answer."""

    hub: FakeHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the test looks at hub.requests."""

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def _serve(self) -> None:
        seen = self._seen()
        fault = self.hub.fault(seen.method, seen.path)
        try:
            time.sleep(fault.delay_s if fault else 0)
            if fault and fault.status:
                raise Refusal(fault.status, fault.message, fault.code)
            if fault and fault.drop and not fault.late:
                return self._hang_up()
            answer = self.hub.answer(seen)
            if fault and fault.drop:
                return self._hang_up()
            self._write(answer, fault.events if fault else None)
        except Refusal as error:
            self._send(error.status, json.dumps(error.body).encode(), error.headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # whoever asked has gone

    def _seen(self) -> Seen:
        at = urlsplit(self.path)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        body = self._body()
        method = "GET" if self.command == "HEAD" else self.command
        seen = Seen(method, unquote(at.path), at.query, token, body)
        with self.hub.lock:
            self.hub.requests.append(seen)
        return seen

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _write(self, answer: Any, events: int | None) -> None:
        if not isinstance(answer, Reply):
            return self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})
        if answer.events is not None:
            return self._stream(answer.events, events)
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        total = len(answer.data)
        part = {"Content-Range": f"bytes {start}-{total - 1}/{total}"} if start else {}
        self._send(206 if start else 200, answer.data[start:], (answer.headers or {}) | part)

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _stream(self, lines: Iterable[str], events: int | None) -> None:
        """Server-sent events, chunked; broken off without an end after `events` of them."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for n, line in enumerate(lines):
            if n == events:
                return self._hang_up()
            event = b"data: " + json.dumps({"data": line, "timestamp": "2026-01-01T00:00:00.000Z"}).encode() + b"\n\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _hang_up(self) -> None:
        self.close_connection = True
