"""A model server that does nothing but answer, in a process of its own: what clients are measured against.

    python -m bench.load_server --latency 0.5                     # prints its address and serves until killed
    python -m bench.load_server --per-minute 600 --window sliding

Written on asyncio's protocols, because a server that takes as long as its client measures itself: a request costs it
about 50 microseconds. Every reply is the same 40 words. A rate limit answers 429 with Retry-After in whole seconds, as
providers do, and counts what it let through (GET /stats).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import multiprocessing
import time
from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

WORDS = " ".join(["and then this"] * 13) + "?"
REPLY = {
    "id": "load",
    "object": "chat.completion",
    "created": 0,
    "model": "load",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": WORDS}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 400, "completion_tokens": 40, "total_tokens": 440},
}


class SlidingWindow:
    """At most `n` in any `window_s` seconds."""

    def __init__(self, n: int, window_s: float = 60.0) -> None:
        self._n, self._window_s = n, window_s
        self._taken: deque[float] = deque()

    def take(self, now: float) -> float:
        """0 when it may pass, else the seconds until one may."""
        while self._taken and self._taken[0] <= now - self._window_s:
            self._taken.popleft()
        if len(self._taken) >= self._n:
            return self._taken[0] + self._window_s - now
        self._taken.append(now)
        return 0.0


class Bucket:
    """`n` a minute, evenly, and a second's worth of them at once after a rest."""

    def __init__(self, n: int) -> None:
        self._per_s, self._full = n / 60.0, max(1.0, n / 60.0)
        self._left, self._at = self._full, time.monotonic()

    def take(self, now: float) -> float:
        """0 when it may pass, else the seconds until one may."""
        self._left = min(self._full, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self._per_s
        self._left -= 1
        return 0.0


class State:
    """What all connections share."""

    def __init__(self, latency_s: float, limit: SlidingWindow | Bucket | None) -> None:
        self.latency_s, self.limit = latency_s, limit
        self.answered, self.refused, self.most_open, self.open = 0, 0, 0, 0
        self.body = response(200, REPLY)


def response(status: int, value: Any, headers: str = "") -> bytes:
    """An HTTP/1.1 response."""
    body = json.dumps(value).encode()
    reason = {200: "OK", 429: "Too Many Requests"}[status]
    head = (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One client connection, kept alive; requests on it come one after another."""

    def __init__(self, state: State) -> None:
        self._state, self._received, self._needed = state, bytearray(), 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Gather a request; answer when it is whole."""
        self._received += data
        if not self._needed:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._received[:end]).lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            self._needed = end + 4 + length
        if len(self._received) >= self._needed:
            asked = bytes(self._received[:10])
            del self._received[: self._needed]
            self._needed = 0
            self._answer(asked)

    def _answer(self, asked: bytes) -> None:
        state = self._state
        if asked.startswith(b"GET /stats"):
            counts = {"answered": state.answered, "refused": state.refused, "most_open": state.most_open}
            self._transport.write(response(200, counts))
            return
        wait_s = state.limit.take(time.monotonic()) if state.limit else 0.0
        if wait_s:
            state.refused += 1
            error = {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}
            self._transport.write(response(429, error, f"Retry-After: {math.ceil(wait_s)}\r\n"))
            return
        state.answered += 1
        state.open += 1
        state.most_open = max(state.most_open, state.open)
        if state.latency_s:
            asyncio.get_running_loop().call_later(state.latency_s, self._reply)
        else:
            self._reply()

    def _reply(self) -> None:
        self._state.open -= 1
        if not self._transport.is_closing():
            self._transport.write(self._state.body)


async def serve(port: int, latency_s: float, limit: SlidingWindow | Bucket | None, say: Any) -> None:
    """Serve on loopback until cancelled; `say` is told the address."""
    state = State(latency_s, limit)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(state), "127.0.0.1", port, backlog=4096)
    say(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    await server.serve_forever()


def limit_of(per_minute: int | None, window: str) -> SlidingWindow | Bucket | None:
    """The rate limit that is asked for."""
    if per_minute is None:
        return None
    return Bucket(per_minute) if window == "bucket" else SlidingWindow(per_minute)


def _serve_process(latency_s: float, per_minute: int | None, window: str, pipe: Any) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(0, latency_s, limit_of(per_minute, window), pipe.send))


@contextlib.contextmanager
def running(latency_s: float = 0.0, per_minute: int | None = None, window: str = "sliding") -> Iterator[str]:
    """The server in a process of its own; its address."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve_process, args=(latency_s, per_minute, window, there), daemon=True)
    process.start()
    there.close()  # so that recv ends when the process dies
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def stats(url: str) -> dict[str, int]:
    """How many requests a running server answered and refused, and the most that were open at once."""
    with urlopen(f"{url.removesuffix('/v1')}/stats") as found:
        return json.load(found)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--per-minute", type=int)
    parser.add_argument("--window", choices=("sliding", "bucket"), default="sliding")
    asked = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(asked.port, asked.latency, limit_of(asked.per_minute, asked.window), print))


if __name__ == "__main__":
    main()
