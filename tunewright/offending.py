"""Which replies put a measured statistic out of its bounds, and what each of them must become.

A statistic is the mean or the largest of one value per reply. Of the replies on the wrong side of the bound only as
many are named as must change, the worst first and of equals the later one: rewriting all that end in a question, where
three too many do, would put the share out of its other bound. What depends on the user alone names no reply.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tunewright.config import Bounds
from tunewright.measures import (
    MARKUP,
    Lexicon,
    count_phrases,
    ends_in_question,
    n_questions,
    opening,
    opens_with,
    words,
)
from tunewright.records import Exchange
from tunewright.rubric import Criterion, Rubric

LENGTHS = ("reply_words_mean", "length_ratio_mean", "length_ratio_max", "over_twice_share")
SLACK = 1e-9  # for rounding, as in Bounds.holds
Values = list[float | None]  # one per reply; None where the statistic leaves the reply out


class PerReply(NamedTuple):
    """A statistic as one value per reply, and what a reply on its wrong side is told ({target} is filled in)."""

    values: Callable[[Sequence[Exchange], Lexicon], Values]
    when_high: str
    when_low: str
    counted: bool = True  # values are whole numbers (0 or 1 for a share)
    is_largest: bool = False  # the statistic is the largest value, not the mean


def _of_replies(value: Callable[[str, Lexicon], float]) -> Callable[[Sequence[Exchange], Lexicon], Values]:
    return lambda exchanges, lexicon: [float(value(e.assistant, lexicon)) for e in exchanges]


def ratio(exchange: Exchange) -> float:
    """Reply words over the user's words."""
    return len(words(exchange.assistant)) / max(len(words(exchange.user)), 1)


def _ratios(exchanges: Sequence[Exchange], lexicon: Lexicon) -> Values:
    return [ratio(e) for e in exchanges]


def _over_twice(exchanges: Sequence[Exchange], lexicon: Lexicon) -> Values:
    return [float(ratio(e) > 2.0) for e in exchanges]


def _repeated_openings(exchanges: Sequence[Exchange], lexicon: Lexicon) -> Values:
    openings = [opening(e.assistant) for e in exchanges]
    return [float(one in openings[:n]) for n, one in enumerate(openings)]


def _praise(late: bool) -> Callable[[Sequence[Exchange], Lexicon], Values]:
    def values(exchanges: Sequence[Exchange], lexicon: Lexicon) -> Values:
        half = (len(exchanges) + 1) // 2
        counts = [float(count_phrases(e.assistant, lexicon.praise)) for e in exchanges]
        return [count if (n >= half) == late else None for n, count in enumerate(counts)]

    return values


_LENGTH = ("at most {target:g} times the words of the user's message", "at least {target:g} times the user's words")
_QUESTIONS = ("at most {target:g} question(s)", "at least {target:g} question(s)")
_PRAISE = ("at most {target:g} word(s) of praise", "at least {target:g} word(s) of praise for something particular")

PER_REPLY = {
    "reply_words_mean": PerReply(
        _of_replies(lambda r, _: len(words(r))), "at most {target:g} words", "at least {target:g} words"
    ),
    "length_ratio_mean": PerReply(_ratios, *_LENGTH, counted=False),
    "length_ratio_max": PerReply(_ratios, *_LENGTH, counted=False, is_largest=True),
    "over_twice_share": PerReply(
        _over_twice, "at most twice the words of the user's message", "over twice the user's words"
    ),
    "questions_mean": PerReply(_of_replies(lambda r, _: n_questions(r)), *_QUESTIONS),
    "questions_max": PerReply(_of_replies(lambda r, _: n_questions(r)), *_QUESTIONS, is_largest=True),
    "question_ending_share": PerReply(
        _of_replies(lambda r, _: ends_in_question(r)), "it does not end in a question", "it ends in a question"
    ),
    "repeated_opening_share": PerReply(
        _repeated_openings,
        "it begins with other words than every earlier reply",
        "it begins with the same two words as an earlier reply",
    ),
    "stock_opening_share": PerReply(
        _of_replies(lambda r, lexicon: opens_with(r, lexicon.stock_openings)),
        "it does not begin with a stock opening",
        "it begins with a stock opening",
    ),
    "stock_phrases_mean": PerReply(
        _of_replies(lambda r, lexicon: count_phrases(r, lexicon.stock_phrases)),
        "at most {target:g} stock phrase(s)",
        "at least {target:g} stock phrase(s)",
    ),
    "markup_share": PerReply(
        _of_replies(lambda r, _: bool(MARKUP.search(r))),
        "plain sentences: no list, heading or bold",
        "a list, heading or bold",
    ),
    "non_ascii_share": PerReply(
        _of_replies(lambda r, _: not r.isascii()), "ASCII characters only", "a character that is not ASCII"
    ),
    "praise_early_mean": PerReply(_praise(late=False), *_PRAISE),
    "praise_late_mean": PerReply(_praise(late=True), *_PRAISE),
}  # not n_exchanges and user_words_mean: no reply can mend those


