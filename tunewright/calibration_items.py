"""What judges are asked in calibration: labelled conversations from four sources, each with its right answer.

Examples and worked evaluations from the domain's calibration file, planted flaws, and people's labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tunewright.calibration import Labelled, choose_balanced, n_words
from tunewright.planted import Plant
from tunewright.records import Quote, Record, Transcript
from tunewright.rubric import Rubric

Kind = Literal["example", "planted", "person"]


@dataclass(frozen=True)
class Item:
    """One question with a known answer. Items of one cluster are variants of each other, with the same answer."""

    id: str
    kind: Kind
    cluster: str
    labelled: Labelled
    plant: Plant | None = None

    @property
    def transcript(self) -> Transcript:
        """The conversation, as judging takes it."""
        return Transcript(
            id=self.id,
            source_id=self.labelled.source or None,
            domain="calibration",
            persona_id="calibration",
            user_kind="authored",
            assistant="author",
            user="author",
            exchanges=self.labelled.exchanges,
        )


class CalibrationAnswer(Record):
    """One judge's answer to one item, for people to read."""

    judge: str
    item: str
    criterion: str
    kind: Kind
    borderline: bool
    expected: str
    sample: int
    answer: str | None
    evidence: tuple[int, ...]
    quotes: tuple[Quote, ...]
    misquotes: tuple[str, ...]
    reasoning: str
    unscored: str | None


def example_items(examples: Mapping[str, Sequence[Labelled]], rubric: Rubric, limit: int | None) -> list[Item]:
    """Up to `limit` examples of each judged criterion (None: all), their answers by turns, the shortest first."""
    items = []
    for criterion in rubric.safety_first:
        if criterion.evaluator == "judge":
            for one in choose_balanced(sorted(examples.get(criterion.id, ()), key=n_words), limit):
                items.append(Item(one.name, "example", one.name, one))
    return items


def planted_items(plants: Sequence[Plant], rubric: Rubric) -> list[Item]:
    """Both versions of every planted flaw; all places of one flaw and version are one cluster."""
    judged = {c.id for c in rubric.criteria if c.evaluator == "judge"}
    items = []
    for plant in plants:
        if plant.criterion in judged:
            version = "bad" if plant.is_bad else "good"
            answer = "NO" if plant.is_bad else "YES"
            labelled = Labelled(plant.criterion, answer, plant.exchanges, plant.reason, False, plant.host)
            cluster = f"{plant.criterion} flaw {plant.flaw} {version}"
            items.append(Item(f"{plant.pair} {version}", "planted", cluster, labelled, plant))
    return items


def person_items(labels: Sequence[Labelled], rubric: Rubric) -> list[Item]:
    """What people decided on generated conversations.

    One conversation is one cluster of each criterion, with what was repaired or replayed from it where people's answer
    is the same; a repair that turned a NO into a YES is the good version to its bad one, as with planted flaws.
    """
    judged = {c.id for c in rubric.criteria if c.evaluator == "judge"}
    return [
        Item(one.name, "person", f"{one.criterion} {one.source} {one.answer}", one)
        for one in labels
        if one.criterion in judged
    ]
