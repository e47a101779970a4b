"""Writing labels down: a label, and beside it the text that it is about, each once.

The text goes first, so that there is no label without its text. Conversations with imported words stay out of
reviews/, which is in git: private logs never get there, and labels on them count while the conversation is in data/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tunewright.append_only import Growing, appending
from tunewright.decisions import Book
from tunewright.labels import LABELS, TEXTS, Label, subject
from tunewright.records import Transcript


def is_private(transcript: Transcript) -> bool:
    """Whether a conversation holds imported words."""
    return "imported" in (transcript.user, transcript.assistant, transcript.user_kind)


class LabelBook:
    """One domain's labels, for one reviewer to write in."""

    def __init__(self, folder: Path | str, reviewer: str) -> None:
        self._lines = Book(Path(folder) / LABELS, Label, subject, reviewer)
        self._texts = Texts(Path(folder) / TEXTS)

    def read(self) -> list[Label]:
        """Everybody's lines, as they are on disk now. Raises RecordError, StorageError."""
        return self._lines.read()

    def in_force(self) -> list[Label]:
        """Everybody's labels that hold now, in the order of their times; stale ones too."""
        return self._lines.in_force()

    def add(self, transcript: Transcript, fields: Mapping[str, Any]) -> Label:
        """Write a decision of this reviewer down and return it; it is on disk then. `fields`: the rest of a Label.

        Raises pydantic's ValidationError for a label that is not one, StorageError where nothing can be written.
        """
        if not is_private(transcript):
            self._texts.keep(transcript)
        return self._lines.add({**fields, **_about(transcript)})

    def undo(self, transcript: Transcript, rubric_version: str) -> Label | None:
        """Take this reviewer's last decision on a conversation back, with a line of its own; None: there is none."""

        def taking_back(last: Label) -> dict[str, Any]:
            kept = last.model_dump(include={"criterion", "blind", "question_hash"})
            return kept | _about(transcript) | {"label": "undo", "rubric_version": rubric_version}

        about = (transcript.id, transcript.content_hash)
        return self._lines.undo(lambda label: (label.transcript_id, label.content_hash) == about, taking_back)


class Texts:
    """The transcripts that labels are about."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = Growing(path, Transcript, _text)

    def keep(self, *transcripts: Transcript) -> None:
        """Write transcripts down unless they are there. Raises RecordError, StorageError."""
        if not self._missing(transcripts):
            return
        with appending(self._path) as end:
            if missing := self._missing(transcripts):  # another process may have kept them meanwhile
                end.add(*missing)

    def _missing(self, transcripts: Sequence[Transcript]) -> list[Transcript]:
        kept = set(self._kept.read())
        return [t for t in {_text(t): t for t in transcripts}.values() if _text(t) not in kept]


def _about(transcript: Transcript) -> dict[str, str]:
    return {"transcript_id": transcript.id, "content_hash": transcript.content_hash}


def _text(transcript: Transcript) -> tuple[str, str]:
    return transcript.id, transcript.content_hash
