"""What a simulated user does wrong that can be measured: one function per fault, exchanges (from 1) to what was seen.

Phrases come from the configuration; what was leaked is found against the very texts that the simulator was given, and
loops and copies by shared runs of words, so that neither knows a domain. The word lists are of one language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pydantic import Field

from tunewright.conduct import Conduct, closes, is_pleasantry, says_goodbye, words_off
from tunewright.config import Bounds, Config
from tunewright.measures import count_phrases, words
from tunewright.records import Persona, Transcript

Seen = dict[int, str]  # exchange number (from 1): what was seen there
Run = tuple[str, ...]
ASIDE = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*")  # [no message], (silence), *sighs*
PLACEHOLDER = re.compile(
    r"\{\{.*?\}\}|\{%|\{[a-z_. ]+\}|<!--|</?[a-z_]+>|\[(?:your |insert )?[a-z]* ?name\]", re.IGNORECASE
)
LABEL = re.compile(r"^\s*(?:user|assistant|system|human|ai|role)\s*:", re.IGNORECASE | re.MULTILINE)
LIMITS = re.compile(r"\b\d+ ?(?:to|-|\u2013) ?\d+ words\b", re.IGNORECASE)
RICH_TEXT = re.compile(r"\*\*[^*\n]+\*\*|^#{1,6}\s+\S|^(?:---|___)\s*$", re.MULTILINE)  # lists are human, these are not
JINJA = re.compile(r"\{#.*?#\}|\{\{.*?\}\}|<!--.*?-->|\{%.*?%\}", re.DOTALL)
QUOTED = re.compile(r'"([^"]+)"')


class FaultRules(Config):
    """The params section `measures` of the simulator review."""

    helper_phrases: tuple[str, ...]  # one in a message that is about the other side makes it the helper's
    helper_hints: tuple[str, ...]  # two of these likewise
    first_person: tuple[str, ...]
    second_person: tuple[str, ...]
    address_words_min: int = Field(
        ge=1
    )  # so many words of the other person, or of oneself, show whom a message is about
    address_share: float = Field(gt=0.5, le=1)  # of the words of both persons
    machine_phrases: tuple[str, ...]
    instruction_phrases: tuple[str, ...]
    common_words: tuple[str, ...]  # of the domain's language
    common_share_min: float = Field(ge=0, le=1)  # of a message's words; fewer: another language
    language_words_min: int = Field(ge=1)  # a shorter message is not asked for its language
    leak_run_words: int = Field(ge=3)  # so many words in a row from the instructions are no chance
    run_words: int = Field(ge=2)  # loops and copies are compared by runs of so many words
    compared_words_min: int = Field(ge=3)  # a shorter message is no loop or copy, unless it is said over and over
    loop_share: float = Field(gt=0, le=1)  # of a message's runs, found in an earlier one of the user's
    copy_share: float = Field(gt=0, le=1)  # of a message's runs, found in an earlier reply
    inner_repeat_share: float = Field(gt=0, le=1)  # of a message's runs, said before within it
    short_repeats: int = Field(ge=2)  # the same short message is a loop from this one on


class Review(NamedTuple):
    """A conversation with all that the measures look at."""

    transcript: Transcript
    persona: Persona
    told: frozenset[Run]  # runs of words of what the simulator was told
    exchanges: Bounds
    conduct: Conduct
    rules: FaultRules

    @property
    def said(self) -> list[tuple[int, str]]:
        return [(n, e.user) for n, e in enumerate(self.transcript.exchanges, 1)]


def empty(review: Review) -> Seen:
    """Nothing but dots, or what stands in brackets."""
    return {n: "no words" for n, text in review.said if not words(ASIDE.sub(" ", text))}


def role_swap(review: Review) -> Seen:
    """The user copies the other side's words, talks as the one who helps, or changes places with the other side."""
    seen, replies, rules = {}, [e.assistant for e in review.transcript.exchanges], review.rules
    for n, text in review.said:
        copied = max((_shared(text, reply, rules) for reply in replies[: n - 1]), default=0.0)
        if copied >= rules.copy_share:
            seen[n] = f"{copied:.0%} of it copied from a reply"
        elif _helps(text, rules):
            seen[n] = "talks as the one who helps"
        elif _is_about(text, rules, you=True) and _is_about(replies[n - 1], rules, you=False):
            seen[n] = "all about the other side, and the reply all about itself"
    return seen


def _helps(text: str, rules: FaultRules) -> bool:
    """Formulas of helping in a message that speaks at least as much of the other as of the writer."""
    you, i = count_phrases(text, rules.second_person), count_phrases(text, rules.first_person)
    points = 2 * count_phrases(text, rules.helper_phrases) + count_phrases(text, rules.helper_hints)
    return you >= max(i, 1) and points >= 2


def _is_about(text: str, rules: FaultRules, you: bool) -> bool:
    """Whether a message speaks mostly of the other side (`you`) or of the writer."""
    second, first = count_phrases(text, rules.second_person), count_phrases(text, rules.first_person)
    found = second if you else first
    return found >= rules.address_words_min and found >= rules.address_share * (first + second)


