"""What people decided: reviews/<domain>/labels.jsonl, append-only, and the transcripts that the labels are about.

The transcripts are kept beside the labels, in git, so that a label never loses its text when conversations are
generated again. A later line of the same reviewer on the same transcript and criterion replaces the earlier one.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tunewright.calibration import Labelled
from tunewright.records import Answer, Record, Transcript, read_jsonl
from tunewright.rubric import Rubric


class Label(Record):
    """One decision of one person. `answer` None takes an earlier one back."""

    transcript_id: str
    content_hash: str
    criterion: str
    answer: Answer | None
    note: str = ""
    reviewer: str
    time: str
    criterion_hash: str  # Rubric.question_hash when it was answered


def labelled_by_people(folder: str, rubric: Rubric) -> tuple[list[Labelled], dict[str, int]]:
    """Labels that hold for today's text and criterion, and how many do not: stale, without text, or disputed.

    Two reviewers who disagree make a label disputed; it is left out.
    """
    texts = {t.content_hash: t for t in read_jsonl(Path(folder) / "transcripts.jsonl", Transcript)}
    criteria = {c.id: c for c in rubric.criteria}
    latest: dict[tuple[str, str, str], Label] = {}
    for label in read_jsonl(Path(folder) / "labels.jsonl", Label):
        latest[label.content_hash, label.criterion, label.reviewer] = label
    dropped = {"stale": 0, "without_text": 0, "disputed": 0}
    opinions: dict[tuple[str, str], list[Label]] = defaultdict(list)
    for label in latest.values():
        criterion = criteria.get(label.criterion)
        if label.answer is None:
            continue
        if criterion is None or rubric.question_hash(criterion) != label.criterion_hash:
            dropped["stale"] += 1
        elif label.content_hash not in texts:
            dropped["without_text"] += 1
        else:
            opinions[label.content_hash, label.criterion].append(label)
    found = []
    for (content, criterion_id), labels in opinions.items():
        answers: set[Answer] = {label.answer for label in labels if label.answer}
        if len(answers) > 1:
            dropped["disputed"] += 1
            continue
        answer = answers.pop()
        talk = texts[content]
        name = f"{criterion_id} person {talk.id} {content[:8]}"  # a transcript that is made anew keeps its id
        source = talk.source_id or talk.id
        found.append(Labelled(criterion_id, answer, talk.exchanges, labels[-1].note, False, source, name))
    return found, dropped
