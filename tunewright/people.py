"""What people say today: labels in force on unchanged words and unchanged criteria, reader by reader.

The people's answer to a criterion is what all readers who answered it say. Where two of them differ there is none: it
is "disputed", counted apart, and tests no judge. "unsure" is no answer: it stands only where nobody gives one. On a
whole conversation people are satisfied when every reader who decided is; one who is not is enough to hold it back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tunewright.labels import ANSWERS, Label, Said, in_force, subject, why_criterion_stale, why_stale
from tunewright.rubric import Rubric

People = Literal["YES", "NO", "NA", "unsure", "disputed"]
PEOPLE: tuple[People, ...] = ("YES", "NO", "NA", "unsure", "disputed")
LATER = "9999"  # after every time
ANSWERING: tuple[Said, ...] = ("YES", "NO", "NA", "unsure")


@dataclass(frozen=True)
class Heard:
    """What the readers of one conversation say, by reader."""

    satisfied: dict[str, bool] = field(default_factory=dict)  # with the conversation as a whole
    answers: dict[str, dict[str, Said]] = field(default_factory=dict)  # by criterion: YES, NO, NA or unsure

    def people(self, criterion: str) -> People | None:
        """The people's answer to a criterion; None: nobody was asked or said anything."""
        said = self.answers.get(criterion, {}).values()
        given: list[People] = [answer for answer in ANSWERS if answer in said]
        if len(given) > 1:
            return "disputed"
        if said and not given:
            return "unsure"
        return given[0] if given else None

    @property
    def all_satisfied(self) -> bool | None:
        """Whether every reader who decided is satisfied; None: nobody decided, or they differ."""
        found = set(self.satisfied.values())
        return found.pop() if len(found) == 1 else None

    def refused(self, criteria: Iterable[str]) -> list[str]:
        """Those of some criteria to which any reader answers NO."""
        return [c for c in criteria if "NO" in self.answers.get(c, {}).values()]


def holding(
    lines: Iterable[Label], contents: Mapping[str, str], rubric: Rubric
) -> tuple[list[Label], list[tuple[Label, str]]]:
    """The labels in force that hold today, and the stale ones with the reason; `contents`: hashes by transcript id."""
    hold, stale = [], []
    for label in in_force(lines):
        why = why_stale(label, contents, rubric)
        stale.append((label, why)) if why else hold.append(label)
    return hold, stale


def heard(labels: Iterable[Label]) -> dict[str, Heard]:
    """What was said of each conversation, by its id; takes labels that hold."""
    found: dict[str, Heard] = defaultdict(Heard)
    for label in labels:
        if label.is_overall:
            found[label.transcript_id].satisfied[label.reviewer] = label.label == "satisfied"
        elif label.criterion and label.label in ANSWERING:
            found[label.transcript_id].answers.setdefault(label.criterion, {})[label.reviewer] = label.label
    return dict(found)


def blind_lines(lines: Iterable[Label]) -> list[Label]:
    """The lines that tell what readers decided before they saw the judges, also where they changed it afterwards.

    Without the changed ones agreement would be too high: who sees that a judge differs may give in. To take a decision
    back and decide anew is to change it: the judges are shown after the first. Who has decided something in sight of
    the judges does not decide it blind any more, wherever that is done.
    """
    lines = list(lines)
    anew = {_of(line) for line in in_force(lines)}
    saw: dict[tuple[str, tuple[str | None, ...]], str] = {}  # when a reader first decided in sight of the judges
    for line in lines:
        if not line.blind and line.label in ANSWERING:
            saw[_of(line)] = min(line.time, saw.get(_of(line), line.time))
    first = [x for x in lines if x.label == "undo" or (x.blind and x.time < saw.get(_of(x), LATER))]
    return [x for x in first if x.label != "undo" or _of(x) not in anew]


def _of(line: Label) -> tuple[str, tuple[str | None, ...]]:
    return line.reviewer, subject(line)


def rejected(lines: Iterable[Label], rubric: Rubric) -> dict[str, str]:
    """Words that are never trained on, by content hash, and why: whoever reads them is not satisfied, or found them
    unsafe. It does not matter under which id the same words stand.
    """
    lines = list(lines)
    unsatisfied = [label for label in in_force(lines) if label.label == "not satisfied"]
    return {x.content_hash: f"{x.reviewer} is not satisfied" for x in reversed(unsatisfied)} | unsafe(lines, rubric)


def unsafe(lines: Iterable[Label], rubric: Rubric) -> dict[str, str]:
    """Words in which a reader found harm, by content hash, and who where. A repair that no reader has seen may keep
    them: fixup mends what judges name.
    """
    gates = {gate.id for gate in rubric.gates}
    return {
        label.content_hash: f"{label.reviewer} says NO to the safety gate {label.criterion}"
        for label in in_force(lines)
        if label.answer == "NO" and label.criterion in gates and not why_criterion_stale(label, rubric)
    }
