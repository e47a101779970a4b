"""Conversations side by side: the largest gain, the median, the worst loss."""

from __future__ import annotations

from collections.abc import Mapping

from tunewright.document import Block, Fold, Heading, SideBySide, Text, Turn
from tunewright.records import Persona, Score, Transcript
from tunewright.report_numbers import counted, number, spaced
from tunewright.report_scores import Pairs


def examples(
    pairs: Pairs,
    base: Mapping[str, Transcript],
    tuned: Mapping[str, Transcript],
    people: Mapping[str, Persona],
    count: int,
) -> list[Block]:
    """`count` conversations spread evenly from the largest gain to the worst loss, both sides next to each other.

    The first exchange stands open; the rest of a conversation is folded.
    """
    shown = [(b, t) for b, t in pairs if b.transcript_id in base and t.transcript_id in tuned]
    shown.sort(key=lambda pair: (-_change(pair), pair[0].transcript_id))
    if not shown:
        return [Heading("Examples"), Text("No pair of conversations to show.")]
    last, steps = len(shown) - 1, max(1, min(count, len(shown)) - 1)
    blocks: list[Block] = [Heading("Examples, side by side")]
    for index in sorted({round(last * step / steps) for step in range(min(count, len(shown)))}):
        b, t = shown[index]
        who = people.get(b.persona_id)
        name = f"{who.name}, {spaced(who.topic)}" if who else b.persona_id
        title = f"{_place(index, last, _change((b, t)))}: {number(b.score)} to {number(t.score)} ({name})"
        talk = _folded(_turns(base[b.transcript_id], tuned[t.transcript_id]))
        blocks += [Heading(title, 3), Text(_flips(b, t), "note"), *talk]
    return blocks


def _change(pair: tuple[Score, Score]) -> float:
    return (pair[1].score or 0.0) - (pair[0].score or 0.0)


def _place(index: int, last: int, change: float) -> str:
    if index == 0:
        return "Largest gain" if change > 0 else "Best case, no gain"
    if index == last:
        return "Worst loss" if change < 0 else "Smallest gain, no loss"
    return "Median" if index == round(last / 2) else f"Number {index + 1} of {last + 1}"


def _flips(base: Score, tuned: Score) -> str:
    """Which criteria the tuned model newly meets and newly misses."""
    both = [(c, a, tuned.answers.get(c)) for c, a in base.answers.items()]
    gained = [spaced(c) for c, b, t in both if (b, t) == ("NO", "YES")]
    lost = [spaced(c) for c, b, t in both if (b, t) == ("YES", "NO")]
    return f"{base.transcript_id}. Newly met: {', '.join(gained) or 'none'}. Newly missed: {', '.join(lost) or 'none'}."


def _turns(base: Transcript, tuned: Transcript) -> list[Turn]:
    length = max(len(base.exchanges), len(tuned.exchanges))
    left = [base.exchanges[i] if i < len(base.exchanges) else None for i in range(length)]
    right = [tuned.exchanges[i] if i < len(tuned.exchanges) else None for i in range(length)]
    return [
        Turn(b.user if b else "", t.user if t else "", b.assistant if b else "", t.assistant if t else "")
        for b, t in zip(left, right, strict=True)
    ]


def _folded(turns: list[Turn]) -> list[Block]:
    """The first exchange, and the others to be opened."""
    first, rest = SideBySide("base", "tuned", turns[:1]), turns[1:]
    if not rest:
        return [first]
    return [first, Fold(f"{counted(len(rest), 'more exchange')}", [SideBySide("base", "tuned", rest, first=2)])]
