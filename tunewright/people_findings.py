"""What labels tell of the judges, all in one: who agrees with people, who is wrong how often, which labels are stale.

The same numbers are given for parts of the labels, because two things bend them. Who sees the judges' answers first is
drawn to them (anchoring): "seen" decisions agree too well, "blind" ones do not. And conversations that were picked
because something is odd ("targeted") show more disagreement than there is; those drawn at random ("drawn") do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunewright.labels import ANSWERS, Label, in_force
from tunewright.people import Heard, People, blind_lines, heard, holding
from tunewright.people_agreement import (
    COMBINED,
    Compared,
    Judged,
    between_readers,
    compare,
    criterion_pairs,
    judged,
    whole_pairs,
)
from tunewright.records import Answer, Score, Transcript, Verdict
from tunewright.review_queue import QueueItem
from tunewright.rounding import as_json
from tunewright.rubric import Rubric
from tunewright.training_set import FIXED

Seen = tuple[Transcript, Score | None, list[Verdict]]


class Listener:
    """Keeps what was said of the labelled conversations while all of them go by; no text."""

    def __init__(self, labels: Sequence[Label], rubric: Rubric) -> None:
        self._labelled = {label.transcript_id for label in labels}
        self._rubric = rubric
        self.contents: dict[str, str] = {}  # content hashes by transcript id, of the labelled ones
        self.talks: dict[str, Judged] = {}

    def through(self, seen: Iterator[Seen]) -> Iterator[Seen]:
        """The same conversations."""
        for transcript, score, verdicts in seen:
            if transcript.id in self._labelled:
                self.contents[transcript.id] = transcript.content_hash
                self.talks[transcript.id] = judged(transcript, score, verdicts, self._rubric)
            yield transcript, score, verdicts


@dataclass(frozen=True)
class View:
    """What a part of the labels says of everybody who answers, over all criteria, and of whole conversations."""

    n_conversations: int
    by_judge: dict[str, Compared]
    conversations: Compared


@dataclass(frozen=True)
class Remark:
    """Words of a reader about a conversation."""

    transcript_id: str
    reviewer: str
    note: str


@dataclass(frozen=True)
class Misjudged:
    """A false pass or a false fail: what the score says, and what people say."""

    transcript_id: str
    criterion: str
    said: Answer
    people: People


@dataclass(frozen=True)
class Findings:
    """Everything that labels tell today. `n_labels`: answers and overall decisions that hold."""

    n_labels: int
    n_readers: int
    n_blind: int
    n_changed: int  # blind decisions whose reader says otherwise after seeing the judges
    n_disputed: int  # questions that readers answer differently, being satisfied included
    stale: dict[str, int]  # by reason
    n_repaired: int  # labels on repaired conversations, which are judged elsewhere
    criteria_missing: tuple[Remark, ...]
    n_notes: int
    views: dict[str, View]
    by_criterion: dict[str, dict[str, Compared]]  # by judge, of all labels
    readers: dict[str, Any]
    readers_blind: dict[str, Any]
    misjudged: tuple[Misjudged, ...]


def findings(
    lines: Sequence[Label], listener: Listener, queue: Sequence[QueueItem], rubric: Rubric, confidence: float
) -> Findings:
    """Hold the labels against what the listener heard."""
    here = [line for line in lines if not line.transcript_id.startswith(FIXED)]
    hold, stale = holding(here, listener.contents, rubric)
    blind, _ = holding(blind_lines(here), listener.contents, rubric)
    said, said_blind = heard(hold), heard(blind)
    seen = heard(label for label in hold if not label.blind)
    drawn = {item.transcript_id for item in queue if item.drawn is not None}
    targeted = {item.transcript_id for item in queue if item.drawn is None}
    parts = {"all": said, "blind": said_blind, "seen": seen, "drawn": _of(said, drawn), "targeted": _of(said, targeted)}
    criteria = [c.id for c in rubric.criteria]
    counted = [label for label in hold if _is_decision(label)]
    return Findings(
        n_labels=len(counted),
        n_readers=len({label.reviewer for label in counted}),
        n_blind=sum(label.blind for label in counted),
        n_changed=_changed(blind, hold),
        n_disputed=sum(_disputed(one) for one in said.values()),
        stale=dict(sorted(Counter(why for label, why in stale if _is_decision(label)).items())),
        n_repaired=sum(label.transcript_id.startswith(FIXED) for label in in_force(lines)),
        criteria_missing=_remarks(lines),
        n_notes=sum(bool(label.note.strip()) and label.label != "criterion missing" for label in in_force(lines)),
        views={name: view(listener.talks, part, confidence) for name, part in parts.items()},
        by_criterion=by_criterion(listener.talks, said, criteria, confidence),
        readers=between_readers(said, criteria),
        readers_blind=between_readers(said_blind, criteria),
        misjudged=tuple(misjudged(listener.talks, said, criteria)),
    )


def view(talks: Mapping[str, Judged], said: Mapping[str, Heard], confidence: float) -> View:
    """One part of the labels against everybody."""
    pairs = criterion_pairs(talks, said)
    whole = {judge: [p for found in by.values() for p in found] for judge, by in pairs.items()}
    return View(
        n_conversations=len(said),
        by_judge={judge: compare(found, confidence) for judge, found in sorted(whole.items())},
        conversations=compare(whole_pairs(talks, said), confidence),
    )


def by_criterion(
    talks: Mapping[str, Judged], said: Mapping[str, Heard], criteria: Sequence[str], confidence: float
) -> dict[str, dict[str, Compared]]:
    """Each criterion that people answered, by who else did; in the rubric's order."""
    pairs = criterion_pairs(talks, said)
    found = {
        criterion: {judge: compare(by[criterion], confidence) for judge, by in sorted(pairs.items()) if criterion in by}
        for criterion in criteria
    }
    return {criterion: by for criterion, by in found.items() if by}


