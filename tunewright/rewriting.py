"""Rewriting one reply while the user's next message stands: attempts, what can be counted against them, entailment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from tunewright.entailment import Answered, Entailing, entails
from tunewright.items import ItemFailure, OutageError
from tunewright.llm import Client
from tunewright.measures import normalise, words
from tunewright.models import ModelSpec
from tunewright.offending import LENGTHS, most_words
from tunewright.prompts import ChatMessage, render
from tunewright.records import Exchange
from tunewright.repairs import Entailed, Fault, Rewrite
from tunewright.rubric import Rubric

FIXUP_PROMPT = "prompts/shared/fixup.md"
HELD: tuple[Entailed, ...] = ("YES", "no next message")  # the conversation can go on


class FixedReply(BaseModel):
    """What the fixer must answer."""

    model_config = ConfigDict(extra="ignore")
    reply: str


class Fixing(NamedTuple):
    """How conversations are repaired."""

    rubric: Rubric
    instructions: str  # the system prompt that the assistant is trained on: whose voice a rewrite keeps
    fixer: ModelSpec
    entailing: Entailing
    attempts: int  # per reply
    reasks: int  # for an answer that is no JSON
    max_replies: int  # rewritten in one conversation
    min_exchanges: int  # of a conversation that can be assessed


class Place(NamedTuple):
    """One faulted reply where it stands: after the conversation as repaired so far, before the rest as it was."""

    before: Sequence[Exchange]
    exchange: Exchange
    rest: Sequence[Exchange]
    faults: Sequence[Fault]

    @property
    def following(self) -> str | None:
        """The user's next message; None for the last exchange."""
        return self.rest[0].user if self.rest else None

    def with_reply(self, reply: str) -> Exchange:
        """The exchange with another reply."""
        return self.exchange.model_copy(update={"assistant": reply})


async def rewrite_reply(client: Client, place: Place, how: Fixing) -> Rewrite:
    """One reply mended within the attempts, each told what was wrong with those before it.

    The last attempt that can be used is taken, whether or not the next message follows from it: `entailment` says.
    Raises OutageError: a provider's trouble is no attempt, and nothing that the fixer should read.
    """
    usable: str | None = None
    answered: Answered | None = None
    problems: list[str] = []
    attempt = 0
    for attempt in range(1, how.attempts + 1):
        try:
            reply = await ask_fixer(client, place, problems, attempt, how)
        except OutageError:
            raise
        except ItemFailure as failure:
            problems.append(str(failure))
            continue
        if found := problems_of(place, reply, how.rubric):
            problems += found
            continue
        usable, answered = reply, await _entailment(client, place, reply, how)
        if answered.entailment in (*HELD, "not checked"):
            break
        problems.append(f"The next message would not follow: {answered.reasoning}")
    return Rewrite(
        exchange=len(place.before) + 1,
        criteria=tuple(f.criterion for f in place.faults),
        before=place.exchange.assistant,
        after=usable,
        attempts=attempt,
        problems=tuple(problems),
        entailment=answered.entailment if answered else None,
        reasoning=answered.reasoning if answered else "",
    )


async def _entailment(client: Client, place: Place, reply: str, how: Fixing) -> Answered:
    if place.following is None:
        return Answered("no next message", "")
    return await entails(client, how.entailing, place.before, place.with_reply(reply), place.following)


async def ask_fixer(client: Client, place: Place, problems: Sequence[str], attempt: int, how: Fixing) -> str:
    """One attempt of the fixer; raises ItemFailure. Its sample index keeps a repeated request out of the cache."""
    answer = await client.structured(
        how.fixer,
        fixup_messages(place, problems, how),
        FixedReply,
        schema=FixedReply.model_json_schema(),
        reasks=how.reasks,
        sample=attempt - 1,
    )
    return answer.reply.strip()


def fixup_messages(place: Place, problems: Sequence[str], how: Fixing) -> list[ChatMessage]:
    """The fixer's messages: role, rules and domain (constant), the conversation up to the reply, then what varies.

    Of the rubric only the failed criteria are told: an edit of another one then pays for no repair again.
    """
    rubric = how.rubric
    return render(
        FIXUP_PROMPT,
        background=rubric.background,
        instructions=how.instructions,
        stock=[*rubric.lexicon.stock_openings, *rubric.lexicon.stock_phrases],
        before=[e.model_dump() for e in place.before],
        said=place.exchange.user,
        reply=place.exchange.assistant,
        following=place.following,
        faults=[{"question": f.question, "why": f.why, "demands": f.wanted} for f in place.faults],
        problems=list(problems),
        reply_words=len(words(place.exchange.assistant)),
        most_words=longest(place, rubric),
    )


def longest(place: Place, rubric: Rubric) -> int | None:
    """Words that a rewrite may have: what the rubric allows, or the reply's own where its length is not its fault."""
    limit = most_words(place.exchange, rubric)
    is_too_long = any(d.statistic in LENGTHS and d.is_high for f in place.faults for d in f.demands)
    if limit is None or is_too_long:
        return limit
    return max(limit, len(words(place.exchange.assistant)))


def problems_of(place: Place, reply: str, rubric: Rubric) -> list[str]:
    """What can be counted against a rewrite: empty, unchanged, too long, or still outside what was wanted of it."""
    if not words(reply):
        return ["The reply was empty."]
    if normalise(reply) == normalise(place.exchange.assistant):
        return ["The reply was not changed."]
    found = []
    limit, n = longest(place, rubric), len(words(reply))
    if limit is not None and n > limit:
        found.append(f"The reply had {n} words; {limit} are allowed.")
    talk = [*place.before, place.with_reply(reply), *place.rest]
    unmet = dict.fromkeys(d.text for f in place.faults for d in f.demands if not d.is_met(talk, rubric.lexicon))
    return found + [f"Still wanted of the reply: {text}." for text in unmet]
