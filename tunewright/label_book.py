"""Writing decisions down: a label, and beside it the text that it is about, each once.

The text goes first, so that there is no label without its text. Conversations with imported words stay out of
reviews/, which is in git: private logs never get there, and labels on them count while the conversation is in data/.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tunewright.append_only import appending, read_appended
from tunewright.labels import LABELS, TEXTS, Label, in_force, read_labels
from tunewright.records import Transcript

FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


def now() -> str:
    """The time as labels keep it: UTC, microseconds."""
    return datetime.now(UTC).strftime(FORM)


def is_private(transcript: Transcript) -> bool:
    """Whether a conversation holds imported words."""
    return "imported" in (transcript.user, transcript.assistant, transcript.user_kind)


class LabelBook:
    """One domain's labels, for one reviewer to write in."""

    def __init__(self, folder: Path | str, reviewer: str) -> None:
        self._folder = Path(folder)
        self._reviewer = reviewer

    def read(self) -> list[Label]:
        """Everybody's lines, as they are on disk now."""
        return read_labels(self._folder)

    def add(self, transcript: Transcript, fields: Mapping[str, Any]) -> Label:
        """Write a decision of this reviewer down and return it; it is on disk then. `fields`: the rest of a Label.

        Raises pydantic's ValidationError for a label that is not one, OSError where nothing can be written.
        """
        own = {"id": secrets.token_hex(8), "reviewer": self._reviewer, "time": self._next_time()}
        about = {"transcript_id": transcript.id, "content_hash": transcript.content_hash}
        label = Label.model_validate({**fields, **own, **about})
        if not is_private(transcript):
            self._keep(transcript)
        with appending(self._folder / LABELS) as end:
            end.add(label)
        return label

    def undo(self, transcript: Transcript, rubric_version: str) -> Label | None:
        """Take this reviewer's last decision on a conversation back, with a line of its own; None: there is none."""
        own = [x for x in in_force(self.read()) if x.reviewer == self._reviewer and x.transcript_id == transcript.id]
        last = next((x for x in reversed(own) if x.content_hash == transcript.content_hash), None)
        if last is None:
            return None
        fields = {"criterion": last.criterion, "label": "undo", "undoes": last.id, "blind": last.blind}
        more = {"question_hash": last.question_hash, "rubric_version": rubric_version}
        return self.add(transcript, fields | more)

    def _next_time(self) -> str:
        """Now, or just after this reviewer's last line where the clock was set back: the latest decision must hold."""
        last = max((x.time for x in self.read() if x.reviewer == self._reviewer), default="")
        return max(now(), _after(last)) if last else now()

    def _keep(self, transcript: Transcript) -> None:
        with appending(self._folder / TEXTS) as end:
            kept = read_appended(self._folder / TEXTS, Transcript)
            if all(k.content_hash != transcript.content_hash or k.id != transcript.id for k in kept):
                end.add(transcript)


def _after(time: str) -> str:
    return (datetime.strptime(time, FORM) + timedelta(microseconds=1)).strftime(FORM)
