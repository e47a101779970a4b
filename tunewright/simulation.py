"""Two agents in conversation: a user (simulated from a persona, or replayed from a recording) and an assistant.

Both see the full history. What the simulated user is asked to do in each message (stage, kind of response, flaws) is
drawn from a generator seeded by persona, sample and turn, so that every turn has the same request, and so the same
cache key, in every run.
"""

from __future__ import annotations

import random
from pathlib import Path

from tunewright.conduct import Conduct, closes, is_empty_close, is_pleasantry, stop, words_off
from tunewright.config import Bounds, Config, Domain
from tunewright.conversation import assistant_variables, history, message
from tunewright.guidance import Guidance, direction, simulator_variables
from tunewright.items import ItemFailure, OutageError
from tunewright.llm import Client
from tunewright.measures import words
from tunewright.models import ModelSpec, Reply
from tunewright.personas import PersonaTemplate
from tunewright.prompts import ChatMessage, render
from tunewright.records import Ended, Exchange, Persona, Transcript, stable_seed

AGAIN_PROMPT = "prompts/shared/user_again.md"


def n_exchanges(persona: Persona, sample: int, bounds: Bounds, seed: int) -> int:
    """How many exchanges a conversation is to have: uniform within the bounds, fixed by persona and sample."""
    rng = random.Random(stable_seed("length", seed, persona.id, sample))
    return rng.randint(int(bounds.min or 1), int(bounds.max or 1))


class Cast(Config):
    """Everything that a conversation needs beside its persona: models, prompts, rules."""

    domain: Domain
    template: PersonaTemplate
    user: ModelSpec
    assistant: ModelSpec
    assistant_prompt: str  # a prompt file: the long one that generates, or the short one that is trained on
    guidance: Guidance
    conduct: Conduct
    exchanges: Bounds
    seed: int


async def simulate(client: Client, cast: Cast, persona: Persona, sample: int, transcript_id: str) -> Transcript:
    """A conversation in which an LLM plays the persona. A failure ends it and is recorded; what was said is kept.

    It ends by the rules of `conduct.stop`; a last exchange that only says goodbye is not kept.
    """
    total = n_exchanges(persona, sample, cast.exchanges, cast.seed)
    exchanges: list[Exchange] = []
    failure, ended = None, None
    try:
        while ended is None:
            said = await _say(client, cast, persona, sample, total, exchanges)
            has_closed, is_kept = _closing(said.text, exchanges, cast)
            if is_kept:
                one = await _answer(client, cast, exchanges, said.text.strip(), said.is_cut, sample)
                if exchanges and is_empty_close(one, exchanges[-1].assistant, cast.conduct.closings):
                    has_closed = True
                else:
                    exchanges.append(one)
            ended = stop(len(exchanges), total, has_closed, cast.exchanges)
    except ItemFailure as error:
        failure, ended = f"exchange {len(exchanges) + 1}: {error}", "failed"
    return _transcript(cast, persona, sample, transcript_id, exchanges, failure, ended or "failed", source=None)


async def _say(
    client: Client, cast: Cast, persona: Persona, sample: int, total: int, exchanges: list[Exchange]
) -> Reply:
    """The user's next message; one out of its limits or an early goodbye is asked for again, the best try is kept."""
    conduct, asked = cast.conduct, user_messages(cast, persona, sample, len(exchanges) + 1, total, exchanges)
    tries: list[tuple[bool, int, Reply]] = []
    messages, word_reasks, goodbye_reasks = asked, conduct.word_limit_reasks, conduct.goodbye_reasks
    while True:
        try:
            said = await client.complete(cast.user, messages, sample=sample)
        except OutageError:
            raise  # else the weather would decide which message it is, and the next run would have another
        except ItemFailure:
            if not tries:
                raise
            break  # a message that was asked for again and refused leaves the one there was
        if said.is_placeholder:
            return said  # how often a real one would be asked for again, nobody knows
        off = words_off(said.text, persona, conduct.word_limit_tolerance)
        is_early = _ends_early(said.text, exchanges, total, cast)
        tries.append((is_early, off, said))
        if not (off and word_reasks > 0) and not (is_early and goodbye_reasks > 0):
            break
        word_reasks, goodbye_reasks = word_reasks - bool(off), goodbye_reasks - is_early
        messages = [*asked, message("assistant", said.text.strip()), *_again(said.text, off, is_early, persona)]
    return min(tries, key=lambda one: one[:2])[2]


