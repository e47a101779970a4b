"""A client that makes no call: it looks every request up in the reply cache and counts what is missing.

A missing reply is replaced by a placeholder of the usual length, so that the conversation, and the stages after it, can
go on to their own requests. All after a placeholder is an estimate; before it every count is exact. Prompt tokens are
estimated by length: the provider counts with a tokenizer of its own.

`tunewright plan` runs stages with TUNEWRIGHT_PLAN naming a file; there each stage leaves its counts.
"""

from __future__ import annotations

import json
import os
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tunewright.llm import Client, request_key
from tunewright.models import ModelSpec, Price, Reply
from tunewright.prompts import ChatMessage
from tunewright.records import Record, stable_seed

PLAN = "TUNEWRIGHT_PLAN"
CHARS_PER_TOKEN = 4  # English prose in today's vocabularies; OpenAI's and Anthropic's own rule of thumb
MESSAGE_TOKENS = 4  # role and separators
VOCABULARY = """
after again almost along always another anything around asked became before began better between bring called
came change close could daily different early easier evening every feels felt finally found friend given going
happen hardly having hours inside instead later least letter little long longer looking making matter maybe
minute moment months more morning mostly never night nothing often older once other outside over people perhaps
place plain quiet rather really reason right same second seems several short simple since slow small someone
something sometimes still story street table taken talk thing think though thought three today together told
tomorrow took toward turned under until usual walk water week where while whole window without words work world
would write yesterday
"""  # varied enough that no check of a conversation takes a placeholder for a loop


class Planned(Record):
    """What one stage would ask of one model."""

    model: str
    price: Price | None
    made: int
    cached: int
    prompt_tokens: int  # of the calls to be made
    completion_tokens: int


class PlanningClient(Client):
    """Answers from the cache, else with a placeholder that fits the request; calls nothing."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._usual: dict[tuple[str, bool], int | None] = {}
        self._seen: set[str] = set()
        self._counts: dict[ModelSpec, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    async def _reply(
        self, spec: ModelSpec, messages: list[ChatMessage], sample: int, attempt: int, schema: dict[str, Any] | None
    ) -> Reply:
        key = request_key(spec, messages, sample, attempt, schema)
        stored = self._cache.get(key)
        count = self._counts[spec]
        if stored is not None or key in self._seen:
            count["cached"] += 1
            self.tally.cached += 1
        if stored is not None:
            return Reply.model_validate(stored)
        text = placeholder(key, schema, self._usual_chars(spec, schema is not None))
        if key not in self._seen:
            self._seen.add(key)
            self.tally.made += 1
            count["made"] += 1
            count["prompt_tokens"] += estimated_tokens(messages, schema)
            count["completion_tokens"] += -(-len(text) // CHARS_PER_TOKEN)
        return Reply(text=text, finish_reason="stop")

    def _usual_chars(self, spec: ModelSpec, structured: bool) -> int:
        """The mean length of this model's latest replies of the kind; half its limit where there are none."""
        kind = (spec.identity, structured)
        if kind not in self._usual:
            self._usual[kind] = self._cache.usual_chars(*kind)
        return self._usual[kind] or spec.max_tokens * CHARS_PER_TOKEN // 2

    def close(self) -> None:
        """Leave the counts, a line a model, where TUNEWRIGHT_PLAN says."""
        super().close()
        with Path(os.environ[PLAN]).open("a", encoding="utf-8") as file:
            for spec, count in self._counts.items():
                numbers = {name: count[name] for name in ("made", "cached", "prompt_tokens", "completion_tokens")}
                file.write(Planned(model=spec.model, price=spec.price, **numbers).model_dump_json() + "\n")


def estimated_tokens(messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None) -> int:
    """About how many tokens a prompt has, its schema included."""
    chars = sum(len(m["content"]) for m in messages) + (len(json.dumps(schema)) if schema else 0)
    return -(-chars // CHARS_PER_TOKEN) + MESSAGE_TOKENS * len(messages)


def placeholder(key: str, schema: dict[str, Any] | None, chars: int) -> str:
    """A reply that stands for one that is not known: words, or the smallest value of the schema padded with words."""
    rng = random.Random(stable_seed("placeholder", key))
    if schema is None:
        return prose(rng, chars)
    return json.dumps(smallest(schema, schema.get("$defs", {}), rng))


def prose(rng: random.Random, chars: int) -> str:
    """Sentences of ten words, about `chars` long."""
    words = rng.choices(VOCABULARY.split(), k=max(1, chars // 6))
    sentences = [" ".join(words[i : i + 10]).capitalize() for i in range(0, len(words), 10)]
    return ". ".join(sentences) + "."


def smallest(schema: Mapping[str, Any], definitions: Mapping[str, Any], rng: random.Random) -> Any:
    """A value that fits a JSON schema: first of the choices, required members only, lists as short as allowed."""
    if "$ref" in schema:
        return smallest(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions, rng)
    if "const" in schema or "enum" in schema:
        return schema.get("const", (schema.get("enum") or [None])[0])
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return smallest(schema[key][0], definitions, rng)
    kind = schema.get("type", "object")
    if kind == "object":
        members = schema.get("properties", {})
        wanted = schema.get("required", list(members))
        return {name: smallest(members.get(name, {"type": "string"}), definitions, rng) for name in wanted}
    if kind == "array":
        n = schema.get("minItems", 0)
        return [smallest(schema.get("items", {"type": "string"}), definitions, rng) for _ in range(n)]
    if kind == "string":
        return prose(rng, max(60, schema.get("minLength", 0)))[: schema.get("maxLength")]
    return {"integer": schema.get("minimum", 1), "number": schema.get("minimum", 1), "boolean": True}.get(kind)
