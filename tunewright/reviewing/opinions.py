"""What people said of the conversations, as one reader may see it: own decisions, others', stale ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tunewright.labels import REMARKS, Label, why_criterion_stale, why_text_stale
from tunewright.reviewing.material import Material, Reading
from tunewright.rubric import Criterion
from tunewright.verdict_rules import needs_judge


@dataclass(frozen=True)
class Earlier:
    """A label that no longer counts, and why."""

    label: Label
    why: str


@dataclass(frozen=True)
class Said:
    """What was said of one thing: a criterion of a conversation, or the conversation as a whole."""

    own: Label | None
    remarks: tuple[Label, ...]  # the reader's own
    others: tuple[Label, ...]  # decisions and remarks of other readers; empty until the reader has decided
    n_others: int  # readers who decided, shown or not
    earlier: tuple[Earlier, ...]


@dataclass(frozen=True)
class Progress:
    """How far one reader is with one conversation."""

    decided: int  # of the criteria that are asked for
    asked: int
    overall: Label | None


class Opinions:
    """Everybody's labels in force on the material, for one reader."""

    def __init__(self, labels: Iterable[Label], material: Material, reviewer: str) -> None:
        self._material, self._reviewer = material, reviewer
        self._by_talk: dict[str, list[Label]] = {}
        for label in labels:
            self._by_talk.setdefault(label.transcript_id, []).append(label)
        self._contents = material.contents
        self._criterion_stale: dict[tuple[str | None, str | None], str | None] = {}

    def said(self, transcript_id: str, criterion: str | None) -> Said:
        """What was said of a criterion, or (None) of the conversation as a whole."""
        holding, earlier = self._parted(transcript_id, criterion)
        mine = [x for x in holding if x.reviewer == self._reviewer]
        own = next((x for x in reversed(mine) if x.label not in REMARKS), None)
        theirs = [x for x in holding if x.reviewer != self._reviewer]
        return Said(
            own=own,
            remarks=tuple(x for x in mine if x.label in REMARKS),
            others=tuple(theirs) if own else (),
            n_others=len({x.reviewer for x in theirs if x.label not in REMARKS}),
            earlier=tuple(e for e in earlier if own or e.label.reviewer == self._reviewer),
        )

    def progress(self, reading: Reading) -> Progress:
        """How far the reader is with a conversation."""
        asked = asked_criteria(self._material.rubric.criteria, reading)
        done = self._decided(reading.talk.id)
        return Progress(sum(c.id in done for c in asked), len(asked), self.said(reading.talk.id, None).own)

    def has_stale(self, transcript_id: str) -> bool:
        """Whether the reader's own word on a conversation went stale and was not given anew."""
        mine = [x for x in self._by_talk.get(transcript_id, ()) if x.reviewer == self._reviewer]
        held = {x.criterion for x in mine if self._why(x) is None}
        return any(self._why(x) and x.criterion not in held for x in mine)

    def others(self, transcript_id: str) -> list[str]:
        """The other readers who decided anything that holds on a conversation."""
        found = self._by_talk.get(transcript_id, ())
        return sorted({x.reviewer for x in found if x.reviewer != self._reviewer and self._why(x) is None})

    def notes(self, transcript_id: str) -> str:
        """The reader's own notes on a conversation, for searching."""
        return "\n".join(x.note for x in self._by_talk.get(transcript_id, ()) if x.reviewer == self._reviewer)

    def without_place(self, transcript_id: str) -> list[Earlier]:
        """Labels on criteria that the rubric no longer has; others' only once the reader has decided overall."""
        known = {c.id for c in self._material.rubric.criteria}
        overall = self.said(transcript_id, None).own
        found = [x for x in self._by_talk.get(transcript_id, ()) if x.criterion and x.criterion not in known]
        return [Earlier(x, "its criterion is gone") for x in found if overall or x.reviewer == self._reviewer]

    def elsewhere(self) -> list[Label]:
        """The reader's labels on conversations that are not in the queue: kept, and said to be."""
        return [
            x
            for id, labels in self._by_talk.items()
            if id not in self._contents
            for x in labels
            if x.reviewer == self._reviewer
        ]

    def _parted(self, transcript_id: str, criterion: str | None) -> tuple[list[Label], list[Earlier]]:
        holding: list[Label] = []
        earlier: list[Earlier] = []
        for label in self._by_talk.get(transcript_id, ()):
            if label.criterion != criterion:
                continue
            if why := self._why(label):
                earlier.append(Earlier(label, why))
            else:
                holding.append(label)
        return holding, earlier

    def _decided(self, transcript_id: str) -> set[str | None]:
        labels: Sequence[Label] = self._by_talk.get(transcript_id, ())
        return {
            x.criterion
            for x in labels
            if x.reviewer == self._reviewer and x.label not in REMARKS and self._why(x) is None
        }

    def _why(self, label: Label) -> str | None:
        asked = label.criterion, label.question_hash
        if asked not in self._criterion_stale:  # hashing a question for every label would cost more than the page
            self._criterion_stale[asked] = why_criterion_stale(label, self._material.rubric)
        return why_text_stale(label, self._contents) or self._criterion_stale[asked]


def asked_criteria(criteria: Iterable[Criterion], reading: Reading) -> list[Criterion]:
    """What a reader is asked: what judges are. What is measured, too short to tell or left out may be decided."""
    return [c for c in criteria if reading.score and needs_judge(c, reading.talk)]
