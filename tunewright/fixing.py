"""Repairing one conversation that failed: its faulted replies are rewritten, or it is cut where that does not work.

Soft failures: each faulted reply is rewritten, in order. Where no rewrite can be used, or the user's next message would
not follow from it, the conversation ends there: after the rewrite, else before the reply. Safety failures are never
rewritten: the conversation ends before the first of them. What is left with too few exchanges to assess is rejected.
Nothing here says that the result is good: it is judged again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tunewright.items import OutageError
from tunewright.llm import Client
from tunewright.models import ModelSpec
from tunewright.records import Exchange, Score, Transcript, Verdict
from tunewright.repairs import Fault, Rewrite, faults_by_exchange, first_unsafe
from tunewright.rewriting import HELD, Fixing, Place, rewrite_reply
from tunewright.training_set import FIXED
from tunewright.trust import Trust


class Case(NamedTuple):
    """A conversation that failed, and what its failing rests on."""

    transcript: Transcript
    score: Score
    verdicts: tuple[Verdict, ...]


class Mended(NamedTuple):
    """A conversation after repair, not judged yet. `exchanges` is empty when nothing could be kept."""

    exchanges: tuple[Exchange, ...]
    rewrites: tuple[Rewrite, ...]
    why_shorter: str  # "" for a whole one
    outage: str = ""  # why there is no answer yet, where a model could not be asked


async def repair(client: Client, case: Case, how: Fixing, trust: Trust | None) -> Mended:
    """End a conversation before what was unsafe, or mend what is only weak.

    Where a provider did not answer nothing is known: the conversation is left as it is, and no failed repair.
    """
    transcript, score, verdicts = case
    if score.gates_failed:
        return end_before(transcript, first_unsafe(transcript, score, verdicts, how.rubric, trust), how)
    faults = faults_by_exchange(transcript, score, verdicts, how.rubric, trust, how.max_replies)
    if not faults:
        return Mended((), (), "what failed is not in any reply")
    try:
        return await mend(client, transcript, faults, how)
    except OutageError as failure:
        return Mended((), (), "", outage=str(failure))


async def mend(client: Client, transcript: Transcript, faults: Mapping[int, Sequence[Fault]], how: Fixing) -> Mended:
    """Rewrite the faulted replies (by exchange number) in order; the first that cannot be mended ends it.

    The fixer is not asked where its rewrite could not be kept: without a judge of entailment the conversation ends at
    the rewrite, which must then leave enough exchanges.
    """
    kept: list[Exchange] = []
    rewrites: list[Rewrite] = []
    for number, exchange in enumerate(transcript.exchanges, 1):
        if number not in faults:
            kept.append(exchange)
            continue
        if len(rewrites) == how.max_replies:
            return cut(kept, rewrites, f"over {how.max_replies} replies would have to be rewritten", how)
        if not how.entailing.judges and number < min(how.min_exchanges, len(transcript.exchanges)):
            return cut(kept, rewrites, f"nobody could say whether the message after reply {number} follows", how)
        place = Place(tuple(kept), exchange, transcript.exchanges[number:], faults[number])
        rewrite = await rewrite_reply(client, place, how)
        rewrites.append(rewrite)
        if rewrite.after is None:
            return cut(kept, rewrites, f"no rewrite of reply {number} could be used", how)
        kept.append(place.with_reply(rewrite.after))
        if rewrite.entailment not in HELD:
            why = f"the next message follows from the rewritten reply {number}: {rewrite.entailment}"
            return cut(kept, rewrites, why, how)
    return Mended(tuple(kept), tuple(rewrites), "")


def end_before(transcript: Transcript, first: int | None, how: Fixing) -> Mended:
    """A conversation that failed a gate, up to its first unsafe exchange (None: nobody said where it is)."""
    if first is None:
        return Mended((), (), "a failed safety gate names no exchange to end before")
    return cut(transcript.exchanges[: first - 1], (), f"unsafe from exchange {first}", how)


def cut(kept: Sequence[Exchange], rewrites: Sequence[Rewrite], why: str, how: Fixing) -> Mended:
    """A conversation that ends here, or nothing where too little would be left to assess."""
    if len(kept) < how.min_exchanges:
        too_few = f"{why}; {len(kept)} exchanges would be left, {how.min_exchanges} are needed"
        return Mended((), tuple(rewrites), too_few)
    return Mended(tuple(kept), tuple(rewrites), why)


def repaired(transcript: Transcript, mended: Mended, fixer: ModelSpec) -> Transcript:
    """The repaired conversation as one of its own, with the persona (and so the split) of its original."""
    is_rewritten = any(r.after is not None for r in mended.rewrites)
    fields = {
        "id": FIXED + transcript.id,
        "source_id": transcript.id,
        "assistant": f"{transcript.assistant}, repaired by {fixer.identity}" if is_rewritten else transcript.assistant,
        "exchanges": mended.exchanges,
    }
    return transcript.model_copy(update=fields)
