"""The queue: which conversations people should read, and why each was picked (data/generate/review_queue.jsonl)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from tunewright.labels import Label
from tunewright.records import Record

QUEUE = "data/generate/review_queue.jsonl"
ReasonKind = Literal[
    "batch", "gate", "disagreement", "near threshold", "perfect", "unscored", "new persona type", "random", "left out"
]
JUDGED: tuple[ReasonKind, ...] = ("gate", "disagreement", "near threshold", "unscored", "perfect")


class Reason(Record):
    """Why a conversation was picked."""

    kind: ReasonKind
    says: str

    @property
    def tells_the_judges(self) -> bool:
        """Whether it gives away what the judges answered: not to be shown to a reader who decides blind.

        Of all scored conversations: where some showed "random", one without any reason would be one that judges found.
        """
        return self.kind != "left out"


class QueueItem(Record):
    """One conversation to read.

    `drawn`: the probability (0 to 1) with which chance put it here, the same for every conversation that was whole; 1
    where all are read. None: picked for its reasons alone. Rates of all conversations are estimated from drawn items.
    """

    transcript_id: str
    content_hash: str
    reasons: tuple[Reason, ...] = Field(min_length=1)
    drawn: float | None = Field(gt=0, le=1)


@dataclass(frozen=True)
class Progress:
    """How far people are with a queue: conversations, any reader counted."""

    n: int
    n_begun: int  # with a label that holds, of any kind
    n_decided: int  # somebody said satisfied or not satisfied


def progress(queue: Sequence[QueueItem], labels: Iterable[Label]) -> Progress:
    """Count the conversations of a queue that labels in force are about (`labels.in_force`)."""
    asked = {(item.transcript_id, item.content_hash) for item in queue}
    about = [((label.transcript_id, label.content_hash), label.is_overall) for label in labels]
    begun = {key for key, _ in about if key in asked}
    return Progress(len(queue), len(begun), len({key for key, overall in about if overall and key in begun}))