def headline_numbers(found: Findings) -> dict[str, Any]:
    """The few numbers that a person compares between experiments: of the combined answer."""
    everything, blind, drawn = (found.views[name].by_judge.get(COMBINED) for name in ("all", "blind", "drawn"))
    return as_json(
        {
            "n_labels": found.n_labels,
            "n_readers": found.n_readers,
            "n_blind": found.n_blind,
            "n_disputed": found.n_disputed,
            "n_stale": sum(found.stale.values()),
            "n_criteria_missing": len(found.criteria_missing),
            "agreement": _value(everything, "agreement"),
            "agreement_blind": _value(blind, "agreement"),
            "agreement_drawn": _value(drawn, "agreement"),
            "kappa": everything.kappa if everything else None,
            "false_pass_share": _value(everything, "false_pass"),
            "false_fail_share": _value(everything, "false_fail"),
        }
    )


def _value(compared: Compared | None, name: str) -> float | None:
    share = getattr(compared, name, None)
    return share.share if share else None


def _of(said: Mapping[str, Heard], ids: Collection[str]) -> dict[str, Heard]:
    return {transcript_id: one for transcript_id, one in said.items() if transcript_id in ids}


def _is_decision(label: Label) -> bool:
    return label.is_overall or label.answer is not None or label.label == "unsure"


def _changed(blind: Sequence[Label], hold: Sequence[Label]) -> int:
    """Blind decisions that a later one of the same reader, who had seen the judges, replaced by another."""
    later = {(x.transcript_id, x.criterion, x.reviewer): x.label for x in hold if _is_decision(x) and not x.blind}
    own = [((x.transcript_id, x.criterion, x.reviewer), x.label) for x in blind if _is_decision(x)]
    return sum(later.get(key, said) != said for key, said in own)


def _disputed(heard: Heard) -> int:
    overall = len(set(heard.satisfied.values())) > 1
    return overall + sum(heard.people(criterion) == "disputed" for criterion in heard.answers)


def _remarks(lines: Sequence[Label]) -> tuple[Remark, ...]:
    """What readers say that the rubric does not ask for; that holds whatever becomes of the conversation."""
    named = [label for label in in_force(lines) if label.label == "criterion missing"]
    return tuple(Remark(label.transcript_id, label.reviewer, label.note) for label in named)


def misjudged(talks: Mapping[str, Judged], said: Mapping[str, Heard], criteria: Sequence[str]) -> Iterator[Misjudged]:
    """Every answer of the score that is a false pass or a false fail, in the rubric's order."""
    for criterion in criteria:
        for transcript_id, one in said.items():
            talk, people = talks.get(transcript_id), one.people(criterion)
            answer = talk.answers.get(COMBINED, {}).get(criterion) if talk else None
            if answer and people in ANSWERS and (people == "NO") != (answer == "NO"):
                yield Misjudged(transcript_id, criterion, answer, people)
