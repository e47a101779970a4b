"""Evidence: whether the words that a judge quotes stand in the conversation, and where.

A judge that invents its evidence has not read what it judges. Quotes are compared word by word, so that case, spaces,
punctuation, typographic quotes, dashes and markup play no part; parts joined by an ellipsis must stand in one message,
in that order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from tunewright.records import Exchange, Quote

UNSPACED = r"\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"  # Thai, kana, Han: written without spaces, each sign is a word
WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")
MISQUOTE_CHARS = 300  # that are kept of what nobody said, and told to the judge
ELLIPSIS = re.compile(r"\.{2,}")
SPEAKER = re.compile(r"^\W*(?:user|assistant)\s*:", re.IGNORECASE)  # copied from the transcript with the words


class Sifted(NamedTuple):
    """A judge's quotes: those that are in the conversation, and the words that are not."""

    quotes: tuple[Quote, ...]
    misquotes: tuple[str, ...]


def sift(quoted: Sequence[str], named: Sequence[int], exchanges: Sequence[Exchange]) -> Sifted:
    """Look every quote up, in the exchanges that the judge names (from 1) before the others; a stray one is put right.

    Words of the user count too: what was said to the assistant can decide as well as what it said.
    """
    order = [n for n in dict.fromkeys(named) if 1 <= n <= len(exchanges)]
    order += [n for n in range(1, len(exchanges) + 1) if n not in order]
    quotes, misquotes = [], []
    for text in quoted:
        where = next((n for n in order if stands_in(text, exchanges[n - 1])), None)
        if where is None:
            misquotes.append(" ".join(text.split())[:MISQUOTE_CHARS])
        else:
            quotes.append(Quote(exchange=where, text=" ".join(text.split())))
    return Sifted(tuple(quotes), tuple(misquotes))


def stands_in(quote: str, exchange: Exchange) -> bool:
    """Whether one of the exchange's two messages has the quote's words; a quote without words is in none."""
    wanted = [part for piece in ELLIPSIS.split(_plain(SPEAKER.sub("", quote))) if (part := _words(piece))]
    return bool(wanted) and any(_in_order(wanted, _words(_plain(m))) for m in (exchange.user, exchange.assistant))


def _in_order(parts: Sequence[str], text: str) -> bool:
    start, text = 0, f" {text} "
    for part in parts:
        found = text.find(f" {part} ", start)
        if found < 0:
            return False
        start = found + len(part) + 1  # the space after it may begin the next part
    return True


def _plain(text: str) -> str:
    """One form for signs that look or mean the same: ligatures, wide letters, the ellipsis sign; no case."""
    return unicodedata.normalize("NFKC", text).casefold()


def _words(text: str) -> str:
    return " ".join(WORD.findall(text))
