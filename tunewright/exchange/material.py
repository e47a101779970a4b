"""What an export holds: the queue's conversations with their verdicts, scores and the labels that count today.

Only the lines of the wanted conversations are parsed: the files may be long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tunewright.config import Domain
from tunewright.errors import MissingInputError, RecordError
from tunewright.label_book import is_private
from tunewright.labels import Label, in_force, read_labels, why_criterion_stale
from tunewright.record_index import id_of
from tunewright.records import Record, Score, Transcript, Verdict, parse_line, read_jsonl
from tunewright.review_queue import QUEUE, QueueItem
from tunewright.rubric import Criterion, Rubric, load_rubric

TRANSCRIPTS, VERDICTS, SCORES = (f"data/generate/{name}.jsonl" for name in ("transcripts", "verdicts", "scores"))
R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Piece:
    """One conversation to read, and what is known of it."""

    item: QueueItem
    transcript: Transcript
    verdicts: tuple[Verdict, ...] = ()
    score: Score | None = None
    labels: tuple[Label, ...] = ()  # that count today

    @property
    def reasons(self) -> str:
        """Why it was picked, as text."""
        return "; ".join(f"{reason.kind}: {reason.says}" for reason in self.item.reasons)

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

    @property
    def questions(self) -> tuple[Criterion, ...]:
        """The criteria in the order of reading: gates, what judges answer, what is computed."""
        return tuple(sorted(self.rubric.safety_first, key=lambda c: c.evaluator == "measure"))


def gather(domain: Domain, with_private: bool, with_labels: bool, blind: bool) -> Material:
    """Read what is to be exported.

    Raises MissingInputError naming the stage that makes a file, RecordError where the queue is older than the text.
    """
    rubric = load_rubric(domain.rubric)
    items = read_jsonl(QUEUE, QueueItem, "generate-review")
    wanted = {item.transcript_id for item in items}
    talks = {t.id: t for t in wanted_lines(TRANSCRIPTS, Transcript, wanted, "generate-transcripts")}
    _refuse_old(items, talks)
    shown = [i for i in items if with_private or not is_private(talks[i.transcript_id])]
    labels = in_force(read_labels(domain.reviews)) if with_labels else []
    held = _held(labels, shown, rubric)
    answers = _by_talk([] if blind else wanted_lines(VERDICTS, Verdict, wanted, "generate-verdicts"))
    results = {} if blind else {s.transcript_id: s for s in wanted_lines(SCORES, Score, wanted, "generate-scores")}
    pieces = tuple(
        Piece(i, talks[id], tuple(answers[id]), results.get(id), tuple(held[id]))
        for i in shown
        for id in [i.transcript_id]
    )
    n_held = sum(len(found) for found in held.values())
    return Material(domain.id, rubric, pieces, blind, len(items) - len(shown), len(labels) - n_held)


def wanted_lines(path: str, model: type[R], wanted: Collection[str], made_by: str) -> Iterator[R]:
    """The records of some conversations; raises MissingInputError, RecordError."""
    field = "id" if "id" in model.model_fields else "transcript_id"
    try:
        with open(path, "rb") as lines:
            for number, line in enumerate(lines, 1):
                if _id_of(line, field) in wanted:
                    yield parse_line(Path(path), number, line, model, made_by)
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no such file; make it with: dvc repro {made_by}") from None


def _id_of(line: bytes, field: str) -> str | None:
    try:
        return id_of(line, field)
    except ValueError:  # a damaged line is no wanted one
        return None


def _refuse_old(items: Iterable[QueueItem], talks: dict[str, Transcript]) -> None:
    for item in items:
        found = talks.get(item.transcript_id)
        if found is None or found.content_hash != item.content_hash:
            state = "is not in" if found is None else "has other words in"
            raise RecordError(
                f"{QUEUE}: the conversation {item.transcript_id} {state} {TRANSCRIPTS}: the queue is older; "
                "make it again with: dvc repro generate-review"
            )


def _held(labels: Iterable[Label], shown: Sequence[QueueItem], rubric: Rubric) -> dict[str, list[Label]]:
    """The labels on the text and the criteria of today, by conversation."""
    contents = {item.transcript_id: item.content_hash for item in shown}
    found: dict[str, list[Label]] = defaultdict(list)
    known = {c.id for c in rubric.criteria}
    for label in labels:
        is_there = label.criterion is None or label.criterion in known
        is_current = contents.get(label.transcript_id) == label.content_hash
        if is_current and is_there and not why_criterion_stale(label, rubric):
            found[label.transcript_id].append(label)
    return found


def _by_talk(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        found[verdict.transcript_id].append(verdict)
    return found
