"""The queue: which conversations people should read, and why each was picked (data/generate/review_queue.jsonl)."""

from __future__ import annotations

from typing import Literal

from tunewright.records import Record

QUEUE = "data/generate/review_queue.jsonl"
ReasonKind = Literal[
    "batch", "gate", "disagreement", "near threshold", "perfect", "unscored", "new persona type", "random", "left out"
]


class Reason(Record):
    """Why a conversation was picked."""

    kind: ReasonKind
    says: str


class QueueItem(Record):
    """One conversation to read."""

    transcript_id: str
    content_hash: str
    reasons: tuple[Reason, ...]
