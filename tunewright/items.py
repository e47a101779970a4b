"""Work on many items at once, each ending as a result or as a recorded failure."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from tunewright.errors import StoppedError, TooManyFailuresError, TunewrightError

T = TypeVar("T")
OUTAGE = "judge failed, and may answer when it is asked again"


class ItemFailure(Exception):
    """One item could not be answered within its bounds; the text is the reason that its record keeps."""


class OutageError(ItemFailure):
    """The provider did not answer within the tries, and could tomorrow: this says nothing about the item."""


class EmptyReplyError(ItemFailure):
    """The model said nothing, however often it was asked."""


async def map_items(
    items: Sequence[T], work: Callable[[T], Awaitable[Any]], in_flight: int, advance: Callable[[], None] = lambda: None
) -> list[Any]:
    """`work` over all items, at most `in_flight` at once; results in the order of the items.

    An ItemFailure becomes that item's result. After any other TunewrightError no item is begun, and those that are come
    to their ends: their calls in flight are paid for. Then the first error is raised, a StoppedError with how far it
    came.
    """
    results: list[Any] = [None] * len(items)
    queue, n_done = iter(enumerate(items)), 0
    ended: TunewrightError | None = None

    async def worker() -> None:
        nonlocal ended, n_done
        for index, item in queue:
            try:
                results[index] = await work(item)
            except ItemFailure as failure:
                results[index] = failure
            except TunewrightError as error:
                ended = ended or error
            if ended:
                return
            n_done += 1
            advance()

    workers = [asyncio.ensure_future(worker()) for _ in range(min(in_flight, len(items)))]
    try:
        await asyncio.gather(*workers)
    except BaseException:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        raise
    if ended:
        raise ended.at(n_done, len(items)) if isinstance(ended, StoppedError) else ended
    return results


def why_unjudged(failure: ItemFailure) -> str:
    """Why a judge's question has no answer; an outage is told apart, since asking again can mend it."""
    return f"{OUTAGE if isinstance(failure, OutageError) else 'judge failed'}: {failure}"


def commonest(reasons: Sequence[str]) -> str:
    """The reason that stands most often, the first of equals."""
    return Counter(reasons).most_common(1)[0][0]


def refuse_many_failures(failures: Sequence[str], n_items: int, max_failed_share: float, what: str) -> None:
    """Raise TooManyFailuresError when more than the allowed share of items failed, with the commonest reason."""
    if n_items and len(failures) > max_failed_share * n_items:
        raise TooManyFailuresError(
            f"{len(failures)} of {n_items} {what} failed (allowed: {max_failed_share:.0%}); most often: "
            f"{commonest(failures)}. Finished calls are in the cache; mend the cause (the model, the prompt, "
            "max_tokens, reasks) and run again"
        )
