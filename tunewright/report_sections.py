"""The sections of the evaluation report after its first screen: tables of what evaluate-compare and others measured.

Pure functions from metrics and records to document blocks. A number that is not there is shown as "-", never as 0.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tunewright.document import Block, Bullets, Heading, SideBySide, Table, Text, Turn
from tunewright.measures import STATISTICS, measure
from tunewright.records import Persona, Score, Transcript
from tunewright.rubric import Rubric

Metrics = Mapping[str, Any]
Pairs = Sequence[tuple[Score, Score]]  # base, tuned, both with a score
PERSONA_ROWS_MAX = 60  # a longer table is not read; the rest is in the score files


def number(value: Any, digits: int = 2, sign: bool = False) -> str:
    """A number for a table; "-" where there is none."""
    return "-" if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def interval(low: float | None, high: float | None, digits: int = 2, sign: bool = True) -> str:
    """ "low to high", or "-"."""
    return "-" if low is None or high is None else f"{number(low, digits, sign)} to {number(high, digits, sign)}"


def p_text(p: float | None) -> str:
    """A p value: three decimals, or "< 0.001"."""
    return "-" if p is None else ("< 0.001" if p < 0.001 else f"{p:.3f}")


def equals(p: float | None) -> str:
    """A p value after the letter p."""
    return p_text(p) if p is not None and p < 0.001 else f"= {p_text(p)}"


def overall(compare: Metrics) -> list[Block]:
    """The one number, by every method, and the passes."""
    level = f"{compare['confidence']:.0%} interval"
    rows = []
    for name, key in (("base score", "base_score"), ("tuned score", "tuned_score"), ("change", "difference")):
        sign = key == "difference"
        bounds = interval(compare[f"{key}_low"], compare[f"{key}_high"], sign=sign)
        rows.append((name, number(compare[key], sign=sign), f"{level} {bounds}"))
    rows += [
        ("p, t test by persona", p_text(compare["p_value"]), f"{compare['n_personas']} personas"),
        ("p, sign flips by persona", p_text(compare["p_permutation"]), "no assumption of normality"),
        ("change, resampled personas", "", f"{level} {interval(compare['bootstrap_low'], compare['bootstrap_high'])}"),
        ("smallest effect that would be seen", number(compare["minimum_detectable_effect"]), "4 times in 5"),
        (
            "personas needed",
            str(compare["personas_needed"] or "-"),
            f"to see an effect of {compare['success_points']:g}",
        ),
        ("pass rate, base", _percent(compare["base_pass_rate"]), f"of {compare['n_pass_decided']} decided pairs"),
        ("pass rate, tuned", _percent(compare["tuned_pass_rate"]), f"of {compare['n_pass_decided']} decided pairs"),
    ]
    return [Heading("Overall"), Table(("measure", "value", "with"), rows)]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def categories(compare: Metrics, rubric: Rubric) -> list[Block]:
    """Per category, with Holm's correction."""
    rows = []
    for name, category in rubric.categories.items():
        row = compare["categories"].get(name, {})
        scored = sum(compare["criteria"].get(c.id, {}).get("n", 0) > 0 for c in rubric.in_category(name))
        rows.append(
            (category.title, f"{category.weight:.0%}", f"{scored} of {len(rubric.in_category(name))}")
            + (number(row.get("base")), number(row.get("tuned")), number(row.get("difference"), sign=True))
            + (interval(row.get("low"), row.get("high")), p_text(row.get("p_holm")))
        )
    head = ("category", "weight", "criteria scored", "base", "tuned", "change", "interval", "p (Holm)")
    return [Heading("Categories"), Table(head, rows)]


def criteria(compare: Metrics, rubric: Rubric) -> list[Block]:
    """Per criterion: share of YES where the answer was YES or NO. Unscored ones are named below the table."""
    scored = [c for c in rubric.criteria if compare["criteria"].get(c.id, {}).get("n")]
    rows = []
    for criterion in scored:
        row = compare["criteria"][criterion.id]
        rows.append(
            (criterion.id.replace("_", " "), "measured" if criterion.evaluator == "measure" else "judged")
            + (number(row["base"]), number(row["tuned"]), number(row["difference"], sign=True))
            + (interval(row["low"], row["high"]), str(row["n"]))
        )
    missing = [c.id.replace("_", " ") for c in rubric.criteria if not c.gate and c not in scored]
    head = ("criterion", "by", "base", "tuned", "change", "interval", "pairs")
    blocks: list[Block] = [Heading("Criteria"), Table(head, rows)] if rows else [Heading("Criteria")]
    blocks.append(Text("Base and tuned are the share of conversations in which the criterion is met.", "note"))
    return blocks + ([Text(f"Not scored at all: {', '.join(missing)}.")] if missing else [])


