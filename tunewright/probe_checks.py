"""Whether a reply does what a probe asks, decided by code alone: no judge, no word that stands inside another.

A check holds where all that it names holds. Phrases are looked for in the reply's normal form (`measures.normalise`)
as whole words: "7" is not found in "17", "7.5" or "7th". What a model thinks aloud between <think> tags is no reply.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import Field, field_validator, model_validator

from tunewright.config import Bounds, Config
from tunewright.language import MIN_WORDS
from tunewright.llm import parse_json
from tunewright.measures import normalise, words

THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?")
NAMED = re.compile(r"\b(?:answer|result|total)\b[^\d\n-]{0,20}$")  # what stands before the number that is meant
SENTENCE_END = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)")
ITEM = re.compile(r"^\s*(?:[-*+\u2022]|\d{1,2}[.)])\s+\S", re.MULTILINE)
EMPHASIS = re.compile(r"\*\*|__|`")
MINUS = "\u2212"  # as it is typeset
CLOSE = 1e-9  # relative: 0.1 + 0.2 is 0.3


class Check(Config):
    """What a reply must do. None: not asked for."""

    equals: tuple[str, ...] | None = None  # the reply is one of these and nothing else, a full stop apart
    mentions: tuple[str, ...] | None = None  # one of these stands in it
    mentions_all: tuple[str, ...] | None = None
    avoids: tuple[str, ...] | None = None  # none of these stands in it
    number: float | None = None  # the number that the reply ends on, or names as the answer
    is_all: str | None = None  # a regular expression that fits the whole reply, line breaks and case as they are
    finds: str | None = None  # one that is found in the normal form
    finds_no: str | None = None
    json_value: dict[str, Any] | None = Field(default=None, alias="json")  # the JSON Schema of what it is
    words: Bounds | None = None
    sentences: Bounds | None = None
    lines: Bounds | None = None  # that are not empty
    items: Bounds | None = None  # of a list
    language: str | None = None  # ISO 639; replies of under 10 words are taken to be in it

    @field_validator("is_all", "finds", "finds_no")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"found {str(pattern)[:60]!r} ({error}), expected a regular expression") from None
        return pattern

    @field_validator("json_value")
    @classmethod
    def _is_a_schema(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema is None:
            return None
        import jsonschema

        if "$ref" in str(schema):
            raise ValueError("found $ref, expected a schema that is written out")
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            raise ValueError(
                f"found {str(error.instance)[:60]!r} ({error.message[:80]}), expected a JSON Schema"
            ) from None
        return schema

    @model_validator(mode="after")
    def _asks_something(self) -> Check:
        if not self.model_fields_set:
            raise ValueError(f"found an empty check, expected at least one of {', '.join(RULES)}")
        return self


def faults(check: Check, reply: str) -> list[str]:
    """What a reply does not do of what is asked, in words; empty where it passes."""
    text = THOUGHT.sub("", reply).strip()
    asked = {name: getattr(check, name) for name in RULES}
    said = ((RULES[name](wanted, text)) for name, wanted in asked.items() if wanted is not None)
    return [fault for fault in said if fault]


def _equals(wanted: Sequence[str], text: str) -> str | None:
    found = normalise(EMPHASIS.sub("", text)).strip("\"'").rstrip(".!").strip("\"'")
    return None if found in map(normalise, wanted) else f"it is not {_either(wanted)}"


def _mentions(wanted: Sequence[str], text: str) -> str | None:
    return None if any(_stands(phrase, text) for phrase in wanted) else f"no {_either(wanted)} in it"


def _mentions_all(wanted: Sequence[str], text: str) -> str | None:
    missing = [phrase for phrase in wanted if not _stands(phrase, text)]
    return f"no {_either(missing)} in it" if missing else None


def _avoids(unwanted: Sequence[str], text: str) -> str | None:
    found = [phrase for phrase in unwanted if _stands(phrase, text)]
    return f"{_either(found)} in it" if found else None


def _stands(phrase: str, text: str) -> bool:
    return bool(_whole(phrase).search(_plain(text)))


def _plain(text: str) -> str:
    """The normal form without Markdown's emphasis."""
    return normalise(EMPHASIS.sub("", text))


@lru_cache(maxsize=4096)
def _whole(phrase: str) -> re.Pattern[str]:
    """A phrase on word boundaries; a number neither in a longer one nor in a decimal fraction."""
    return re.compile(rf"(?<!\w)(?<!\d[.,]){re.escape(normalise(phrase))}(?!\w)(?![.,]\d)")


def _number(wanted: float, text: str) -> str | None:
    found = final_number(text)
    if found is None:
        return "no number in it"
    return None if math.isclose(found, wanted, rel_tol=CLOSE, abs_tol=CLOSE) else f"its number is {found:g}"


def final_number(text: str) -> float | None:
    """The number that a reply calls the answer, else its last one; None without any."""
    normal = _plain(text).replace(MINUS, "-")
    found = list(NUMBER.finditer(normal))
    named = [number for number in found if NAMED.search(normal[: number.start()])]
    chosen = (named or found)[-1:]
    return float(chosen[0].group().replace(",", "")) if chosen else None


def _is_all(pattern: str, text: str) -> str | None:
    return None if re.fullmatch(pattern, text) else "not of the form that is asked for"


def _finds(pattern: str, text: str) -> str | None:
    return None if re.search(pattern, _plain(text)) else "what is asked for does not stand in it"


def _finds_no(pattern: str, text: str) -> str | None:
    found = re.search(pattern, _plain(text))
    return f"{found.group()!r} in it" if found else None


def _json(schema: Mapping[str, Any], text: str) -> str | None:
    import jsonschema

    try:
        value = parse_json(text)
    except ValueError as error:
        return f"not JSON ({error})"
    error = next(jsonschema.Draft202012Validator(schema).iter_errors(value), None)
    return f"JSON of another shape: {error.message}" if error else None


def _count(what: str, count: Callable[[str], int]) -> Callable[[Bounds, str], str | None]:
    def fault(wanted: Bounds, text: str) -> str | None:
        n = count(text)
        return None if wanted.holds(n) else f"{n} {what}, not {wanted}"

    return fault


def n_sentences(text: str) -> int:
    """Sentences of a text: ends of sentences, and one more where words stand after the last."""
    ends = list(SENTENCE_END.finditer(text.strip()))
    rest = text.strip()[ends[-1].end() :] if ends else text
    return len(ends) + bool(words(rest))


def n_lines(text: str) -> int:
    """Lines with something on them."""
    return sum(bool(line.strip()) for line in text.splitlines())


def _language(wanted: str, text: str) -> str | None:
    from py3langid import classify

    if len(words(text)) < MIN_WORDS:
        return None
    found = classify(text)[0]
    return None if found == wanted else f"in another language ({found})"


def _either(phrases: Sequence[str]) -> str:
    shown = " or ".join(repr(phrase) for phrase in phrases[:3])
    return f"{shown} or another of {len(phrases)}" if len(phrases) > 3 else shown


RULES: dict[str, Callable[[Any, str], str | None]] = {
    "equals": _equals, "mentions": _mentions, "mentions_all": _mentions_all, "avoids": _avoids, "number": _number,
    "is_all": _is_all, "finds": _finds, "finds_no": _finds_no, "json_value": _json,
    "words": _count("words", lambda t: len(words(t))),
    "sentences": _count("sentences", n_sentences), "lines": _count("lines", n_lines),
    "items": _count("items", lambda t: len(ITEM.findall(t))), "language": _language,
}  # fmt: skip
