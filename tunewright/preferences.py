"""What people prefer, base or tuned: reviews/<domain>/preferences.jsonl, append-only, one line a decision.

Readers see two unnamed sides; the lines name the models. The rules are those of labels: an id a line, the latest by
(time, id) of one reviewer on one question of one pair holds while both texts are unchanged, undoing is a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from tunewright.append_only import read_appended
from tunewright.decisions import Book, Decision, held

PREFERENCES = "preferences.jsonl"
OVERALL = "overall"
Better = Literal["base", "tuned", "tie", "undo"]


class Preference(Decision):
    """One line: which of two paired conversations is better in one respect."""

    transcript_id: str  # the pair's: both sides have the same
    persona_id: str
    base_hash: str  # Transcript.content_hash of each side as it was read
    tuned_hash: str
    question: str  # a category of the rubric, or OVERALL
    better: Better

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
    return held(lines, subject)


def subject(line: Preference) -> tuple[str, ...]:
    """What a preference is about: of one person's preferences on it the latest holds."""
    return line.transcript_id, line.base_hash, line.tuned_hash, line.question


class PreferenceBook:
    """One domain's preferences, for one reviewer to write in."""

    def __init__(self, folder: Path | str, reviewer: str) -> None:
        self._lines = Book(Path(folder) / PREFERENCES, Preference, subject, reviewer)

    def read(self) -> list[Preference]:
        """Everybody's lines, as they are on disk now. Raises RecordError, StorageError."""
        return self._lines.read()

    def in_force(self) -> list[Preference]:
        """Everybody's preferences that hold now, in the order of their times."""
        return self._lines.in_force()

    def add(self, fields: Mapping[str, Any]) -> Preference:
        """Write a preference of this reviewer down and return it; it is on disk then.

        `fields`: all of a Preference but id, reviewer and time. Raises pydantic's ValidationError for one that is
        none, StorageError where nothing can be written.
        """
        return self._lines.add(fields)

    def undo(self, transcript_id: str, base_hash: str, tuned_hash: str, rubric_version: str) -> Preference | None:
        """Take this reviewer's last preference on a pair back, with a line of its own; None: there is none."""
        pair = (transcript_id, base_hash, tuned_hash)

        def taking_back(last: Preference) -> dict[str, Any]:
            kept = last.model_dump(include={"transcript_id", "persona_id", "base_hash", "tuned_hash", "question"})
            return kept | {"better": "undo", "rubric_version": rubric_version}

        return self._lines.undo(lambda x: (x.transcript_id, x.base_hash, x.tuned_hash) == pair, taking_back)