def _again(said: str, off: int, is_early: bool, persona: Persona) -> list[ChatMessage]:
    """What is wrong with a message: it stands after everything that was asked, which stays in the prefix cache."""
    limits = {"min_words": persona.min_words, "max_words": persona.max_words}
    return render(AGAIN_PROMPT, n_words=len(words(said)) if off else 0, is_goodbye=is_early, **limits)


def _closing(said: str, exchanges: list[Exchange], cast: Cast) -> tuple[bool, bool]:
    """Whether the message closes the conversation, and whether it is worth an answer."""
    closings = cast.conduct.closings
    has_closed = closes(said, exchanges[-1].assistant if exchanges else "", closings)
    return has_closed, not (has_closed and exchanges and is_pleasantry(said, closings))


def _ends_early(said: str, exchanges: list[Exchange], total: int, cast: Cast) -> bool:
    has_closed, is_kept = _closing(said, exchanges, cast)
    return has_closed and stop(len(exchanges) + is_kept, total, True, cast.exchanges) == "early"


async def replay(
    client: Client,
    cast: Cast,
    persona: Persona,
    recorded: Transcript,
    sample: int,
    transcript_id: str,
    max_exchanges: int | None = None,
) -> Transcript:
    """A recorded conversation's user messages, answered anew; the history holds the new replies."""
    exchanges: list[Exchange] = []
    failure = None
    try:
        for one in recorded.exchanges[:max_exchanges]:
            exchanges.append(await _answer(client, cast, exchanges, one.user, False, sample))
    except ItemFailure as error:
        failure = f"exchange {len(exchanges) + 1}: {error}"
    ended = "failed" if failure else "recorded" if len(exchanges) == len(recorded.exchanges) else "maximum"
    return _transcript(cast, persona, sample, transcript_id, exchanges, failure, ended, source=recorded)


async def _answer(
    client: Client, cast: Cast, exchanges: list[Exchange], said: str, said_is_cut: bool, sample: int
) -> Exchange:
    messages = [
        *render(cast.assistant_prompt, **assistant_variables(cast.domain)),
        *history(exchanges),
        message("user", said),
    ]
    reply = await client.complete(cast.assistant, messages, sample=sample)
    return Exchange(user=said, assistant=reply.text.strip(), cut=said_is_cut or reply.is_cut)


def user_messages(
    cast: Cast, persona: Persona, sample: int, turn: int, total: int, exchanges: list[Exchange]
) -> list[ChatMessage]:
    """What the simulated user is sent: who it is (constant), the talk so far with the roles swapped, its direction."""
    last_reply = exchanges[-1].assistant if exchanges else ""
    days = cast.domain.days_between_exchanges
    now = direction(persona, sample, turn, total, cast.guidance, cast.seed)
    who, task = render(
        Path(cast.domain.prompts) / "user_simulator.md",
        **simulator_variables(persona, cast.template, now, last_reply, days, turn, total),
    )
    swapped: list[ChatMessage] = []
    for number, one in enumerate(exchanges):
        swapped.append(message("user", exchanges[number - 1].assistant if number else "Write your first message."))
        swapped.append(message("assistant", one.user))
    return [who, *swapped, task]


def _transcript(
    cast: Cast,
    persona: Persona,
    sample: int,
    transcript_id: str,
    exchanges: list[Exchange],
    failure: str | None,
    ended: Ended,
    source: Transcript | None,
) -> Transcript:
    return Transcript(
        id=transcript_id,
        domain=cast.domain.id,
        persona_id=persona.id,
        user_kind="replay" if source else "simulated",
        assistant=cast.assistant.identity,
        user=source.user if source else cast.user.identity,
        source_id=source.id if source else None,
        sample=sample,
        exchanges=tuple(exchanges),
        failure=failure,
        ended=ended,
    )
