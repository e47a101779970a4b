"""Everything that the audit counts over the replies of one source, one reply at a time.

The counts of several sources can be taken together without a look at the replies. Memory does not depend on how many
replies there are: sums, and the bounded counts of heavy_hitters and word_codes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tunewright.heavy_hitters import LossyCounts, frequent
from tunewright.measures import MARKUP, OPENING_WORDS, Lexicon, count_normalised, ends_in_question, normalise, words_of
from tunewright.phrase_counts import PhraseCounts
from tunewright.phrases import Phrase, longest_phrases, phrases_of, telling_phrases
from tunewright.records import Transcript
from tunewright.reply_shape import has_heading, has_list, paragraphs, shape
from tunewright.word_codes import DistinctCounter, WordCodes, gram_codes

CLOSING_WORDS = 3
PRAISE_MIN = 10  # praise words in all; with fewer, late over early is noise
DISTINCT_N = (1, 2)

Row = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """One assistant reply and the message that it answers."""

    exchange: int  # from 1
    user: str
    user_words: list[str]
    text: str
    normal: str  # as phrases are matched in
    words: list[str]
    late: bool  # in the second half of its conversation

    @property
    def ratio(self) -> float:
        """Its words over the user's."""
        return len(self.words) / max(len(self.user_words), 1)


@dataclass(frozen=True)
class Limits:
    """What is counted how closely: runs of words, replies to a bucket, different runs held, rows reported."""

    phrase_words: tuple[int, int]
    phrase_share_max: float
    bucket: int
    distinct_capacity: int
    top: int


def replies_of(transcript: Transcript) -> Iterator[Reply]:
    """The replies of a conversation."""
    for number, e in enumerate(transcript.exchanges, 1):
        normal = normalise(e.assistant)
        yield Reply(
            exchange=number,
            user=e.user,
            user_words=words_of(normalise(e.user)),
            text=e.assistant,
            normal=normal,
            words=words_of(normal),
            late=number > (len(transcript.exchanges) + 1) // 2,
        )


class ReplyCounts:
    """The counts of one source."""

    def __init__(self, limits: Limits, lexicon: Lexicon) -> None:
        self._limits, self._lexicon = limits, lexicon
        self.sums: Counter[str] = Counter()  # of replies, unless the name says otherwise
        self.ratio_sum = 0.0
        self.phrases = PhraseCounts(*limits.phrase_words, limits.bucket)
        self.ends: dict[str, LossyCounts[str]] = {
            name: LossyCounts(limits.bucket) for name in ("openings", "closings", "structures")
        }
        self.distinct = {n: DistinctCounter(limits.distinct_capacity) for n in DISTINCT_N}
        self._codes = WordCodes()
        self._waiting: list[Sequence[str]] = []

    def add(self, reply: Reply) -> None:
        """Count one reply."""
        self.ratio_sum += reply.ratio
        self.sums.update(self._sums_of(reply))
        ends = {
            "openings": " ".join(reply.words[:OPENING_WORDS]),
            "closings": " ".join(reply.words[-CLOSING_WORDS:]),
            "structures": shape(reply.text),
        }
        for name, end in ends.items():
            self.ends[name].add([end] if len(end) > 1 else [])  # one sentence alone is no structure
        self._waiting.append(reply.words)
        if len(self._waiting) == self._limits.bucket:
            self._count_runs()

    def _sums_of(self, reply: Reply) -> dict[str, int]:
        lexicon, n_paragraphs = self._lexicon, len(paragraphs(reply.text))
        when = "late" if reply.late else "early"
        return {
            "replies": 1,
            "words": len(reply.words),
            "over_twice": reply.ratio > 2.0,
            f"{when}_replies": 1,
            f"{when}_praise_words": count_normalised(reply.normal, lexicon.praise),
            "paragraphs": n_paragraphs,
            "one_paragraph": n_paragraphs == 1,
            "markup": bool(MARKUP.search(reply.text)),
            "lists": has_list(reply.text),
            "headings": has_heading(reply.text),
            "questions_at_end": ends_in_question(reply.text),
            "stock_openings": count_normalised(reply.normal, lexicon.stock_openings, at_start=True),
            "stock_phrases": count_normalised(reply.normal, lexicon.stock_phrases),
            "non_ascii": not reply.text.isascii(),
            "without_words": not reply.words,
        }

    def _count_runs(self) -> None:
        flat, lengths = self._codes.of(self._waiting)
        self.phrases.add_bucket(self._waiting, flat, lengths)
        for n, counter in self.distinct.items():
            counter.add(gram_codes(flat, lengths, n)[0])
        self._waiting = []

    def finish(self) -> None:
        """Count what is still waiting; call once, after the last reply."""
        if self._waiting:
            self._count_runs()


