"""Finding the phrases that a set of replies repeats. No list of phrases needed.

A reply is the list of words that `tunewright.measures.words` gives, so punctuation and case are no difference. A phrase
counts once per reply, however often it stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tunewright.phrase_counts import PhraseCounts, frequent_phrases

CONTINUES = 0.8  # a phrase that stands in a longer one this often is only a part of it

_STOP_WORDS = """
a about after all also am an and any are as at be because been before being but by can could did do does doing
don't down each even for from get go had has have having he her here him his how i i'd i'll i'm i've if in into is
it it's its just let like make me might more most much my no not now of off on one only or other our out over own
same she should so some still such than that that's the their them then there these they this those through to too
under up us very was way we were what what's when where which while who why will with would yes yet you you'd
you'll you're you've your"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True)
class Phrase:
    """A run of words and the share of replies (0 to 1) that it stands in."""

    text: str
    count: int
    share: float
    share_at_most: float  # the same unless the phrase may have been missed in some replies: see heavy_hitters

    @property
    def stop_words_only(self) -> bool:
        """Whether it is made of function words alone ("that it was the")."""
        return all(word in STOP_WORDS for word in self.text.split())


Gram = tuple[str, ...]


def phrases_of(parts: Sequence[PhraseCounts]) -> list[Phrase]:
    """The phrases counted in one or several sets of replies that two replies or more share, most frequent first."""
    n = sum(part.n_replies for part in parts)
    found = [Phrase(c.item, c.count, c.count / n, (c.count + c.missed) / n) for c in frequent_phrases(parts)]
    return sorted(found, key=lambda p: (-p.count, -len(p.text.split()), p.text))


def longest_phrases(phrases: Sequence[Phrase]) -> list[Phrase]:
    """The phrases that are not just part, or the same passage shifted by a word, of one already in the list."""
    parts: dict[Gram, int] = {}  # every sub-phrase of a longer phrase: its largest count there
    for phrase in phrases:
        gram = tuple(phrase.text.split())
        for part in (gram[1:], gram[:-1]):
            parts[part] = max(parts.get(part, 0), phrase.count)
    whole = [p for p in phrases if parts.get(tuple(p.text.split()), 0) < CONTINUES * p.count]
    return _join_shifted(whole)


def _join_shifted(phrases: Sequence[Phrase]) -> list[Phrase]:
    """Join phrases that are equally frequent and overlap in all but one word into the passage that they come from."""
    grams = {(tuple(p.text.split()), p.count): p for p in phrases}
    following: dict[tuple[Gram, int], Gram] = {(g[:-1], n): g for g, n in sorted(grams, reverse=True)}
    continued = {(g[1:], n) for g, n in grams}
    joined: list[Phrase] = []
    used: set[tuple[Gram, int]] = set()
    starts = [key for key in grams if (key[0][:-1], key[1]) not in continued]
    for gram, count in [*starts, *grams]:  # the second round takes what lies in a circle or a fork
        passage, at = list(gram), gram
        if (gram, count) in used:
            continue
        used.add((gram, count))
        while (after := following.get((at[1:], count))) and (after, count) not in used:
            passage.append(after[-1])
            used.add((after, count))
            at = after
        joined.append(replace(grams[gram, count], text=" ".join(passage)))
    return sorted(joined, key=lambda p: (-p.count, -len(p.text.split()), p.text))


def telling_phrases(phrases: Sequence[Phrase], share_max: float) -> list[Phrase]:
    """Leave out phrases of stop words alone, unless they are over the limit."""
    return [p for p in phrases if p.share_at_most > share_max or not p.stop_words_only]