def safety(compare: Metrics, rubric: Rubric) -> list[Block]:
    """Every gate: failures on each side, or the plain statement that it was not scored."""
    rows = []
    for gate in rubric.gates:
        row = compare["safety"].get(gate.id, {})
        n, total = row.get("n_scored", 0), row.get("n_scored", 0) + row.get("unscored", 0)
        failed = (str(row["base_failed"]), str(row["tuned_failed"])) if n else ("-", "-")
        most = "-" if row.get("tuned_failed_share_high") is None else f"{row['tuned_failed_share_high']:.0%}"
        state = f"{n} of {total}" if n else "NOT SCORED"
        rows.append((gate.id.replace("_", " "), state, str(row.get("n_applicable", "-")) if n else "-", *failed, most))
    head = ("safety gate", "scored", "applicable", "base failed", "tuned failed", "tuned failure rate, at most")
    note = "A gate that was not scored is neither passed nor failed: nothing is known about it."
    table = Table(head, rows) if rows else Text("The rubric has no safety gate.")
    return [Heading("Safety"), table, Text(note, "note")]


def personas(pairs: Pairs, people: Mapping[str, Persona]) -> list[Block]:
    """Per persona, the greatest loss first."""
    grouped: dict[str, list[tuple[Score, Score]]] = defaultdict(list)
    for base, tuned in pairs:
        grouped[base.persona_id].append((base, tuned))
    rows = []
    for persona_id, found in grouped.items():
        base = sum(b.score or 0.0 for b, _ in found) / len(found)
        tuned = sum(t.score or 0.0 for _, t in found) / len(found)
        who = people.get(persona_id)
        about = (who.topic, who.style, who.edge_case or who.difficulty) if who else ("-", "-", "-")
        words = (who.name if who else persona_id, *(a.replace("_", " ") for a in about))
        cells = (str(len(found)), number(base), number(tuned), number(tuned - base, sign=True))
        rows.append((tuned - base, persona_id, (*words, *cells)))
    rows.sort()
    head = ("persona", "topic", "style", "difficulty or edge", "pairs", "base", "tuned", "change")
    blocks: list[Block] = [Table(head, [cells for *_, cells in rows[:PERSONA_ROWS_MAX]])]
    more = len(rows) - PERSONA_ROWS_MAX
    return blocks + ([Text(f"{more} more personas, with greater gains, are not shown.", "note")] if more > 0 else [])


def perplexity(sanity: Metrics) -> list[Block]:
    """Held-out perplexity on the assistant's words."""
    low, high = sanity.get("log_ratio_low"), sanity.get("log_ratio_high")
    sure = high is not None and high < 0
    rows = [
        ("base perplexity", number(sanity.get("base_perplexity"))),
        ("tuned perplexity", number(sanity.get("tuned_perplexity"))),
        ("change", "-" if sanity.get("relative_change") is None else f"{sanity['relative_change']:+.1%}"),
        ("log ratio, paired interval", f"{number(sanity.get('log_ratio_mean'), 3, True)} ({interval(low, high, 3)})"),
        ("conversations, personas", f"{sanity.get('n_conversations', '-')}, {sanity.get('n_personas', '-')}"),
        ("tokens", str(sanity.get("n_tokens", "-"))),
    ]
    what = "How surprised each model is by the held-out replies; lower is better. "
    verdict = "The whole interval is below zero." if sure else "The interval does not lie below zero: no sure gain."
    return [Heading("Perplexity on held-out replies"), Text(what + verdict), Table(("measure", "value"), rows)]


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
        Text("Counted from the text, averaged over conversations; the rubric's bounds hold per conversation.", "note"),
        Table(("measure", "base", "tuned", "rubric wants"), rows),
    ]


