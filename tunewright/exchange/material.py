"""What an export holds: the queue's conversations with their verdicts, scores and the labels that count today."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tunewright.config import Domain
from tunewright.errors import RecordError
from tunewright.label_book import is_private
from tunewright.labels import Label, in_force, read_labels, why_stale
from tunewright.records import Score, Transcript, Verdict
from tunewright.review_queue import QUEUE, QueueItem
from tunewright.reviewing import material as reviewing
from tunewright.reviewing.opinions import asked_criteria
from tunewright.rubric import Criterion, Rubric


@dataclass(frozen=True)
class Piece:
    """One conversation to read, and what is known of it."""

    item: QueueItem
    transcript: Transcript
    verdicts: tuple[Verdict, ...] = ()
    score: Score | None = None
    labels: tuple[Label, ...] = ()  # that count today
    asked: frozenset[str] = frozenset()  # criteria that a reader is asked: not what is measured or too short to tell

    def verdicts_on(self, criterion: str) -> list[Verdict]:
        """What the judges and measures said of a criterion."""
        return [v for v in self.verdicts if v.criterion == criterion]


@dataclass(frozen=True)
class Material:
    """All that is exported, and how much is not."""

    domain: str
    rubric: Rubric
    pieces: tuple[Piece, ...]
    blind: bool  # the judges' answers are left out
    n_private: int = 0  # conversations with imported words, left out
    n_labels_left: int = 0  # labels in force that are stale, or on conversations that are not exported

    @cached_property
    def question_hashes(self) -> Mapping[str, str]:
        """The hash of every criterion as it is asked."""
        return {c.id: self.rubric.question_hash(c) for c in self.rubric.criteria}

    @cached_property
    def rubric_version(self) -> str:
        """The rubric's fingerprint."""
        return self.rubric.fingerprint

    @cached_property
    def questions(self) -> tuple[Criterion, ...]:
        """The criteria that any conversation has a place for, gates first."""
        places = {c for piece in self.pieces for c in self._places(piece)}
        return tuple(c for c in self.rubric.safety_first if c.id in places)

    def questions_on(self, piece: Piece) -> tuple[Criterion, ...]:
        """The criteria that are asked of a conversation, and those that somebody decided all the same."""
        return tuple(c for c in self.rubric.safety_first if c.id in self._places(piece))

    def reasons(self, piece: Piece) -> str:
        """Why a conversation was picked, as text; without what would tell a blind reader the judges' answers."""
        shown = [r for r in piece.item.reasons if not (self.blind and r.tells_the_judges)]
        return "; ".join(f"{reason.kind}: {reason.says}" for reason in shown)

    def _places(self, piece: Piece) -> set[str | None]:
        return {*piece.asked, *(label.criterion for label in piece.labels)}


def gather(domain: Domain, with_private: bool, with_labels: bool, blind: bool) -> Material:
    """Read what is to be exported.

    Raises MissingInputError naming the stage that makes a file, RecordError where the queue is older than the text.
    """
    found = reviewing.load_material(domain.rubric, [Path(path) for path in reviewing.FILES])
    _refuse_old(found)
    every = reviewing.in_blind_order(found.readings.values()) if blind else found.readings.values()
    shown = [r for r in every if with_private or not is_private(r.talk)]
    labels = in_force(read_labels(domain.reviews)) if with_labels else []
    held = _held(labels, {r.talk.id: r.content_hash for r in shown}, found.rubric)
    pieces = tuple(_piece(r, held[r.talk.id], found.rubric, blind) for r in shown)
    n_held = sum(len(piece.labels) for piece in pieces)
    n_private = len(found.readings) - len(shown)
    return Material(domain.id, found.rubric, pieces, blind, n_private, len(labels) - n_held)


def _piece(reading: reviewing.Reading, labels: tuple[Label, ...], rubric: Rubric, blind: bool) -> Piece:
    asked = frozenset(c.id for c in asked_criteria(rubric.criteria, reading))
    verdicts, score = ((), None) if blind else (reading.verdicts, reading.score)
    return Piece(reading.item, reading.talk, verdicts, score, labels, asked)


def _refuse_old(found: reviewing.Material) -> None:
    changed = [r.item for r in found.readings.values() if r.content_hash != r.item.content_hash]
    for item in (*found.gone, *changed):
        what = "is no longer there" if item in found.gone else "has changed since"
        raise RecordError(
            f"{QUEUE}: the conversation {item.transcript_id} {what}: the queue is older; make it again with: "
            "dvc repro generate-review"
        )


def _held(labels: Iterable[Label], contents: Mapping[str, str], rubric: Rubric) -> Mapping[str, tuple[Label, ...]]:
    """The labels on the text and the criteria of today, by conversation."""
    known = {c.id for c in rubric.criteria} | {None}
    found: dict[str, tuple[Label, ...]] = defaultdict(tuple)
    for label in labels:
        if label.criterion in known and not why_stale(label, contents, rubric):
            found[label.transcript_id] += (label,)
    return found