def praise_drift(sums: Counter[str]) -> float | None:
    """Praise words per reply in later halves over that in earlier ones, each count with 0.5 added so that it exists.

    None with under PRAISE_MIN praise words, or without replies in both halves.
    """
    late, early = sums["late_praise_words"], sums["early_praise_words"]
    n_late, n_early = sums["late_replies"], sums["early_replies"]
    if not n_late or not n_early or late + early < PRAISE_MIN:
        return None
    return ((late + 0.5) / n_late) / ((early + 0.5) / n_early)


def shapes(sums: Counter[str]) -> dict[str, float]:
    """Structure and language, as shares of replies unless the name says otherwise."""
    names = {
        "words_mean": "words",
        "markup_share": "markup",
        "list_share": "lists",
        "heading_share": "headings",
        "paragraphs_mean": "paragraphs",
        "one_paragraph_share": "one_paragraph",
        "question_ending_share": "questions_at_end",
        "stock_opening_share": "stock_openings",
        "stock_phrases_mean": "stock_phrases",
        "non_ascii_share": "non_ascii",
        "no_words_share": "without_words",
    }
    return {name: sums[what] / sums["replies"] for name, what in names.items()}


def row_of(parts: Sequence[ReplyCounts], limits: Limits) -> Row:
    """Every number over the replies of one or several finished sources; there must be a reply."""
    sums = sum((part.sums for part in parts), Counter[str]())
    phrases = telling_phrases(phrases_of([part.phrases for part in parts]), limits.phrase_share_max)
    ends = {name: _most_common([part.ends[name] for part in parts], limits.top) for name in parts[0].ends}
    distinct = {n: _together([part.distinct[n] for part in parts], limits) for n in DISTINCT_N}
    return {
        "n_replies": sums["replies"],
        "max_phrase_share": max((p.share_at_most for p in phrases), default=0.0),
        "max_phrase": phrases[0].text if phrases else "",
        "max_opening_share": _largest(ends["openings"]),
        "max_closing_share": _largest(ends["closings"]),
        "max_structure_share": _largest(ends["structures"]),
        "length_ratio_mean": sum(part.ratio_sum for part in parts) / sums["replies"],
        "over_twice_share": sums["over_twice"] / sums["replies"],
        "praise_drift": praise_drift(sums),
        **{f"distinct_{n}": counter.share for n, counter in distinct.items()},
        "shapes": shapes(sums),
        "phrases": longest_phrases(phrases)[: limits.top],
        **ends,
    }


def _most_common(parts: Sequence[LossyCounts[str]], top: int) -> list[Phrase]:
    """The most frequent openings, closings or structures that two replies or more share."""
    n = sum(part.n_replies for part in parts)
    ranked = sorted(frequent(parts), key=lambda c: (-c.count, c.item))[:top]
    return [Phrase(c.item, c.count, c.count / n, (c.count + c.missed) / n) for c in ranked]


def _largest(ranked: Sequence[Phrase]) -> float:
    return max((p.share_at_most for p in ranked), default=0.0)


def _together(parts: Sequence[DistinctCounter], limits: Limits) -> DistinctCounter:
    merged = DistinctCounter(limits.distinct_capacity)
    for part in parts:
        merged.merge(part)
    return merged
