"""Numbers computed from a transcript, exactly: what a language model cannot count.

`measure` returns every statistic by name; a rubric's measured criteria put bounds on them, and all of them are
given to the judges. Shares are of replies (0 to 1). A word is a run of letters, digits or apostrophes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from tunewright.records import Exchange

WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
MARKUP = re.compile(
    r"^\s{0,3}(?:[-*+\u2022]\s+\S|\d{1,2}[.)]\s+\S|#{1,6}\s+\S)|\*\*[^*\n]+\*\*|__[^_\n]+__", re.MULTILINE
)
OPENING_WORDS = 2  # replies that share their first two words count as opened alike

STATISTICS = {
    "n_exchanges": "exchanges",
    "user_words_mean": "words per user message",
    "reply_words_mean": "words per reply",
    "length_ratio_mean": "reply words over user words, mean",
    "length_ratio_max": "reply words over user words, largest",
    "over_twice_share": "share of replies over twice the user's words",
    "questions_mean": "questions per reply, mean",
    "questions_max": "questions per reply, most",
    "question_ending_share": "share of replies that end in a question",
    "repeated_opening_share": "share of replies that begin like an earlier one (first two words)",
    "stock_opening_share": "share of replies that begin with a listed formula",
    "stock_phrases_mean": "listed stock phrases per reply",
    "markup_share": "share of replies with a list, heading or bold",
    "non_ascii_share": "share of replies with non-ASCII characters",
    "praise_early_mean": "listed praise words per reply, first half",
    "praise_late_mean": "listed praise words per reply, second half",
}


class Lexicon(BaseModel):
    """The phrase lists of a rubric, lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    stock_openings: tuple[str, ...] = ()
    stock_phrases: tuple[str, ...] = ()
    praise: tuple[str, ...] = ()


def normalise(text: str) -> str:
    """Lower case, straight quotes, single spaces: the form that phrases are matched in."""
    text = text.lower().replace("\u2019", "'").replace("\u2018", "'").replace("\u201c", '"').replace("\u201d", '"')
    return " ".join(text.split())


def words(text: str) -> list[str]:
    """The words of a text, lower case."""
    return words_of(normalise(text))


def words_of(normal: str) -> list[str]:
    """The words of a text that is normalised already."""
    return WORD.findall(normal)


@lru_cache(maxsize=64)
def _phrases(phrases: tuple[str, ...]) -> re.Pattern[str] | None:
    """One pattern for a phrase list, longest first, on word boundaries; None for an empty list."""
    if not phrases:
        return None
    ordered = sorted((re.escape(p.strip()) for p in phrases), key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(ordered) + r")(?!\w)")


def count_phrases(text: str, phrases: tuple[str, ...]) -> int:
    """How many times any of the phrases stands in the text."""
    return count_normalised(normalise(text), phrases)


def count_normalised(normal: str, phrases: tuple[str, ...], at_start: bool = False) -> int:
    """As `count_phrases` for a text that is normalised already; `at_start`: 1 if it begins with a phrase, else 0."""
    pattern = _phrases(phrases)
    if not pattern:
        return 0
    return int(bool(pattern.match(normal))) if at_start else len(pattern.findall(normal))


def opens_with(text: str, phrases: tuple[str, ...]) -> bool:
    """Whether the text begins with one of the phrases."""
    return bool(count_normalised(normalise(text), phrases, at_start=True))


def opening(text: str) -> str:
    """The first two words, by which replies are compared."""
    return " ".join(words(text)[:OPENING_WORDS])


def n_questions(text: str) -> int:
    """Questions in a text: runs of question marks."""
    return len(re.findall(r"\?+", text))


def ends_in_question(text: str) -> bool:
    """Whether the last sentence is a question (closing quotes and brackets allowed)."""
    return bool(re.search(r"\?[\"')\]\u201d\u2019]*\s*$", text))


def measure(exchanges: Sequence[Exchange], lexicon: Lexicon) -> dict[str, float]:
    """Every statistic of STATISTICS for one transcript of at least one exchange."""
    if not exchanges:
        raise ValueError("cannot measure a transcript without exchanges")
    replies = [e.assistant for e in exchanges]
    n = len(replies)
    user_words = [len(words(e.user)) for e in exchanges]
    reply_words = [len(words(r)) for r in replies]
    ratios = [reply / max(user, 1) for user, reply in zip(user_words, reply_words, strict=True)]
    questions = [n_questions(r) for r in replies]
    praise = [count_phrases(r, lexicon.praise) for r in replies]
    half = (n + 1) // 2
    return {
        "n_exchanges": float(n),
        "user_words_mean": sum(user_words) / n,
        "reply_words_mean": sum(reply_words) / n,
        "length_ratio_mean": sum(ratios) / n,
        "length_ratio_max": max(ratios),
        "over_twice_share": sum(r > 2.0 for r in ratios) / n,
        "questions_mean": sum(questions) / n,
        "questions_max": float(max(questions)),
        "question_ending_share": sum(map(ends_in_question, replies)) / n,
        "repeated_opening_share": (n - len({opening(r) for r in replies})) / n,
        "stock_opening_share": sum(opens_with(r, lexicon.stock_openings) for r in replies) / n,
        "stock_phrases_mean": sum(count_phrases(r, lexicon.stock_phrases) for r in replies) / n,
        "markup_share": sum(bool(MARKUP.search(r)) for r in replies) / n,
        "non_ascii_share": sum(not r.isascii() for r in replies) / n,
        "praise_early_mean": sum(praise[:half]) / half,
        "praise_late_mean": sum(praise[half:]) / (n - half) if n > half else 0.0,
    }
