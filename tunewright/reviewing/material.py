"""What the reading pages show: the queue's conversations with their verdicts, scores and personas, and the labels.

Only the queue's lines of the big files are parsed and kept. What was read is read again when a file's size or time
has changed, since `dvc repro` may run beside the app.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeVar

from pydantic import BaseModel

from tunewright.errors import MissingInputError
from tunewright.label_book import LabelBook
from tunewright.labels import Label
from tunewright.records import Persona, Score, Transcript, Verdict, parse_line, read_jsonl, stable_unit
from tunewright.review_queue import QUEUE, QueueItem
from tunewright.reviewing.settings import Settings
from tunewright.reviewing.stamps import Stamp, stamp
from tunewright.rubric import Rubric, load_rubric

R = TypeVar("R", bound=BaseModel)
FILES = (QUEUE, *(f"data/generate/{name}.jsonl" for name in ("transcripts", "verdicts", "scores", "personas")))
FIRST_ID = re.compile(rb'\{"(?:transcript_)?id":("(?:[^"\\]|\\.)*")')  # records are written with their id first


@dataclass(frozen=True)
class Reading:
    """One conversation of the queue and what is known of it."""

    item: QueueItem
    talk: Transcript
    content_hash: str
    verdicts: tuple[Verdict, ...]
    score: Score | None
    persona: Persona | None

    @property
    def title(self) -> str:
        """Who writes, in a few words."""
        who = self.persona
        if who is None:
            return self.talk.id
        return f"{who.name}, {who.age}" if who.age is not None else who.name


@dataclass(frozen=True)
class Material:
    """All that there is to read. `gone`: picked for reading, but no longer among the conversations."""

    rubric: Rubric
    readings: dict[str, Reading]  # by transcript id, in the queue's order
    gone: tuple[QueueItem, ...]

    @property
    def contents(self) -> dict[str, str]:
        """Today's content hashes by transcript id."""
        return {id: reading.content_hash for id, reading in self.readings.items()}


class Shelf:
    """The material and the labels as they are on disk now; what has not changed since is not read again."""

    def __init__(self, settings: Settings) -> None:
        root, domain = settings.root, settings.domain
        self.reviews = root / domain.reviews
        self.book = LabelBook(self.reviews, settings.reviewer)
        self._rubric = root / domain.rubric
        self._files = [root / path for path in FILES]
        self._lock = Lock()
        self._material: tuple[list[Stamp | None], Material] | None = None

    def material(self) -> Material:
        """What there is to read; raises MissingInputError naming the stage that makes a file, RecordError."""
        with self._lock:
            stamps = [stamp(path) for path in (self._rubric, *self._files)]
            if self._material is None or self._material[0] != stamps:
                self._material = stamps, load_material(str(self._rubric), self._files)
            return self._material[1]

    def labels(self) -> list[Label]:
        """Everybody's labels that nobody took back or replaced, stale ones too; raises RecordError, StorageError."""
        return self.book.in_force()


def load_material(rubric: str, files: Sequence[Path]) -> Material:
    """Read what the queue names; `files` in the order of FILES. Raises MissingInputError, RecordError, ConfigError."""
    queue, transcripts, verdicts, scores, personas = files
    items = read_jsonl(queue, QueueItem, "generate-review")
    wanted = {item.transcript_id for item in items}
    talks = {t.id: t for t in _lines_of(transcripts, Transcript, wanted, "generate-transcripts")}
    answers: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in _lines_of(verdicts, Verdict, wanted, "generate-verdicts"):
        answers[verdict.transcript_id].append(verdict)
    results = {s.transcript_id: s for s in _lines_of(scores, Score, wanted, "generate-scores")}
    writers = {t.persona_id for t in talks.values()}
    people = {p.id: p for p in _lines_of(personas, Persona, writers, "generate-personas")}
    readings = {
        item.transcript_id: Reading(
            item, talk, talk.content_hash, tuple(answers[talk.id]), results.get(talk.id), people.get(talk.persona_id)
        )
        for item in items
        if (talk := talks.get(item.transcript_id))
    }
    return Material(load_rubric(rubric), readings, tuple(i for i in items if i.transcript_id not in talks))


def in_blind_order(readings: Iterable[Reading]) -> list[Reading]:
    """By lot: in the queue the gravest stand first, so that its order tells what judges found."""
    return sorted(readings, key=lambda r: stable_unit("blind order", r.talk.id, r.content_hash))


def _lines_of(path: Path, model: type[R], wanted: Container[str], made_by: str) -> Iterator[R]:
    """The records of the wanted ids; other lines are not parsed beyond their id."""
    if not path.exists():
        raise MissingInputError(f"{path}: no such file (a run may be making it now); make it with: dvc repro {made_by}")
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            found = FIRST_ID.match(raw)
            if found is None or json.loads(found[1]) in wanted:
                yield parse_line(path, number, raw, model, made_by)


def neighbours(ids: Sequence[str], all_ids: Sequence[str], current: str) -> tuple[str | None, str | None]:
    """The ids before and after `current` among `ids`, by their places in `all_ids`; None at an end."""
    place = {id: n for n, id in enumerate(all_ids)}
    here = place[current]
    before = [id for id in ids if place[id] < here]
    after = [id for id in ids if place[id] > here]
    return (before[-1] if before else None), (after[0] if after else None)
