"""Two agents in conversation: a user (simulated from a persona, or replayed from a recording) and an assistant.

Both see the full history. What the simulated user is asked to do in each message (stage, kind of response, flaws) is
drawn from a generator seeded by persona, sample and turn, so that every turn has the same request, and so the same
cache key, in every run.
"""

from __future__ import annotations

import random
from pathlib import Path

from tunewright.config import Bounds, Config, Domain
from tunewright.conversation import assistant_variables, history, message
from tunewright.guidance import Guidance, direction, simulator_variables
from tunewright.items import ItemFailure
from tunewright.llm import Client
from tunewright.models import ModelSpec
from tunewright.personas import PersonaTemplate
from tunewright.prompts import ChatMessage, render
from tunewright.records import Exchange, Persona, Transcript, stable_seed


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
    exchanges: Bounds
    seed: int


async def simulate(client: Client, cast: Cast, persona: Persona, sample: int, transcript_id: str) -> Transcript:
    """A conversation in which an LLM plays the persona. A failure ends it and is recorded; what was said is kept."""
    total = n_exchanges(persona, sample, cast.exchanges, cast.seed)
    exchanges: list[Exchange] = []
    failure = None
    try:
        for turn in range(1, total + 1):
            to_user = user_messages(cast, persona, sample, turn, total, exchanges)
            said = await client.complete(cast.user, to_user, sample=sample)
            exchanges.append(await _answer(client, cast, exchanges, said.text.strip(), said.is_cut, sample))
    except ItemFailure as error:
        failure = f"exchange {len(exchanges) + 1}: {error}"
    return _transcript(cast, persona, sample, transcript_id, exchanges, failure, source=None)


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
    return _transcript(cast, persona, sample, transcript_id, exchanges, failure, source=recorded)


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
    )
