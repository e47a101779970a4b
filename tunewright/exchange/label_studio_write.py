"""The queue as tasks of Label Studio: https://labelstud.io/guide/task_format.

The judges' answers are predictions, one for each judge; existing labels are annotations, one for each reviewer. They
have no `completed_by`: Label Studio refuses a whole file that names somebody whom it does not know, and drops the
times of annotations. So whose labels they are, and when they were decided, stands in the task's data, which it hands
back as it was.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tunewright.exchange.controls import ANSWER, MISSING, NOTE, NOTES, OVERALL, OVERALL_NOTE
from tunewright.exchange.label_studio_config import CONVERSATION, JUDGES, SPEAKER, TEXT
from tunewright.exchange.material import Material, Piece
from tunewright.exchange.said import Asked
from tunewright.exchange.verdict_text import combined_text, judge_names, judges_text
from tunewright.labels import Label
from tunewright.rubric import Rubric

OURS = "tunewright"  # the field of a task's data that an import reads
NOTE_ID = "-note"  # ends the id of a result that holds a label's note
COMBINED = "combined"  # the prediction of what the judges' answers add up to


class Task(Asked):
    """What a task's data says for the way back."""

    question_hashes: dict[str, str]  # of each criterion as it was exported
    blind: bool
    labels: tuple[Label, ...]  # that stand as annotations


def tasks(material: Material) -> list[dict[str, Any]]:
    """One task for each conversation."""
    return [_task(material, piece) for piece in material.pieces]


def _task(material: Material, piece: Piece) -> dict[str, Any]:
    talk = piece.transcript
    task = Task(
        version=1, domain=material.domain, transcript_id=talk.id, content_hash=talk.content_hash,
        rubric_version=material.rubric_version, question_hashes={**material.question_hashes},
        blind=material.blind, labels=piece.labels,
    )  # fmt: skip
    data: dict[str, Any] = {
        "transcript_id": talk.id, "persona_id": talk.persona_id, "reasons": material.reasons(piece),
        CONVERSATION: _spoken(piece),
    }  # fmt: skip
    if not material.blind:
        data |= {JUDGES + c.id: judges_text(piece, c.id) for c in material.questions}
    data[OURS] = task.model_dump(mode="json")
    annotations = [_annotation(own) for own in _by_reviewer(piece).values()]
    return {"data": data, "annotations": annotations, "predictions": _predictions(material.rubric, piece)}


def _spoken(piece: Piece) -> list[dict[str, str]]:
    return [
        {SPEAKER: f"{number} {who}", TEXT: said}
        for number, exchange in enumerate(piece.transcript.exchanges, 1)
        for who, said in (("user", exchange.user), ("assistant", exchange.assistant))
    ]


def _by_reviewer(piece: Piece) -> dict[str, list[Label]]:
    found: dict[str, list[Label]] = defaultdict(list)
    for label in piece.labels:
        found[label.reviewer].append(label)
    return found


def _annotation(labels: list[Label]) -> dict[str, Any]:
    """One reviewer's labels. Label Studio keeps `result` alone of this; the times are for other readers."""
    results = [_chosen(label) for label in labels if label.answer or label.label == "unsure" or label.is_overall]
    texts: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        if label.note:
            texts[_note_control(label)].append(label)
    results += [
        _result(c, "textarea", {"text": [x.note for x in own]}, own[0].id + NOTE_ID) for c, own in texts.items()
    ]
    first, last = min(x.time for x in labels), max(x.time for x in labels)
    about = {"created_at": first, "updated_at": last, "reviewer": labels[0].reviewer}
    return {"result": results, "was_cancelled": False, "ground_truth": False, **about}


def _chosen(label: Label) -> dict[str, Any]:
    control = ANSWER + label.criterion if label.criterion else OVERALL
    return _result(control, "choices", {"choices": [label.label]}, label.id)


def _note_control(label: Label) -> str:
    if label.criterion:
        return NOTE + label.criterion
    return {"criterion missing": MISSING, "note": NOTES}.get(label.label, OVERALL_NOTE)


def _result(control: str, kind: str, value: dict[str, Any], id: str) -> dict[str, Any]:
    return {"id": id, "from_name": control, "to_name": CONVERSATION, "type": kind, "value": value}


def _predictions(rubric: Rubric, piece: Piece) -> list[dict[str, Any]]:
    """The combined answers last: Label Studio takes the last for the one to show."""
    said = {name: {v.criterion: v.answer for v in piece.verdicts if v.judge == name} for name in judge_names(piece)}
    said[COMBINED] = {c.id: combined_text(piece, c.id) or None for c in rubric.criteria}
    found = []
    for name, answers in said.items():
        given = [(c, a) for c, a in answers.items() if a]
        results = [_result(ANSWER + c, "choices", {"choices": [a]}, f"{name}-{c}") for c, a in given]
        if results:
            found.append({"model_version": name, "result": results})
    return found