class Demand(NamedTuple):
    """What one reply must become so that a statistic comes back within its bounds."""

    exchange: int  # from 1
    statistic: str
    is_high: bool  # the reply's value is above the target, else below
    target: float
    text: str  # for the one who rewrites it

    def is_met(self, exchanges: Sequence[Exchange], lexicon: Lexicon) -> bool:
        """Whether the exchange's reply, as it stands in `exchanges` now, keeps to the target."""
        value = PER_REPLY[self.statistic].values(exchanges, lexicon)[self.exchange - 1]
        return value is None or not _is_beyond(value, self.target, self.is_high)


def demands(criterion: Criterion, exchanges: Sequence[Exchange], lexicon: Lexicon) -> list[Demand]:
    """Demands on the replies that put a measured criterion's statistics out of bounds; none for one that holds."""
    return [
        demand
        for statistic, bounds in (criterion.measure or {}).items()
        for demand in statistic_demands(statistic, bounds, exchanges, lexicon)
    ]


def statistic_demands(statistic: str, bounds: Bounds, exchanges: Sequence[Exchange], lexicon: Lexicon) -> list[Demand]:
    """The fewest replies that must change for one statistic to hold, by exchange."""
    one = PER_REPLY.get(statistic)
    if one is None or bounds.holds(whole(one, changed := one.values(exchanges, lexicon))):
        return []
    is_high = bounds.max is not None and whole(one, changed) > bounds.max
    broken = Bounds(max=bounds.max) if is_high else Bounds(min=bounds.min)
    target = _target(one, bounds, is_high)
    wrong = [(v, n) for n, v in enumerate(changed) if v is not None and _is_beyond(v, target, is_high)]
    found = []
    for _, n in sorted(wrong, key=lambda item: (-item[0] if is_high else item[0], -item[1])):
        changed[n] = target
        text = (one.when_high if is_high else one.when_low).format(target=target)
        found.append(Demand(n + 1, statistic, is_high, target, text))
        if broken.holds(whole(one, changed)):
            break
    return sorted(found)


def whole(one: PerReply, values: Values) -> float:
    """The statistic that the values of the replies add up to; 0 without any, as in `measures.measure`."""
    there = [v for v in values if v is not None]
    return max(there) if one.is_largest else sum(there) / max(len(there), 1)


def _target(one: PerReply, bounds: Bounds, is_high: bool) -> float:
    """The bound itself, or for values that are counted the last whole number within it."""
    bound = float((bounds.max if is_high else bounds.min) or 0.0)
    if not one.counted:
        return bound
    return float(math.floor(bound + SLACK) if is_high else math.ceil(bound - SLACK))


def _is_beyond(value: float, target: float, is_high: bool) -> bool:
    return value > target + SLACK if is_high else value < target - SLACK


def most_words(exchange: Exchange, rubric: Rubric) -> int | None:
    """The longest a reply to this message may be by the rubric's bounds on length; None where it has none."""
    n_user = max(len(words(exchange.user)), 1)
    limits = []
    for criterion in rubric.criteria:
        for statistic, bounds in (criterion.measure or {}).items():
            if statistic == "over_twice_share":
                limits.append(2 * n_user)
            elif bounds.max is not None and statistic in ("length_ratio_mean", "length_ratio_max"):
                limits.append(math.floor(bounds.max * n_user + SLACK))
            elif bounds.max is not None and statistic == "reply_words_mean":
                limits.append(math.floor(bounds.max))
    return min(limits, default=None)
