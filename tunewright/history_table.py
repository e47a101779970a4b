"""The history of a design as a table for a terminal of 100 columns, and as Markdown. Rows in, text out."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tunewright import document
from tunewright.design_changes import counted
from tunewright.freshness import Mark
from tunewright.history import History, Row
from tunewright.snapshots import Agreement, Numbers
from tunewright.statistics import wilson_interval

CONFIDENCE = 0.95
WIDTH = 100  # where there is no terminal to ask
NONE = "-"


def print_terminal(history: History) -> None:
    """Print the table to stdout, as wide as the terminal."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH
    console.print(Text(title(history), "bold"))
    console.print(terminal_table(history.rows))
    console.print()
    for note in notes(history):
        console.print(Text(note, "dim"))


def terminal_table(rows: Sequence[Row]) -> Table:
    """Each version on two lines or more: what belongs together stands in one column."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_lines=True, show_edge=False)
    table.add_column("version\n", overflow="fold", max_width=14, min_width=10)
    table.add_column("prompts\nrubric", no_wrap=True)
    table.add_column("what changed\n", ratio=1, overflow="fold")
    for head, width in (("pass rate\n95% interval", None), ("agreement\n", 14), ("decisions\n", 16)):
        table.add_column(head, overflow="fold", max_width=width)
    for row in rows:
        style = "cyan" if row.is_experiment else "yellow"
        table.add_row(
            Text.assemble((document.plain(row.name), style), "\n", row.date),
            f"{row.prompts}\n{row.rubric}",
            Text(document.plain(row.change)),
            *(Text(document.plain("\n".join(lines))) for lines in (pass_rate(row), agreement(row), decisions(row))),
        )
    return table


def to_markdown(history: History) -> str:
    """The history as a Markdown document with a table of one line a version."""
    head = (
        "version", "date", "prompts", "rubric", "what changed", "pass rate", "agreement", "check", "gate",
        "comparison", "tuned - base",
    )  # fmt: skip
    lines = [
        (
            f"{row.name} (experiment)" if row.is_experiment else row.name,
            row.date,
            row.prompts,
            row.rubric,
            row.change,
            ", ".join(pass_rate(row)),
            ", ".join(agreement(row)),
            check(row),
            gate(row),
            comparison(row),
            difference(row),
        )
        for row in history.rows
    ]
    blocks = [document.Heading(title(history)), document.Table(head, lines), document.Bullets(notes(history))]
    return document.to_markdown(blocks)


def title(history: History) -> str:
    """What the table is taken from."""
    experiments = f" and {counted(history.n_experiments, 'experiment')}" if history.n_experiments else ""
    versions = counted(history.n_versions, "version")
    return f"{', '.join(history.domains)}: {versions} in {counted(history.n_commits, 'commit')}{experiments}"


def notes(history: History) -> list[str]:
    """What a reader of these rows must know, and nothing about signs that do not occur."""
    rows, shown = history.rows, len(history.rows)
    marks = {row.marks.get(stage, "") for row in rows for stage in _present(row.numbers)}
    hidden = history.n_versions - shown
    said = [
        (shown > 0, "prompts, rubric: hashes of their content, equal for equal versions; git show prints a rubric"),
        (hidden > 0, f"the newest {shown} of {history.n_versions} versions; all: --limit {history.n_versions}"),
        ("*" in marks, "* the metric was computed for another version of the design than its row's (by dvc.lock)"),
        ("?" in marks, "? dvc.lock at that revision does not say for which version the metric was computed"),
        (any(row.numbers.agreement for row in rows), "agreement: Cohen's kappa (criteria the judge is trusted on)"),
        (any(row.numbers.pass_rate is not None for row in rows), "interval: Wilson, every conversation independent"),
        (history.shallow, "shallow clone: older versions are not here; fetch them with: git fetch --unshallow"),
    ]
    return [text for applies, text in said if applies]


def pass_rate(row: Row) -> list[str]:
    """The rate with its counts, and its interval; a dash without the metric."""
    found = row.numbers
    if found.pass_rate is None:
        return [NONE if found.n_passed is None else f"none decided{_mark(row, 'generate-scores')}"]
    if found.n_passed is None or found.n_failed is None or not (n := found.n_passed + found.n_failed):
        return [f"{found.pass_rate:.3f}{_mark(row, 'generate-scores')}"]
    low, high = wilson_interval(found.n_passed, n, CONFIDENCE)
    return [
        f"{found.pass_rate:.3f} ({found.n_passed}/{n}){_mark(row, 'generate-scores')}",
        f"{low:.2f} to {high:.2f}",
    ]


def agreement(row: Row) -> list[str]:
    """A line for each judge."""
    star = _mark(row, "design-calibrate")
    return [f"{_judge(judge)}{star}" for judge in row.numbers.agreement] or [NONE]


def decisions(row: Row) -> list[str]:
    """A line for each decision that was taken."""
    named = (("check", check(row)), ("gate", gate(row)), ("", comparison(row)), ("tuned", difference(row)))
    return [f"{name} {text}".strip() for name, text in named if text != NONE] or [NONE]


def check(row: Row) -> str:
    """What design-check found."""
    errors = row.numbers.check_errors
    return NONE if errors is None else f"{counted(errors, 'error') if errors else 'ok'}{_mark(row, 'design-check')}"


def gate(row: Row) -> str:
    """What generate-gate decided."""
    return f"{row.numbers.gate}{_mark(row, 'generate-gate')}" if row.numbers.gate else NONE


def comparison(row: Row) -> str:
    """What evaluate-compare decided."""
    return f"{row.numbers.comparison}{_mark(row, 'evaluate-compare')}" if row.numbers.comparison else NONE


def difference(row: Row) -> str:
    """The tuned model's score less the base's."""
    found = row.numbers.difference
    return NONE if found is None else f"{found:+.3f}{_mark(row, 'evaluate-compare')}"


def _judge(judge: Agreement) -> str:
    kappa = NONE if judge.kappa is None else f"{judge.kappa:.2f}"
    trusted = "" if judge.n_trusted is None else f" ({judge.n_trusted}/{judge.n_criteria or NONE})"
    return f"{judge.judge} {kappa}{trusted}"


def _present(found: Numbers) -> list[str]:
    """The stages whose numbers a row shows."""
    shown = {
        "generate-scores": found.n_passed is not None or found.pass_rate is not None,
        "design-calibrate": bool(found.agreement),
        "design-check": found.check_errors is not None,
        "generate-gate": found.gate is not None,
        "evaluate-compare": found.comparison is not None or found.difference is not None,
    }
    return [stage for stage, present in shown.items() if present]


def _mark(row: Row, stage: str) -> Mark:
    return row.marks.get(stage, "")
