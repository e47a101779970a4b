"""What people decided about conversations: reviews/<domain>/labels.jsonl, append-only, one line a decision.

The transcripts are kept beside the labels, in git, so that a label never loses its text when conversations are
generated again. A label holds while its transcript's words and its criterion are unchanged; then it is stale: shown,
counted nowhere, never deleted. Of one person's decisions on the same thing the latest by (time, id) holds, wherever it
stands in the file, so that git may merge two people's files line by line. Undoing is a line of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import model_validator

from tunewright.append_only import read_appended
from tunewright.calibration import Labelled
from tunewright.decisions import Decision, held
from tunewright.records import Answer, Transcript
from tunewright.rubric import Rubric

LABELS, TEXTS = "labels.jsonl", "transcripts.jsonl"
ANSWERS: tuple[Answer, ...] = ("YES", "NO", "NA")
Said = Literal["YES", "NO", "NA", "unsure", "satisfied", "not satisfied", "criterion missing", "note", "undo"]
Which = Literal["blind", "all"]  # of the labels: those decided before the judges' answers were shown, or all
REMARKS = ("criterion missing", "note")  # these add up; of all others the latest holds


class Label(Decision):
    """One line: an answer to a criterion, an overall decision, a remark, or the undoing of an earlier line."""

    transcript_id: str
    content_hash: str  # Transcript.content_hash of what was read
    criterion: str | None  # None: the conversation as a whole
    label: Said
    blind: bool  # decided before the judges' answers were shown
    question_hash: str | None  # Rubric.question_hash of the criterion as it was read

    @property
    def answer(self) -> Answer | None:
        """The answer to the criterion; None for everything else, "unsure" too."""
        return next((a for a in ANSWERS if a == self.label), None) if self.criterion else None

    @property
    def is_overall(self) -> bool:
        """Whether it says that the conversation as a whole is good enough, or not."""
        return self.label in ("satisfied", "not satisfied")

    @model_validator(mode="after")
    def _consistent(self) -> Label:
        if (self.label == "undo") != bool(self.undoes):
            raise ValueError("`undoes` belongs to the label undo, and only to it")
        if self.label in (*ANSWERS, "unsure") and not (self.criterion and self.question_hash):
            raise ValueError(f"{self.label} answers a criterion: give `criterion` and `question_hash`")
        if (self.is_overall or self.label == "criterion missing") and self.criterion:
            raise ValueError(f"{self.label!r} is about the whole conversation: leave `criterion` null")
        if self.label in REMARKS and not self.note.strip():
            raise ValueError(f"{self.label!r} needs a note")
        return self


def read_labels(folder: str | Path) -> list[Label]:
    """Every line of a domain's labels, as they stand; raises RecordError."""
    return read_appended(Path(folder) / LABELS, Label)


def read_texts(folder: str | Path) -> dict[str, Transcript]:
    """The transcripts that the labels are about, by content hash; raises RecordError."""
    return {t.content_hash: t for t in read_appended(Path(folder) / TEXTS, Transcript)}


def in_force(labels: Iterable[Label]) -> list[Label]:
    """The labels that nobody took back or replaced, in the order of their times; stale ones too."""
    return held(labels, subject)


def subject(label: Label) -> tuple[str | None, ...]:
    """What a label is about: of one person's labels on it the latest holds. Each remark is about itself."""
    own = label.id if label.label in REMARKS else None
    return label.transcript_id, label.content_hash, label.criterion, label.question_hash, own


def why_stale(label: Label, contents: Mapping[str, str], rubric: Rubric) -> str | None:
    """Why a label no longer counts, given today's content hashes by transcript id; None: it holds."""
    return why_text_stale(label, contents) or why_criterion_stale(label, rubric)


def why_text_stale(label: Label, contents: Mapping[str, str]) -> str | None:
    """Why a label's conversation is another now; None: it is the same."""
    if contents.get(label.transcript_id) == label.content_hash:
        return None
    return "its conversation has changed" if label.transcript_id in contents else "its conversation is gone"


def why_criterion_stale(label: Label, rubric: Rubric) -> str | None:
    """Why a label's criterion is another now; None: it is the same, or the label is about the whole conversation."""
    if label.criterion is None or label.question_hash is None:
        return None
    criterion = next((c for c in rubric.criteria if c.id == label.criterion), None)
    if criterion is None:
        return "its criterion is gone"
    return None if rubric.question_hash(criterion) == label.question_hash else "its criterion has changed"


class FromPeople(NamedTuple):
    """People's answers, as calibration takes them: one for each question that they agree on."""

    labelled: list[Labelled]
    n_blind: int  # of those on judged criteria, decided by somebody before the judges' answers were shown
    dropped: dict[str, int]  # labels left out, by reason


def labelled_by_people(folder: str, rubric: Rubric, which: Which) -> FromPeople:
    """Labels that hold for today's criterion, as calibration takes them, and how many do not, by reason.

    Stale, without text, made in sight of the judges (where `which` is "blind"), or disputed: two reviewers who disagree
    make a label disputed; it is left out. The text need not be one of today: a right answer to an earlier
    one is as good a test of a judge.
    """
    texts = read_texts(folder)
    dropped = {"stale": 0, "without_text": 0, "in_sight_of_judges": 0, "disputed": 0}
    judged = {c.id for c in rubric.criteria if c.evaluator == "judge"}
    n_blind, sources = 0, {talk.id: talk.source_id for talk in texts.values()}
    opinions: dict[tuple[str, str], list[Label]] = defaultdict(list)
    for label in in_force(read_labels(folder)):
        if label.criterion is None or label.answer is None:
            continue
        if why_criterion_stale(label, rubric):
            dropped["stale"] += 1
        elif label.content_hash not in texts:
            dropped["without_text"] += 1
        elif which == "blind" and not label.blind:
            dropped["in_sight_of_judges"] += 1
        else:
            opinions[label.content_hash, label.criterion].append(label)
    found = []
    for (content, criterion), labels in opinions.items():
        if answer := _agreed(labels):
            found.append(_labelled(criterion, answer, texts[content], labels[-1].note, sources))
            n_blind += criterion in judged and any(label.blind for label in labels)
        else:
            dropped["disputed"] += 1
    return FromPeople(found, n_blind, dropped)


def _agreed(labels: Sequence[Label]) -> Answer | None:
    answers = {label.answer for label in labels}
    return labels[0].answer if len(answers) == 1 else None


def _labelled(
    criterion: str, answer: Answer, talk: Transcript, note: str, sources: Mapping[str, str | None]
) -> Labelled:
    name = f"{criterion} person {talk.id} {talk.content_hash[:8]}"  # a transcript that is made anew keeps its id
    return Labelled(criterion, answer, talk.exchanges, note, False, _origin(talk, sources), name)


def _origin(talk: Transcript, sources: Mapping[str, str | None]) -> str:
    """The conversation that this one was repaired or replayed from, step by step as far as it is known; else itself."""
    path = [talk.id]
    source = talk.source_id
    while source and source not in path:
        path.append(source)
        source = sources.get(source)
    return path[-1]
