"""What the audit looks for over all messages, the user's too: copies, leaks, personal data, language, characters.

The evaluation side is everybody whom the split rule (`tunewright.splits`) holds out; whoever's messages are trained on
must not say, word for word nearly, what is said there: that would be a leak whatever the persona ids say.
"""

from __future__ import annotations

import unicodedata
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunewright.language import LanguageSample
from tunewright.near_duplicates import Copy, NearDuplicates, Place
from tunewright.personal_data import KINDS, PersonalData, find_personal_data
from tunewright.records import Transcript
from tunewright.reply_counts import Reply
from tunewright.splits import Shares, split_of
from tunewright.training_set import source_of

Row = dict[str, Any]
Shown = tuple[str, str, str]  # where, what it repeats, of its 5-word runs


@dataclass(frozen=True)
class MessageLimits:
    """How alike is a copy, how much is remembered and shown, who is held out, in which language all should be."""

    similarity: float
    capacity: int
    language: str
    language_sample: int
    shares: Shares
    seed: int
    top: int
    public_contacts: tuple[str, ...]


class MessageAudit:
    """All messages, one conversation at a time."""

    def __init__(self, limits: MessageLimits, sources: Sequence[str]) -> None:
        self._limits, self._sources = limits, sources
        self._index = NearDuplicates(limits.capacity)
        self._groups = array("b")  # of each indexed message: its source's number for a reply, -1 for a user's message
        self._held_out = array("b")
        self._language = LanguageSample(limits.language_sample)
        self._characters: Counter[str] = Counter()  # non-ASCII: messages with it
        self._n_personal: Counter[str] = Counter()
        self._personal: list[tuple[str, PersonalData]] = []
        self.n_messages = 0
        self.n_conversations = self.n_held_out = 0

    def add(self, transcript: Transcript, replies: Sequence[Reply]) -> None:
        """Look at one conversation."""
        held_out = split_of(transcript.persona_id, self._limits.shares, self._limits.seed) == "holdout"
        self.n_conversations += 1
        self.n_held_out += held_out
        group = self._sources.index(source_of(transcript))
        for reply in replies:
            asked, answered = (Place(transcript.id, reply.exchange, role) for role in ("user", "assistant"))
            self._message(asked, reply.user, reply.user_words, -1, held_out)
            self._message(answered, reply.text, reply.words, group, held_out)

    def _message(self, place: Place, text: str, words: Sequence[str], group: int, held_out: bool) -> None:
        self.n_messages += 1
        if self._index.add(place, words):
            self._groups.append(group)
            self._held_out.append(held_out)
        self._language.add(str(place), text, len(words))
        if not text.isascii():
            self._characters.update({c for c in text if ord(c) > 127})
        for found in find_personal_data(text, self._limits.public_contacts):
            self._n_personal[found.kind] += 1
            if self._n_personal[found.kind] <= self._limits.top:
                self._personal.append((str(place), found))

    def copies(self, source: str | None) -> list[Copy]:
        """Replies that nearly repeat an earlier one of the same source, or (None) of any."""
        wanted = None if source is None else self._sources.index(source)
        groups = [(-1 if g < 0 or wanted not in (None, g) else 0) for g in self._groups]
        return self._index.repeats(groups, self._limits.similarity)

    def shown(self, copies: Sequence[Copy], whole: bool = False) -> list[Shown]:
        """The first copies in words; `whole`: they are conversations."""

        def where(message: int) -> str:
            place = self._index.place(message)
            return place.transcript if whole else str(place)

        return [(where(c.later), where(c.earlier), f"{c.share:.0%}") for c in copies[: self._limits.top]]

    def row(self) -> Row:
        """Every number and example over all data."""
        leaks = self._index.leaks(self._held_out, self._limits.similarity)
        conversations = self._index.conversations(self._limits.similarity)
        others = self._language.others(self._limits.language)
        sampled = len(self._language)
        return {
            "n_messages": self.n_messages,
            "n_conversations": self.n_conversations,
            "n_evaluation_conversations": self.n_held_out,
            "n_leaks": len(leaks),
            "n_conversation_copies": len(conversations),
            "n_not_compared": self._index.n_left_out,
            "n_language_told": sampled,
            "n_language_long_enough": self._language.n_seen,
            "other_language_share": len(others) / sampled if sampled else None,
            "n_personal_data": sum(self._n_personal.values()),
            "personal_data": {kind: self._n_personal[kind] for kind in KINDS if self._n_personal[kind]},
            "leaks": self.shown(leaks),
            "conversation_copies": self.shown(conversations, whole=True),
            "other_languages": [(o.place, o.language) for o in others[: self._limits.top]],
            "personal_data_places": [(place, found.kind, found.masked) for place, found in self._personal],
            "characters": [
                (f"U+{ord(c):04X}", unicodedata.name(c, "without a name").lower(), n)
                for c, n in sorted(self._characters.items(), key=lambda item: (-item[1], item[0]))[: self._limits.top]
            ],
        }
