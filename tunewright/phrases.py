"""Finding what a set of replies repeats: phrases, and replies that are nearly the same. No list of phrases needed.

A reply is the list of words that `tunewright.measures.words` gives, so punctuation and case are no difference. A phrase
counts once per reply, however often it stands there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SHINGLE_WORDS = 5  # five words in a row are rarely shared by chance
CONTINUES = 0.8  # a phrase that stands in a longer one this often is only a part of it
MAX_POSTINGS = 50  # earlier replies remembered per shingle: bounds time where everything is alike

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

    @property
    def stop_words_only(self) -> bool:
        """Whether it is made of function words alone ("that it was the")."""
        return all(word in STOP_WORDS for word in self.text.split())


Gram = tuple[str, ...]


def mine_phrases(replies: Sequence[Sequence[str]], shortest: int, longest: int) -> list[Phrase]:
    """Every phrase of `shortest` to `longest` words that stands in two replies or more, most frequent first.

    Level by level as in the Apriori algorithm (Agrawal and Srikant, VLDB 1994): a phrase can only be repeated if both
    phrases one word shorter within it are, so memory follows what is repeated, not all text; the counts are exact.
    """
    found: list[Phrase] = []
    repeated: set[Gram] = set()
    for n in range(1, longest + 1):
        counts: Counter[Gram] = Counter()
        for reply in replies:
            counts.update({g for g in _grams(reply, n) if n == 1 or (g[1:] in repeated and g[:-1] in repeated)})
        repeated = {gram for gram, count in counts.items() if count > 1}
        if n >= shortest:
            found += [Phrase(" ".join(g), counts[g], counts[g] / len(replies)) for g in repeated]
        if not repeated:
            break
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
        joined.append(Phrase(" ".join(passage), count, grams[gram, count].share))
    return sorted(joined, key=lambda p: (-p.count, -len(p.text.split()), p.text))


def telling_phrases(phrases: Sequence[Phrase], share_max: float) -> list[Phrase]:
    """Leave out phrases of stop words alone, unless they are over the limit."""
    return [p for p in phrases if p.share > share_max or not p.stop_words_only]


def near_duplicates(replies: Sequence[Sequence[str]], similarity: float) -> list[tuple[int, int, float]]:
    """Replies that nearly repeat an earlier one: (later, earlier, containment), one row per later reply.

    Containment is the share of the smaller reply's 5-word shingles found in the other. Replies of under 10 words have
    too few shingles to tell and are left out.
    """
    postings: dict[Gram, list[int]] = defaultdict(list)
    sizes: dict[int, int] = {}
    found: list[tuple[int, int, float]] = []
    for index, reply in enumerate(replies):
        shingles = set(_grams(reply, SHINGLE_WORDS))
        if len(reply) < 2 * SHINGLE_WORDS:
            continue
        sizes[index] = len(shingles)
        shared = Counter(earlier for s in sorted(shingles) for earlier in postings.get(s, ()))
        best = max(((n / min(len(shingles), sizes[e]), -e) for e, n in shared.items()), default=(0.0, 0))
        if best[0] >= similarity:
            found.append((index, -best[1], best[0]))
        for shingle in shingles:
            if len(postings[shingle]) < MAX_POSTINGS:
                postings[shingle].append(index)
    return found


def distinct(replies: Sequence[Sequence[str]], n: int) -> float | None:
    """Distinct n-grams over all (distinct-n, Li et al. 2016, arXiv 1510.03055); falls with the amount of text."""
    seen: set[Gram] = set()
    total = 0
    for reply in replies:
        grams = list(_grams(reply, n))
        seen.update(grams)
        total += len(grams)
    return len(seen) / total if total else None


def _grams(reply: Sequence[str], n: int) -> Iterator[Gram]:
    return (tuple(reply[i : i + n]) for i in range(len(reply) - n + 1))
