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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunewright.cache import ReplyCache
from tunewright.llm import Client
from tunewright.locations import cache_dir
from tunewright.measures import words
from tunewright.models import PLANNED, Connection, ModelSpec, Price, Reply
from tunewright.records import Record, Transcript, stable_seed
from tunewright.requests import CHARS_PER_TOKEN, Request

PLAN = "TUNEWRIGHT_PLAN"
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

FEW_WORDS = 7


class Planned(Record):
    """What one stage would ask of one model."""

    model: str
    price: Price | None
    made: int
    prompt_tokens: int
    completion_tokens: int


class Counts(Record):
    """What one client would call, and how many requests the cache answers."""

    cached: int
    calls: tuple[Planned, ...]
    guessed: bool  # whether a request rests on a placeholder, so that others may be made in its place


class Lookup:
    """The reply cache, read only; placeholders are kept for this run alone."""

    def __init__(self, cache: ReplyCache) -> None:
        self.path = cache.path
        self._cache = cache
        self._made: dict[str, dict[str, Any]] = {}

    def get(self, key: str) -> dict[str, Any] | None:
        """The stored reply, a placeholder that was made before, or None."""
        return self._made.get(key) or self._cache.get(key)

    def ready(self) -> None:
        """A placeholder costs nothing."""

    def put(self, key: str, model: str, reply: dict[str, Any], item: str = "") -> dict[str, Any]:
        """Keep a placeholder."""
        self._made[key] = reply
        return reply

    def note_use(self, key: str, item: str) -> None:
        """A plan notes nothing."""

    def close(self) -> None:
        """Close the cache."""
        self._cache.close()


class Guesser:
    """Answers as a caller would, with placeholders, and counts."""

    def __init__(self, cache: ReplyCache) -> None:
        self._cache = cache
        self.has_guessed = False
        self._usual: dict[tuple[str, bool], int] = {}
        self._said: set[str] = set()
        self._counts: dict[ModelSpec, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    async def call(self, request: Request) -> Reply:
        """A placeholder for a request that the cache does not hold."""
        spec, schema = request.spec, request.schema
        chars = self._usual_chars(spec, schema is not None)
        text = placeholder(request.key, schema, chars)
        self.has_guessed = self.has_guessed or any(m["content"] in self._said for m in request.messages)
        self._said.add(text)
        count = self._counts[spec]
        count["made"] += 1
        count["prompt_tokens"] += request.prompt_tokens_guess
        count["completion_tokens"] += -(-(len(text) if schema is None else chars) // CHARS_PER_TOKEN)
        return Reply(text=text, finish_reason=PLANNED)

    def planned(self) -> tuple[Planned, ...]:
        """The counts, a model each."""
        return tuple(Planned(model=spec.model, price=spec.price, **count) for spec, count in self._counts.items())

    def _usual_chars(self, spec: ModelSpec, structured: bool) -> int:
        """The mean length of this model's latest replies of the kind; half its limit where there are none."""
        kind = (spec.identity, structured)
        if kind not in self._usual:
            guess = spec.max_tokens * CHARS_PER_TOKEN // 2
            self._usual[kind] = self._cache.usual_chars(*kind) or guess
        return self._usual[kind]


class PlanningClient(Client):
    """A client of the reply cache and of nothing else; `close` leaves its counts where TUNEWRIGHT_PLAN says."""

    def __init__(self, connections: dict[str, Connection]) -> None:
        cache = ReplyCache(cache_dir(), read_only=True)
        self._guesser = Guesser(cache)
        super().__init__(connections, Lookup(cache), self._guesser)
        self._offline = False  # a plan makes no call anyway, and is to count what is missing

    def close(self) -> None:
        """Close the cache and append the counts, one line."""
        super().close()
        counts = Counts(cached=self.tally.cached, calls=self._guesser.planned(), guessed=self._guesser.has_guessed)
        with Path(os.environ[PLAN]).open("a", encoding="utf-8") as file:
            file.write(counts.model_dump_json() + "\n")


def placeholder(key: str, schema: dict[str, Any] | None, chars: int) -> str:
    """A reply that stands for one that is not known: words, or the smallest value of the schema padded with words."""
    rng = random.Random(stable_seed("placeholder", key))
    if schema is None:
        return prose(rng, chars)
    return json.dumps(smallest(schema, schema.get("$defs", {}), rng))


def prose(rng: random.Random, chars: int) -> str:
    """Sentences of ten words, about `chars` long."""
    drawn = rng.choices(VOCABULARY.split(), k=max(1, chars // 6))
    sentences = [" ".join(drawn[i : i + 10]).capitalize() for i in range(0, len(drawn), 10)]
    return ". ".join(sentences) + "."


def has_placeholder(transcript: Transcript) -> bool:
    """Whether a message of a conversation was made here: nobody says more than a few words of VOCABULARY alone."""
    known = set(VOCABULARY.split())
    said = [words(text) for e in transcript.exchanges for text in (e.user, e.assistant)]
    return any(len(one) > FEW_WORDS and set(one) <= known for one in said)


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
