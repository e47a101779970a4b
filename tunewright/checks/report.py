"""The report of design-check: what is to be mended first, then every check with its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunewright.checks.checklist import Check


def report(title: str, subjects: Mapping[str, Sequence[Check]]) -> str:
    """reports/design-check.md: what is to be mended first, then every check with its evidence, by subject."""
    checks = [check for found in subjects.values() for check in found]
    failed = [c for c in checks if not c.passed]
    n_errors = sum(c.level == "error" for c in failed)
    mend = "".join(f"- {c.level}: {told(c)}\n" for c in failed)
    unread = [c.place.path for c in subjects["Files"] if not c.passed]
    hidden = f"\nNot checked, since it does not read: what needs {', '.join(unread)}.\n" if unread else ""
    tables = "\n".join(f"## {subject}\n\n{_table(found)}" for subject, found in subjects.items())
    return (
        f"# Design check: {title}\n\n"
        f"{len(checks)} checks, {n_errors} errors, {len(failed) - n_errors} warnings. "
        "Written by `dvc repro design-check`; METHOD n names the section of the method that a check comes from.\n"
        f"{hidden}\n## To mend\n\n{mend or 'Nothing.' + chr(10)}\n{tables}"
    )


def _table(checks: Sequence[Check]) -> str:
    rows = "".join(
        f"| {'ok' if c.passed else c.level} | {_cell(c.name)} | {_cell(c.evidence)} | {c.method} | `{c.place}` |\n"
        for c in checks
    )
    return f"| | check | evidence | from | where |\n|---|---|---|---|---|\n{rows}"


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("<", "&lt;").replace("\n", " ")


def told(check: Check) -> str:
    """A check as one line: where to edit, which check, what was found."""
    return f"{check.place}: {check.name}: {check.evidence}"
