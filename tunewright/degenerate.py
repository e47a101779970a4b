"""Output that no reader needs to judge: loops, silence, replies that never end, the other side's words, another tongue.

Every kind is counted on single replies. Thresholds stand in the configuration; a test holds them to the authored
conversations, in which people wrote every reply and nothing may be found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pydantic import Field

from tunewright.config import Config
from tunewright.language import MIN_WORDS
from tunewright.measures import normalise, words

SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
TURN_LABEL = re.compile(
    r"^\s*(?:\*\*)?(?:user|human|customer|client|assistant|system)(?:\*\*)?\s*:", re.IGNORECASE | re.MULTILINE
)
TEMPLATE_TOKEN = re.compile(
    r"<\|[a-z_]+\|>|</?(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>|</s>|<s>|\{%|\{\{", re.IGNORECASE
)  # ChatML, Llama 3, Gemma, Llama 2 and Mistral, Jinja


class DegenerateRules(Config):
    """From where on a reply is degenerate."""

    language: str  # ISO 639, what replies should be in
    words_min: int = Field(ge=4)  # a shorter reply is no loop
    run_words: int = Field(ge=2)  # loops are found by runs of so many words
    repeated_share: float = Field(gt=0, le=1)  # of a reply's runs, said before in it
    sentence_repeats: int = Field(ge=2)  # the same sentence so many times is a loop
    sentence_words: int = Field(ge=1)  # of a sentence that counts as repeated


class Said(NamedTuple):
    """One reply, and what it is compared and counted by: the same `place` on both sides is one pair."""

    place: str
    cluster: str
    text: str
    is_cut: bool  # stopped by max_tokens


def loop(said: Said, rules: DegenerateRules) -> bool:
    """The same words over and over: runs that were said before, or one sentence several times."""
    found = words(said.text)
    if len(found) < rules.words_min:
        return False
    runs = [tuple(found[i : i + rules.run_words]) for i in range(len(found) - rules.run_words + 1)]
    again = 1 - len(set(runs)) / len(runs)
    sentences = Counter(tuple(words(one)) for one in SENTENCE.findall(normalise_lines(said.text)))
    most = max((n for sentence, n in sentences.items() if len(sentence) >= rules.sentence_words), default=0)
    return again >= rules.repeated_share or most >= rules.sentence_repeats


def normalise_lines(text: str) -> str:
    """The normal form line by line, since a line break ends a sentence in a list."""
    return "\n".join(normalise(line) for line in text.splitlines())


def empty(said: Said, rules: DegenerateRules) -> bool:
    """Not one word."""
    return not words(said.text)


def cut(said: Said, rules: DegenerateRules) -> bool:
    """Still talking when max_tokens ran out."""
    return said.is_cut


def role_break(said: Said, rules: DegenerateRules) -> bool:
    """Writes a turn of the other side, or tokens of the chat template."""
    return bool(TURN_LABEL.search(said.text) or TEMPLATE_TOKEN.search(said.text))


def other_language(said: Said, rules: DegenerateRules) -> bool:
    """In another language; replies of under 10 words are not told."""
    from py3langid import classify

    return len(words(said.text)) >= MIN_WORDS and classify(said.text)[0] != rules.language


KINDS: dict[str, Callable[[Said, DegenerateRules], bool]] = {
    f.__name__: f for f in (loop, empty, cut, role_break, other_language)
}
MEANING = {
    "loop": "says the same over and over",
    "empty": "says nothing",
    "cut": "was still talking when max_tokens ran out",
    "role_break": "writes the other side's turn, or tokens of the chat template",
    "other_language": "answers in another language",
}


def kinds_of(said: Said, rules: DegenerateRules) -> set[str]:
    """What is wrong with one reply; a loop is not asked for its language, which nobody could tell."""
    found = {name for name, is_so in KINDS.items() if name != "other_language" and is_so(said, rules)}
    return found if "loop" in found or not other_language(said, rules) else found | {"other_language"}


def examples(
    where: str, side: str, replies: Sequence[Said], found: Sequence[set[str]], per_kind: int, chars: int
) -> list[dict[str, Any]]:
    """A few replies of each kind, shortened; being cut off needs no example."""
    rows = []
    for kind in (k for k in KINDS if k != "cut"):
        hits = [said for said, kinds in zip(replies, found, strict=True) if kind in kinds][:per_kind]
        for said in hits:
            name, _, exchange = said.place.partition("#")
            where_in = {"id": name, "exchange": int(exchange) if exchange else None}
            rows.append({"where": where, "side": side, "kind": kind} | where_in | {"text": said.text[:chars]})
    return rows
