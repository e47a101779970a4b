"""Length and style: what can be counted in the words of both models."""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.document import Block, Heading, Table, Text
from tunewright.measures import STATISTICS, measure
from tunewright.records import Transcript
from tunewright.report_numbers import number
from tunewright.rubric import Rubric


def style(base: Sequence[Transcript], tuned: Sequence[Transcript], rubric: Rubric) -> list[Block]:
    """Every measured statistic, averaged over the conversations that both sides have whole, beside what is wanted."""
    wanted = {name: str(bounds) for c in rubric.criteria for name, bounds in (c.measure or {}).items()}
    whole = [{t.id for t in side if t.exchanges and t.failure is None} for side in (base, tuned)]
    means = []
    for side in (base, tuned):
        found = [measure(t.exchanges, rubric.lexicon) for t in side if t.id in whole[0] & whole[1]]
        means.append({s: sum(m[s] for m in found) / len(found) for s in STATISTICS} if found else {})
    rows = [
        (meaning, number(means[0].get(name)), number(means[1].get(name)), wanted.get(name, ""))
        for name, meaning in STATISTICS.items()
    ]
    return [
        Heading("Length and style"),
        *_length(means[0], means[1]),
        Table(("measure", "base", "tuned", "rubric wants"), rows),
        Text("Counted from the text, averaged over conversations; the rubric's bounds hold per conversation.", "note"),
    ]


def _length(base: dict[str, float], tuned: dict[str, float]) -> list[Block]:
    if not base or not base["reply_words_mean"]:
        return []
    before, after = base["reply_words_mean"], tuned["reply_words_mean"]
    change = f"{after / before - 1:+.0%}"
    return [Text(f"A reply has {after:.0f} words with the tuned model, {before:.0f} with the base ({change}).")]
