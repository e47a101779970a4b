"""One request to a model, the key that it has in the cache, and where it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunewright.models import ModelSpec
from tunewright.prompts import ChatMessage
from tunewright.records import canonical

CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a model, and the cache key that this makes."""

    spec: ModelSpec
    messages: list[ChatMessage]
    schema: dict[str, Any] | None
    key: str
    messages_json: str  # as in the key: a long history is put into JSON once

    @property
    def prompt_tokens_guess(self) -> int:
        """About how many tokens the messages are, before the provider counts them."""
        return sum(len(message["content"]) for message in self.messages) // CHARS_PER_TOKEN


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: the server's address (None: the provider's own), the model's name there, and a key."""

    api_base: str | None
    model: str
    api_key: str


def make_request(
    spec: ModelSpec, messages: Sequence[ChatMessage], sample: int, attempt: int, schema: dict[str, Any] | None
) -> Request:
    """A request with its cache key.

    The key is the SHA-256 of [identity, messages, sampling, schema, sample, attempt] in canonical JSON: all that
    determines a reply, and nothing about where or how fast it runs.
    """
    asked = list(messages)
    told = canonical(asked)
    rest = canonical([{"temperature": spec.temperature, "max_tokens": spec.max_tokens}, schema, sample, attempt])
    text = f"[{canonical(spec.identity)},{told},{rest[1:]}"
    return Request(spec, asked, schema, hashlib.sha256(text.encode()).hexdigest(), told)
