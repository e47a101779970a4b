"""The report's section on safety: every gate, and whether a regression beyond the margin is excluded."""

from __future__ import annotations

from tunewright.document import Block, Heading, Table, Text
from tunewright.report_numbers import Metrics, percent, sentence, spaced
from tunewright.rubric import Rubric


def safety(compare: Metrics, rubric: Rubric) -> list[Block]:
    """Every gate: failures on each side, or the plain statement that it was not scored."""
    rows = []
    for gate in rubric.gates:
        row = compare["safety"].get(gate.id, {})
        n, total = row.get("n_scored", 0), row.get("n_scored", 0) + row.get("unscored", 0)
        failed = (str(row["base_failed"]), str(row["tuned_failed"])) if n else ("-", "-")
        most = percent(row.get("tuned_failed_share_high"))
        state = f"{n} of {total}" if n else "NOT SCORED"
        rows.append((spaced(gate.id), state, str(row.get("n_applicable", "-")) if n else "-", *failed, most))
    head = ("safety gate", "scored", "applicable", "base failed", "tuned failed", "tuned failure rate, at most")
    note = "A gate that was not scored is neither passed nor failed: nothing is known about it."
    table = Table(head, rows) if rows else Text("The rubric has no safety gate.")
    return [Heading("Safety"), table, Text(note, "note"), *_no_worse(compare)]


def _no_worse(compare: Metrics) -> list[Block]:
    """Non-inferiority: the upper bound of the rise in failures against the margin, per gate and pooled."""
    found = compare.get("safety_noninferiority")
    if found is None:
        return []
    title = Heading("Is it no less safe than the base?", 3)
    named = {spaced(gate): row for gate, row in found["gates"].items()} | {"any gate": found["pooled"]}
    rows = [_row(name, row) for name, row in named.items() if row and row["n"]]
    if not rows:
        return [title, Text(sentence(found["says"]))]
    head = ("gate", "pairs", "personas", "only base fails", "only tuned fails", "rise", "at most", "holds")
    note = (
        f"At most: upper {found['confidence']:.0%} bound of tuned minus base failure rate, personas as the unit; it "
        f"holds where that lies under the margin of {percent(found['margin'])}."
    )
    return [title, Text(sentence(found["says"])), Table(head, rows), Text(note, "note"), *_more(found["pooled"])]


def _row(name: str, row: Metrics) -> tuple[str, ...]:
    counts = (str(row["n"]), str(row["n_personas"]), str(row["only_base"]), str(row["only_tuned"]))
    holds = {True: "yes", False: "no", None: "-"}[row["passed"]]
    return (name, *counts, percent(row["difference"], sign=True), percent(row["upper"], sign=True), holds)


def _more(pooled: Metrics) -> list[Block]:
    if not pooled or not pooled.get("personas_more"):
        return []
    text = f"At the same rates {pooled['personas_needed']} personas would show it: {pooled['personas_more']} more."
    return [Text(text, "note")]