def loop(review: Review) -> Seen:
    """The user says what it has said before, within a message or over several."""
    seen: Seen = {}
    rules, earlier = review.rules, []
    for n, text in review.said:
        runs = _runs(words(text), rules.run_words)
        inner = 1 - len(set(runs)) / len(runs) if len(words(text)) >= rules.compared_words_min else 0.0
        again = max((_shared(text, before, rules) for before in earlier), default=0.0)
        same = 1 + sum(words(before) == words(text) for before in earlier)
        if inner >= rules.inner_repeat_share:
            seen[n] = f"{inner:.0%} of it said before in the same message"
        elif again >= rules.loop_share:
            seen[n] = f"{again:.0%} of it said in an earlier message"
        elif same >= rules.short_repeats and len(words(text)) > 2:
            seen[n] = f"the same message for the {same}th time"
        earlier.append(text)
    return seen


def leaked_instructions(review: Review) -> Seen:
    """Words, tags, placeholders or labels of the simulator's instructions."""
    rules, name = review.rules, re.escape(review.persona.name)
    seen = {}
    for n, text in review.said:
        found = PLACEHOLDER.search(text) or LABEL.search(text) or LIMITS.search(text) or re.match(rf"{name}\s*:", text)
        run = next((r for r in _runs(words(text), rules.leak_run_words) if r in review.told), None)
        if found or run:
            seen[n] = f"{found.group().strip() if found else ' '.join(run or ())!r} comes from its instructions"
        elif count_phrases(text, rules.instruction_phrases):
            seen[n] = "speaks of its instructions"
    return seen


def assistant_voice(review: Review) -> Seen:
    """The manner of a language model: says that it is one, announces its text, sets it in bold."""
    seen = {}
    for n, text in review.said:
        if count_phrases(text, review.rules.machine_phrases):
            seen[n] = "speaks as a language model"
        elif RICH_TEXT.search(text):
            seen[n] = "bold type, a heading or a rule"
    return seen


def early_end(review: Review) -> Seen:
    """The user would not go on, or says goodbye, before the least number of exchanges."""
    exchanges, least = review.transcript.exchanges, int(review.exchanges.min or 1)
    last = len(exchanges)
    said_goodbye = last < least and says_goodbye(exchanges[-1].user, review.conduct.closings)
    return (
        {last: f"ended after {last} of at least {least}"} if review.transcript.ended == "early" or said_goodbye else {}
    )


def length(review: Review) -> Seen:
    """Messages out of the persona's word limits."""
    limits, tolerance = f"{review.persona.min_words} to {review.persona.max_words}", review.conduct.word_limit_tolerance
    return {
        n: f"{len(words(t))} words, not {limits}" for n, t in review.said if words_off(t, review.persona, tolerance)
    }


def goodbye_loop(review: Review) -> Seen:
    """Goodbyes after a goodbye."""
    closings, seen, had_closed, last_reply = review.conduct.closings, {}, False, ""
    for n, exchange in enumerate(review.transcript.exchanges, 1):
        has_closed = closes(exchange.user, last_reply, closings) or (
            had_closed and is_pleasantry(exchange.user, closings)
        )
        if has_closed and had_closed:
            seen[n] = "a goodbye after a goodbye"
        had_closed, last_reply = has_closed, exchange.assistant
    return seen


def other_language(review: Review) -> Seen:
    """Hardly any of the domain's language's commonest words in a message that is long enough to have some."""
    seen = {}
    for n, text in review.said:
        found = words(text)
        share = sum(w in review.rules.common_words for w in found) / max(len(found), 1)
        if len(found) >= review.rules.language_words_min and share < review.rules.common_share_min:
            seen[n] = f"{share:.0%} of its words are common ones of the language"
    return seen


MEASURES: dict[str, Callable[[Review], Seen]] = {
    f.__name__: f
    for f in (
        role_swap, leaked_instructions, loop, assistant_voice, empty, early_end, goodbye_loop, length, other_language,
    )
}  # fmt: skip


def told_runs(prompt_texts: Iterable[str], plain_texts: Iterable[str], run_words: int) -> frozenset[Run]:
    """Runs of words of prompt files (their fixed text, and what stands in quotes inside tags) and of plain texts."""
    pieces = list(plain_texts)
    for text in prompt_texts:
        pieces += JINJA.split(text)
        pieces += [quoted for tag in JINJA.findall(text) for quoted in QUOTED.findall(tag)]
    return frozenset(run for piece in pieces for run in _runs(words(piece), run_words))


def _runs(found: Sequence[str], n: int) -> list[Run]:
    return [tuple(found[i : i + n]) for i in range(len(found) - n + 1)]


def _shared(text: str, other: str, rules: FaultRules) -> float:
    """The share of a text's runs that stand in another; 0 for one that is too short to tell."""
    found = words(text)
    if len(found) < rules.compared_words_min:
        return 0.0
    runs, there = set(_runs(found, rules.run_words)), set(_runs(words(other), rules.run_words))
    return len(runs & there) / len(runs)
