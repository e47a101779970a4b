"""Conversations as chat messages, and what assistant and system prompts may refer to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tunewright.config import Domain
from tunewright.prompts import ChatMessage
from tunewright.records import Exchange, Message


class AssistantVariables(TypedDict):
    """What assistant and system prompts may refer to."""

    domain: str
    days_between_exchanges: int


def assistant_variables(domain: Domain) -> AssistantVariables:
    """The variables of assistant and system prompts in a domain."""
    return {"domain": domain.title, "days_between_exchanges": domain.days_between_exchanges}


def history(exchanges: Sequence[Exchange]) -> list[ChatMessage]:
    """Exchanges as chat messages."""
    return [m for e in exchanges for m in (message("user", e.user), message("assistant", e.assistant))]


def as_messages(chat: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """Chat messages as the records that training examples hold."""
    return tuple(Message.model_validate(m) for m in chat)


def message(role: str, content: str) -> ChatMessage:
    return {"role": role, "content": content}
