"""How many conversations pass, and where the uncertainty of the change comes from: people, or the judge.

Pure functions from data/evaluate/compare.json to document blocks; a file without these keys has no such section.
"""

from __future__ import annotations

from tunewright.document import Block, Heading, Table, Text
from tunewright.report_numbers import Metrics, number, p_text, percent, percents, sentence


def passes(compare: Metrics) -> list[Block]:
    """Pass rates of both sides with their intervals, and which conversations changed sides."""
    rates = compare.get("pass_rates")
    if rates is None:
        rows = [(side, percent(compare[f"{side}_pass_rate"]), "-") for side in ("base", "tuned")]
        note = f"Of {compare['n_pass_decided']} pairs that are decided on both sides."
        return [Heading("Pass rates"), Table(("model", "pass rate", "interval"), rows), Text(note, "note")]
    if not rates["n_pairs"]:
        why = "No pair is decided on both sides: too little of the rubric was scored, or a gate was not."
        return [Heading("Pass rates"), Text(why)]
    if rates["flips"] is None:  # all of one person, which leaves nothing to estimate spread from
        shares = ", ".join(f"{side} {percent(compare[f'{side}_pass_rate'])}" for side in ("base", "tuned"))
        why = f"Decided on both sides: {rates['n_pairs']}, all of one person ({shares}); an interval takes two people."
        return [Heading("Pass rates"), Text(why)]
    rows = [_level(side, rates[side]) for side in ("base", "tuned")]
    change = (percent(rates["difference"], sign=True), percents(rates["low"], rates["high"], sign=True))
    rows.append(("change", "", *change))
    return [Heading("Pass rates"), Table(("model", "passed", "pass rate", "interval"), rows), Text(_flips(rates))]


def _level(name: str, row: Metrics) -> tuple[str, str, str, str]:
    bounds = percents(row["low"], row["high"])
    return name, f"{row['count']:g} of {row['n']:g}", percent(row["share"]), bounds


def _flips(rates: Metrics) -> str:
    flips = rates["flips"]
    return (
        f"{flips['gained']} conversations pass with the tuned model alone and {flips['lost']} with the base alone; "
        f"{flips['both_passed']} pass with both, {flips['both_failed']} with neither. Change: p {_p(rates['p_value'])} "
        f"with personas as the unit ({rates['n_personas']}); McNemar's test, which takes the {rates['n_pairs']} pairs "
        f"as independent, p {_p(rates['mcnemar_p'])}."
    )


def _p(value: float | None) -> str:
    return "cannot be given" if value is None else p_text(value) if value < 0.001 else f"= {p_text(value)}"


def uncertainty(compare: Metrics) -> list[Block]:
    """How much of the change's standard error is the judge's doing, and how much people's differing."""
    found = compare.get("judge_variance")
    if found is None:
        return []
    blocks: list[Block] = [Heading("Where the uncertainty comes from"), Text(sentence(found["says"]))]
    if not found["components"]:
        return blocks
    rows = [
        (row["source"], number(row["variance"], 4), percent(row["share_of_se2"]), "below 0" if row["negative"] else "")
        for row in found["components"]
    ]
    table = Table(("source", "variance", "share of the squared standard error", "estimate"), rows)
    with_judge, without = number(found["se"], 3), number(found["se_without_judge"], 3)
    note = (
        f"Standard error of the change {with_judge}; with a judge that never errs it would be {without}. "
        f"From {found['n_values']} values of {found['n_pairs']} pairs with {found['n_personas']} personas."
    )
    return [*blocks, table, Text(note, "note"), *_judges(found["by_judge"])]


def _judges(by_judge: Metrics) -> list[Block]:
    if len(by_judge) < 2:
        return []
    rows = [
        (judge, number(row["difference"], sign=True), str(row["n_pairs"]), str(row["n_samples"]))
        for judge, row in by_judge.items()
    ]
    return [Table(("judge alone", "change", "pairs", "samples"), rows)]
