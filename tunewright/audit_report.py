"""The audit in words: which numbers have limits, and the report that puts what breaks them first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunewright.document import md_escape, md_table

SHOWN_WORDS = 16  # of a repeated passage

Row = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """A number that has a limit; one that could not be measured (None) keeps it."""

    what: str
    value: float | None
    limit: float

    @property
    def ok(self) -> bool:
        """Whether the limit is kept."""
        return self.value is None or self.value <= self.limit + 1e-9

    @property
    def limit_in_words(self) -> str:
        """The limit as reports say it."""
        return f"at most {self.limit:g}" if self.limit else "none"

    @property
    def shown(self) -> str:
        """The value as reports say it."""
        if self.value is None:
            return "-"
        return f"{self.value:.2f}" if isinstance(self.value, float) else str(self.value)

    @property
    def state(self) -> str:
        """Kept, a fault, or nothing to say."""
        return "too little to tell" if self.value is None else ("kept" if self.ok else "FAULT")


def report(rows: dict[str, Row], data: Row, findings: dict[str, list[Finding]], n_failed: int, notes: str) -> str:
    """The audit as Markdown: faults first, then a section on all data, then one per source.

    `findings` and `rows` are by source (and `all`); the findings on all messages are under `data`.
    """
    faults = [
        f"- **{name}**: {f.what}: {f.shown} ({f.limit_in_words})"
        for name, found in findings.items()
        if name != "all"
        for f in found
        if not f.ok
    ]
    left_out = f" {n_failed} conversations failed and are left out." if n_failed else ""
    parts = ["# Audit of all replies", f"{rows['all']['n_replies']} replies.{left_out}", "## Faults"]
    parts.append("\n".join(faults) or "None: every source keeps every limit.")
    parts += data_section(data, findings["data"])
    for name, row in rows.items():
        parts += section(name, row, findings[name])
    return "\n\n".join([*parts, "## How this was counted", notes]) + "\n"


def data_section(row: Row, found: Sequence[Finding]) -> list[str]:
    """All messages: leaks, copies, personal data, language, characters."""
    title = f"## Data: {row['n_messages']} messages of {row['n_conversations']} conversations"
    parts = [title, _checks(found)]
    tables = (
        ("Leaks: training side repeats evaluation side", ("message", "repeats", "of its 5-word runs"), row["leaks"]),
        ("Conversations that repeat another", ("conversation", "repeats", "of its runs"), row["conversation_copies"]),
        ("Personal data (values hidden)", ("where", "kind", "value"), row["personal_data_places"]),
        ("Messages in another language", ("where", "language"), row["other_languages"]),
        ("Characters beyond ASCII", ("code", "name", "messages"), row["characters"]),
    )
    for name, head, cells in tables:
        if cells:
            parts += [f"### {name}", md_table(head, [[md_escape(str(c), True) for c in line] for line in cells])]
    return parts


def section(name: str, row: Row, found: Sequence[Finding]) -> list[str]:
    """One source: limits, repeated phrases, openings, closings and structures, shapes, near-duplicates."""
    shape = [(k.replace("_", " "), f"{v:.2f}") for k, v in row["shapes"].items()]
    shape += [(f"distinct-{n}", f"{row[f'distinct_{n}'] or 0:.2f}") for n in (1, 2)]
    title = "All sources together" if name == "all" else name.capitalize()
    parts = [f"## {title}: {row['n_replies']} replies", _checks(found)]
    for title in ("phrases", "openings", "closings", "structures"):
        ranked = [(md_escape(_short(p.text), True), p.count, f"{p.share:.1%}") for p in row[title]]
        if ranked:
            parts += [f"### {title.capitalize()} that replies share", md_table((title, "replies", "share"), ranked)]
    parts += ["### Structure and language", md_table(("measure", "value"), shape)]
    if row["copies"]:
        copies = [[md_escape(cell, True) for cell in line] for line in row["copies"]]
        parts += ["### Near-duplicates", md_table(("reply", "repeats", "of its 5-word runs"), copies)]
    return parts


def _checks(found: Sequence[Finding]) -> str:
    rows = [(f.what, f.shown, f.limit_in_words, f.state) for f in found]
    return md_table(("measure", "value", "limit", ""), rows)


def _short(phrase: str) -> str:
    parts = phrase.split()
    return phrase if len(parts) <= SHOWN_WORDS else " ".join([*parts[:SHOWN_WORDS], "..."])
