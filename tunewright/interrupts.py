"""Ctrl-C and SIGTERM while models are called: the first stops in good order, the second at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from tunewright.errors import GO_ON, InterruptedRunError
from tunewright.llm import Client
from tunewright.terminal import console

T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_watched(client: Client, work: Coroutine[Any, Any, T]) -> T:
    """Run work that calls models, in an event loop of its own.

    Raises InterruptedRunError after a first signal, when the calls in flight are stored, or at once after a second.
    """
    return asyncio.run(_watched(client, work))


async def _watched(client: Client, work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    received: list[signal.Signals] = []

    def on(number: signal.Signals) -> None:
        received.append(number)
        if len(received) > 1:
            task.cancel()
            return
        console.print(
            f"\n{number.name}: waiting for {client.n_in_flight} calls in flight; once more stops at once", markup=False
        )
        client.halt.stop(InterruptedRunError(_told(f"by {number.name}", client), number))

    loop = asyncio.get_running_loop()
    watched = SIGNALS if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.getsignal(number) for number in watched}
    for number in watched:
        loop.add_signal_handler(number, on, number)
    try:
        result = await task
        if received:  # it came to its end, but the next stage is not wanted either
            client.halt.check()
        return result
    except asyncio.CancelledError:
        if len(received) > 1:
            words = _told(f"by a second {received[-1].name}, calls in flight were dropped", client)
            raise InterruptedRunError(words, received[-1]) from None
        raise
    finally:
        for number in watched:
            loop.remove_signal_handler(number)  # sets the system's own
            signal.signal(number, before[number] or signal.SIG_DFL)


def _told(why: str, client: Client) -> str:
    """Why the run stopped, and what goes on from where."""
    return "; ".join(filter(None, [why, client.batches.left_behind, GO_ON]))
