"""What is asked of a simulated user's messages, and when a conversation ends.

A message out of its persona's word limits, or one that says goodbye too early, is asked for again; the closest try is
kept. A conversation ends, in this order, at the number of exchanges drawn for it, at a goodbye once it is long enough,
or at the maximum. Goodbyes are found by word lists of the configuration.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from pydantic import Field

from tunewright.config import Bounds, Config
from tunewright.measures import count_phrases, opens_with, words
from tunewright.records import Ended, Exchange, Persona, Transcript

CLAUSE_END = re.compile(r"[.!?,;:\n\u2013\u2014]+| - ")
SIGNATURE_WORDS = 2  # what may stand after the goodbye: a name


class Closings(Config):
    """How goodbyes are known: phrases in lower case."""

    farewells: tuple[str, ...]
    thanks: tuple[str, ...]
    openers: tuple[str, ...]  # what may stand before a farewell in its clause
    pleasantry_words: int = Field(ge=1)  # a message of so many words that thanks or says goodbye has nothing else in it


class Conduct(Config):
    """The params section `conduct`: limits, re-asks and goodbyes of simulated users."""

    word_limit_tolerance: float = Field(ge=0, lt=1)  # a message may be shorter or longer by this share of the limit
    word_limit_reasks: int = Field(ge=0)
    goodbye_reasks: int = Field(ge=0)
    closings: Closings


def words_off(text: str, persona: Persona, tolerance: float) -> int:
    """By how many words a message lies outside its limits, widened by the tolerance; 0 inside."""
    n = len(words(text))
    low, high = persona.min_words * (1 - tolerance), persona.max_words * (1 + tolerance)
    return 0 if low <= n <= high else max(persona.min_words - n, n - persona.max_words)


def out_of_limits(transcripts: Sequence[Transcript], people: Sequence[Persona], tolerance: float) -> tuple[int, int]:
    """How many messages of simulated users are out of their word limits after all re-asks, of how many."""
    by_id = {p.id: p for p in people}
    said = [(e.user, by_id[t.persona_id]) for t in transcripts if t.user_kind == "simulated" for e in t.exchanges]
    return sum(words_off(text, persona, tolerance) > 0 for text, persona in said), len(said)


def ends(transcripts: Sequence[Transcript]) -> dict[str, int]:
    """How many conversations ended for each reason."""
    return dict(sorted(Counter(t.ended for t in transcripts).items()))


def says_goodbye(text: str, closings: Closings) -> bool:
    """Whether the message asks nothing and its last clause begins with a farewell, whoever it is signed by.

    "I did not have a good day" and a goodbye that is told of earlier on are none.
    """
    clauses = [c for c in CLAUSE_END.split(text) if words(c)]
    while len(clauses) > 1 and len(words(clauses[-1])) <= SIGNATURE_WORDS and not _farewell(clauses[-1], closings):
        clauses.pop()
    return "?" not in text and bool(clauses) and _farewell(clauses[-1], closings)


def is_pleasantry(text: str, closings: Closings) -> bool:
    """Whether a message is thanks or goodbye and nothing else: short, and no question."""
    is_short = 0 < len(words(text)) <= closings.pleasantry_words and "?" not in text
    return is_short and count_phrases(text, closings.farewells + closings.thanks) > 0


def closes(said: str, last_reply: str, closings: Closings) -> bool:
    """Whether the user's message ends the conversation: a goodbye, or thanks after the other side's goodbye."""
    if says_goodbye(said, closings):
        return True
    return is_pleasantry(said, closings) and says_goodbye(last_reply, closings)


def is_empty_close(exchange: Exchange, last_reply: str, closings: Closings) -> bool:
    """Whether an exchange closes and says nothing: not worth keeping. Both sides' goodbyes close as well."""
    if not is_pleasantry(exchange.user, closings):
        return False
    return closes(exchange.user, last_reply, closings) or says_goodbye(exchange.assistant, closings)


def stop(n_exchanges: int, planned: int, has_closed: bool, bounds: Bounds) -> Ended | None:
    """Why the conversation ends here, the first rule that holds; None: it goes on. A goodbye before `min` is early."""
    if n_exchanges >= planned:
        return "planned"
    if has_closed:
        return "natural" if n_exchanges >= (bounds.min or 1) else "early"
    return "maximum" if bounds.max is not None and n_exchanges >= bounds.max else None


def _farewell(clause: str, closings: Closings) -> bool:
    rest = " ".join(words(clause))
    while opener := next((o for o in closings.openers + closings.thanks if opens_with(rest, (o,))), None):
        rest = rest[len(opener) :].strip()
    return opens_with(rest, closings.farewells)