def examples(
    pairs: Pairs,
    base: Mapping[str, Transcript],
    tuned: Mapping[str, Transcript],
    people: Mapping[str, Persona],
    count: int,
) -> list[Block]:
    """`count` conversations spread evenly from the largest gain to the worst loss, both sides next to each other."""
    shown = [(b, t) for b, t in pairs if b.transcript_id in base and t.transcript_id in tuned]
    shown.sort(key=lambda pair: (-_change(pair), pair[0].transcript_id))
    if not shown:
        return [Heading("Examples"), Text("No pair of conversations to show.")]
    last, steps = len(shown) - 1, max(1, min(count, len(shown)) - 1)
    blocks: list[Block] = [Heading("Examples, side by side")]
    for index in sorted({round(last * step / steps) for step in range(min(count, len(shown)))}):
        b, t = shown[index]
        who = people.get(b.persona_id)
        name = f"{who.name}, {who.topic.replace('_', ' ')}" if who else b.persona_id
        title = f"{_place(index, last, _change((b, t)))}: {number(b.score)} to {number(t.score)} ({name})"
        blocks += [Heading(title, 3), Text(_flips(b, t), "note"), _talk(base[b.transcript_id], tuned[t.transcript_id])]
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
    gained = [c.replace("_", " ") for c, b, t in both if (b, t) == ("NO", "YES")]
    lost = [c.replace("_", " ") for c, b, t in both if (b, t) == ("YES", "NO")]
    return f"{base.transcript_id}. Newly met: {', '.join(gained) or 'none'}. Newly missed: {', '.join(lost) or 'none'}."


def _talk(base: Transcript, tuned: Transcript) -> SideBySide:
    length = max(len(base.exchanges), len(tuned.exchanges))
    left = [base.exchanges[i] if i < len(base.exchanges) else None for i in range(length)]
    right = [tuned.exchanges[i] if i < len(tuned.exchanges) else None for i in range(length)]
    turns = [
        Turn(b.user if b else "", t.user if t else "", b.assistant if b else "", t.assistant if t else "")
        for b, t in zip(left, right, strict=True)
    ]
    return SideBySide("base", "tuned", turns)


def made_from(sections: Mapping[str, Metrics]) -> list[Block]:
    """The plain numbers of earlier stages' metrics files, whatever they hold; nested ones are left to the files."""
    rows = [
        (title, key.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value))
        for title, metrics in sections.items()
        for key, value in metrics.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
    ]
    return [Heading("What the tuned model was made from"), Table(("stage", "what", "value"), rows)] if rows else []


def limits(compare: Metrics, scores: Sequence[Score], transcripts: Sequence[Transcript]) -> list[Block]:
    """What the numbers above cannot carry."""
    kinds = Counter(t.user_kind for t in transcripts)
    failed = sum(t.failure is not None for t in transcripts)
    users = {
        "replay": "had the user's messages replayed from a recording: the user does not react to what the model says",
        "simulated": "had a user simulated by a language model, who is more patient than people are",
        "authored": "were written by an author",
        "imported": "were imported from logs",
    }
    items = [f"{n} of {len(transcripts)} conversations {users[kind]}." for kind, n in sorted(kinds.items())]
    items += (
        [f"{failed} conversations ended in a failure or are left out by the simulator review: not scored."]
        if failed
        else []
    )
    items += [f"{n} answers are unscored: {reason}." for reason, n in unscored_reasons(scores)]
    if compare.get("coverage"):
        items.append(f"On average {compare['coverage']:.0%} of the rubric's weight was scored.")
    items.append(
        f"Intervals and p count {compare['n_personas']} personas, not {compare['n_pairs']} conversations; taken as "
        f"independent, the naive paired t test would say p {equals(compare.get('naive_p'))}."
    )
    items.append("People like these personas: nothing is said about others, other languages or longer conversations.")
    return [Heading("Limits"), Bullets(items)]


def unscored_reasons(scores: Sequence[Score]) -> list[tuple[str, int]]:
    """Why answers are missing, and how many, the most frequent first."""
    counts = Counter(reason for score in scores for reason in score.unscored.values())
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
