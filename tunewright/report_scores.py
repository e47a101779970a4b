"""The report's tables of scores: the whole, categories, criteria, personas.

Pure functions from data/evaluate/compare.json and records to document blocks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tunewright.document import Block, Fold, Heading, Table, Text
from tunewright.records import Persona, Score
from tunewright.report_numbers import Metrics, interval, number, p_text, sentence, spaced
from tunewright.rubric import Rubric

Pairs = Sequence[tuple[Score, Score]]  # base, tuned, both with a score
PERSONA_ROWS_MAX = 60  # a longer table is not read; the rest is in the score files


def overall(compare: Metrics) -> list[Block]:
    """The one number, by every method."""
    level = f"{compare['confidence']:.0%} interval"
    rows = []
    for name, key in (("base score", "base_score"), ("tuned score", "tuned_score"), ("change", "difference")):
        sign = key == "difference"
        bounds = interval(compare[f"{key}_low"], compare[f"{key}_high"], sign=sign)
        rows.append((name, number(compare[key], sign=sign), f"{level} {bounds}"))
    rows += [
        ("change, resampled personas", "", f"{level} {interval(compare['bootstrap_low'], compare['bootstrap_high'])}"),
        *_effect_size(compare, level),
        ("p, t test by persona", p_text(compare["p_value"]), f"{compare['n_personas']} personas"),
        ("p, sign flips by persona", p_text(compare["p_permutation"]), "no assumption of normality"),
        *_agreement(compare),
        *_naive(compare, level),
        *_power(compare),
    ]
    missing = compare.get("missing") or {}
    note = [Text(sentence(missing["says"]), "note")] if missing.get("says") else []
    return [Heading("Overall"), Table(("measure", "value", "with"), rows), *note]


def _effect_size(compare: Metrics, level: str) -> list[tuple[str, str, str]]:
    if "effect_size" not in compare:
        return []
    found = compare["effect_size"]
    if found is None:
        return [("effect size", "-", "cannot be estimated: too few personas, or all of them change alike")]
    words = f"{level} {interval(found['low'], found['high'])}; {found['interpretation']}"
    return [("effect size", number(found["value"], sign=True), words)]


def _agreement(compare: Metrics) -> list[tuple[str, str, str]]:
    agree = compare.get("agreement_of_tests")
    if agree is None:
        return []
    return [("do both tests agree?", "yes" if agree else "no", "a decision to ship needs both")]


def _naive(compare: Metrics, level: str) -> list[tuple[str, str, str]]:
    """The test that older work used, labelled as what it is."""
    if not (found := compare.get("naive")):
        return []
    bounds = f"{level} {interval(found['low'], found['high'])}"
    return [("p, naive paired t test", p_text(found["p_value"]), f"{bounds}; {found['label']}")]


def _power(compare: Metrics) -> list[tuple[str, str, str]]:
    often = f"{compare['power']:.0%} of the time" if compare.get("power") else "4 times in 5"
    needed, more = compare["personas_needed"], compare.get("personas_more")
    words = f"to see an effect of {compare['success_points']:g}"
    words += f": {more} more than there are" if more else (": there are enough" if more == 0 else "")
    return [
        ("smallest effect that would be seen", number(compare["minimum_detectable_effect"]), often),
        ("personas needed", str(needed) if needed else "-", words if needed else f"{words}: no number can be given"),
    ]


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
            (spaced(criterion.id), "measured" if criterion.evaluator == "measure" else "judged")
            + (number(row["base"]), number(row["tuned"]), number(row["difference"], sign=True))
            + (interval(row["low"], row["high"]), str(row["n"]))
        )
    missing = [spaced(c.id) for c in rubric.criteria if not c.gate and c not in scored]
    head = ("criterion", "by", "base", "tuned", "change", "interval", "pairs")
    note = (
        "Base and tuned are the share of conversations in which the criterion is met; "
        "without an interval all people changed alike, or one alone was seen."
    )
    blocks: list[Block] = [Fold("Every criterion in numbers", [Table(head, rows), Text(note, "note")])] if rows else []
    return blocks + ([Text(f"Not scored at all: {', '.join(missing)}.")] if missing else [])


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
        words = (who.name if who else persona_id, *map(spaced, about))
        cells = (str(len(found)), number(base), number(tuned), number(tuned - base, sign=True))
        rows.append((tuned - base, persona_id, (*words, *cells)))
    rows.sort()
    head = ("persona", "topic", "style", "difficulty or edge", "pairs", "base", "tuned", "change")
    blocks: list[Block] = [Table(head, [cells for *_, cells in rows[:PERSONA_ROWS_MAX]])]
    more = len(rows) - PERSONA_ROWS_MAX
    return blocks + ([Text(f"{more} more personas, with greater gains, are not shown.", "note")] if more > 0 else [])
