"""Label Studio's JSON export (not JSON-MIN, which leaves out who and what was asked) as labels.

An annotation that stands on one reviewer's exported labels, known by the ids of its results, hands unchanged ones
back; all else in it is a decision of whoever completed it, at the time of its last change. Answers that were taken out
in the tool take nothing back here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tunewright.errors import RecordError
from tunewright.exchange.controls import ANSWER, MISSING, NOTE, NOTES, OVERALL, OVERALL_NOTE, criterion_of
from tunewright.exchange.label_studio_form import Form, read_form
from tunewright.exchange.label_studio_write import NOTE_ID, OURS, Task
from tunewright.exchange.said import (
    Found,
    Said,
    SaidFault,
    Terms,
    check_asked,
    check_copy,
    new_label,
    same_words,
    shown,
)
from tunewright.json_text import JsonFault, json_value
from tunewright.labels import Label

Statement = tuple[str | None, str, str]  # criterion, label, note


def read_tasks(path: Path, terms: Terms) -> Found:
    """All that an export says. Raises RecordError for what is no such export."""
    found = Found()
    for number, raw in enumerate(_list(path), 1):
        place = f"task {number}"
        try:
            task = _task(raw, terms)
            annotations = raw.get("annotations")
            if not isinstance(annotations, list):
                raise SaidFault(f"annotations: found {shown(annotations)}, expected a list; export as JSON")
        except SaidFault as fault:
            found.faults.append(f"{place}: {fault}")
            continue
        for index, annotation in enumerate(annotations, 1):
            _annotation(f"{place} ({task.transcript_id}), annotation {index}", annotation, task, terms, found)
    if terms.reviewers.other and len(found.unnamed) > 1:
        listed = " ".join(f"--reviewer {who or 'WHO'}=NAME" for who in sorted(found.unnamed))
        found.faults.append(
            f"completed_by: found {len(found.unnamed)} people for a single name; say who is who: {listed}"
        )
    return found


def _list(path: Path) -> list[Any]:
    try:
        value = json_value(path.read_bytes())
    except JsonFault as fault:
        raise RecordError(
            f"{path}: not valid JSON: {fault}, expected a list of tasks; export it again as JSON"
        ) from None
    if not isinstance(value, list):
        raise RecordError(f"{path}: found {shown(value)}, expected a list of tasks; export it again as JSON")
    return value


def _task(raw: Any, terms: Terms) -> Task:
    data = raw.get("data") if isinstance(raw, dict) else None
    own = data.get(OURS) if isinstance(data, dict) else None
    if not isinstance(own, dict):
        raise SaidFault(
            f"data.{OURS}: found {shown(own)}, expected what `tunewright labels export` wrote there; export as JSON, "
            "not as JSON-MIN"
        )
    try:
        task = Task.model_validate_json(json.dumps(own))  # which refuses text that UTF-8 cannot hold
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(p) for p in ("data", OURS, *first["loc"]))
        raise SaidFault(f"{where}: {first['msg']}; found {shown(first.get('input'))}") from None
    check_asked(task, terms)
    for label in task.labels:
        check_copy(task, label)
    return task


def _annotation(place: str, raw: Any, task: Task, terms: Terms, found: Found) -> None:
    """What one annotation says, and its faults."""
    if isinstance(raw, dict) and raw.get("was_cancelled"):
        found.told["annotations that were skipped, left out"] += 1
        return
    try:
        form = read_form(raw, terms, found)
        _refuse_unasked(form, task)
    except SaidFault as fault:
        found.faults.append(f"{place}: {fault}")
        return
    own = _exported(task, form)
    for criterion, label, note in [*_statements(form, own)]:
        handed_back = (x for x in own if (x.criterion, x.label) == (criterion, label) and same_words(x.note, note))
        try:
            if known := next(handed_back, None):
                own.remove(known)
            else:
                known = _decided(form, task, terms, found, (criterion, label, note))
            found.said.append(Said(place, known))
        except SaidFault as fault:
            found.faults.append(f"{place}, {criterion or 'the whole'}: {fault}")


def _refuse_unasked(form: Form, task: Task) -> None:
    for control in form.values:
        criterion = criterion_of(control)
        if criterion is not None and criterion not in task.question_hashes:
            raise SaidFault(f"found the criterion {shown(criterion)}, expected one that the export asked")


def _exported(task: Task, form: Form) -> list[Label]:
    """The exported labels that an annotation began with: those of the one reviewer whose ids it holds."""
    known = {id.removesuffix(NOTE_ID) for id in form.ids}
    reviewers = {label.reviewer for label in task.labels if label.id in known}
    return [label for label in task.labels if label.reviewer in reviewers] if len(reviewers) == 1 else []


def _statements(form: Form, own: Sequence[Label]) -> Iterator[Statement]:
    """Everything that a form says."""
    values = form.values
    for criterion in dict.fromkeys(c for control in values if (c := criterion_of(control)) is not None):
        remarks = [x.note for x in own if x.criterion == criterion and x.label == "note"]
        yield from _answered(criterion, values.get(ANSWER + criterion), values.get(NOTE + criterion, []), remarks)
    yield from _answered(None, values.get(OVERALL), values.get(OVERALL_NOTE, []), [])
    yield from ((None, "note", text) for text in values.get(NOTES, []) if text.strip())
    yield from ((None, "criterion missing", text) for text in values.get(MISSING, []) if text.strip())


def _answered(
    criterion: str | None, chosen: list[str] | None, texts: Sequence[str], remarks: Sequence[str]
) -> Iterator[Statement]:
    """An answer with its note; texts that were remarks stay remarks, and without an answer all are."""
    rest = [*texts]
    for remark in remarks:
        same = next((text for text in rest if same_words(text, remark)), None)
        if same is not None:
            rest.remove(same)
            yield criterion, "note", same
    if chosen:
        yield criterion, chosen[0], "\n".join(rest)
    else:
        yield from ((criterion, "note", text) for text in rest if text.strip())


def _decided(form: Form, task: Task, terms: Terms, found: Found, says: Statement) -> Label:
    """A decision that was made in the tool, by whoever completed the annotation. Raises SaidFault."""
    who = form.who or ""
    name = terms.reviewers.named(who) or (who if "@" in who else None)
    if name is None:
        raise SaidFault(f"completed_by: found {shown(form.who)}, which is no name; say who it is: --reviewer NAME")
    if who not in terms.reviewers.names:
        found.unnamed.add(who)
    criterion, label, note = says
    hashed = task.question_hashes.get(criterion) if criterion else None
    return new_label(task, (criterion, hashed), (label, note), (name, form.time), task.blind)
