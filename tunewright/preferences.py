"""What people prefer, base or tuned: reviews/<domain>/preferences.jsonl, append-only, one line a decision.

Readers see two unnamed sides; the lines name the models. The rules are those of labels: an id a line, the latest by
(time, id) of one reviewer on one question of one pair holds while both texts are unchanged, undoing is a line.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from tunewright.append_only import read_appended
from tunewright.records import Record

PREFERENCES = "preferences.jsonl"
OVERALL = "overall"
Better = Literal["base", "tuned", "tie", "undo"]


class Preference(Record):
    """One line: which of two paired conversations is better in one respect."""

    id: str  # 16 hex digits at random
    transcript_id: str  # the pair's: both sides have the same
    persona_id: str
    base_hash: str  # Transcript.content_hash of each side as it was read
    tuned_hash: str
    question: str  # a category of the rubric, or OVERALL
    better: Better
    undoes: str | None = None
    note: str = ""
    reviewer: str
    time: str  # UTC, ISO 8601 with microseconds and a Z
    rubric_version: str  # Rubric.fingerprint

    @model_validator(mode="after")
    def _consistent(self) -> Preference:
        if (self.better == "undo") != bool(self.undoes):
            raise ValueError("`undoes` belongs to undo, and only to it")
        return self


def read_preferences(folder: str | Path) -> list[Preference]:
    """Every line of a domain's preferences, as they stand; raises RecordError."""
    return read_appended(Path(folder) / PREFERENCES, Preference)


def preferences_in_force(lines: Iterable[Preference]) -> list[Preference]:
    """Those that nobody took back or replaced, in the order of their times."""
    ordered = sorted({line.id: line for line in lines}.values(), key=lambda line: (line.time, line.id))
    undone = {line.undoes for line in ordered}
    latest: dict[tuple[str, ...], Preference] = {}
    for line in ordered:
        if line.better != "undo" and line.id not in undone:
            key = (line.transcript_id, line.base_hash, line.tuned_hash, line.question, line.reviewer)
            latest.pop(key, None)
            latest[key] = line
    return list(latest.values())
