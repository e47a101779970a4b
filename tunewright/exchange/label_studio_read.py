"""Label Studio's JSON export (not JSON-MIN, which leaves out who and what was asked) as labels.

An annotation that stands on one reviewer's exported labels, known by the ids of its results, hands unchanged ones
back; all else in it is a decision of whoever completed it, at the time of its last change. Answers that were taken out
in the tool take nothing back here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tunewright.errors import RecordError
from tunewright.exchange.controls import (
    ANSWER,
    MISSING,
    NOTE,
    NOTES,
    OVERALL,
    OVERALL_NOTE,
    choices_of,
    criterion_of,
    is_ours,
)
from tunewright.exchange.label_studio_write import NOTE_ID, OURS, Task
from tunewright.exchange.said import Found, Reviewers, Said, SaidFault, check_copy, new_label, same_words, utc
from tunewright.labels import Label


@dataclass
class Form:
    """One annotation: what each control says, the ids of its results, and who filled it in."""

    values: dict[str, list[str]]
    ids: set[str]
    who: str | None
    time: str


def read_tasks(path: Path, domain: str, reviewers: Reviewers, saved: str) -> Found:
    """All that an export says. `saved`: the time of annotations that have none. Raises RecordError."""
    found = Found()
    people: set[str] = set()
    for number, raw in enumerate(_list(path), 1):
        place = f"task {number}"
        try:
            task = _task(raw, domain)
        except SaidFault as fault:
            found.faults.append(f"{place}: {fault}")
            continue
        place += f" ({task.transcript_id})"
        annotations = raw.get("annotations")
        if not isinstance(annotations, list):
            found.faults.append(f"{place}: annotations: found {shown(annotations)}, expected a list; export as JSON")
            continue
        for index, annotation in enumerate(annotations, 1):
            _annotation(f"{place}, annotation {index}", annotation, task, reviewers, saved, found, people)
    _refuse_one_name_for_several(people, reviewers, found)
    return found


def _list(path: Path) -> list[Any]:
    try:
        value = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON
        raise RecordError(f"{path}: not valid JSON ({error}); export it again as JSON") from None
    if not isinstance(value, list):
        raise RecordError(f"{path}: found {shown(value)}, expected the list of tasks that Label Studio exports as JSON")
    return value


def _task(raw: Any, domain: str) -> Task:
    data = raw.get("data") if isinstance(raw, dict) else None
    own = data.get(OURS) if isinstance(data, dict) else None
    if not isinstance(own, dict):
        raise SaidFault(
            f"data.{OURS}: found {shown(own)}, expected what `tunewright labels export` wrote there; export as JSON, "
            "not as JSON-MIN"
        )
    try:
        task = Task.model_validate(own)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(p) for p in first["loc"])
        raise SaidFault(f"data.{OURS}.{where}: {first['msg']}; found {shown(first.get('input'))}") from None
    if (task.version, task.domain) != (1, domain):
        raise SaidFault(f"found the domain {task.domain!r} (version {task.version}), expected {domain!r} (version 1)")
    for label in task.labels:
        check_copy(task, label)
    return task


def _annotation(
    place: str, raw: Any, task: Task, reviewers: Reviewers, saved: str, found: Found, people: set[str]
) -> None:
    if isinstance(raw, dict) and raw.get("was_cancelled"):
        found.told["annotations that were skipped"] += 1
        return
    try:
        form = _form(raw, saved, found)
    except SaidFault as fault:
        found.faults.append(f"{place}: {fault}")
        return
    own = _exported(task, form.ids)
    for criterion, label, note in [*_statements(form.values, own, found, place, task)]:
        handed_back = (x for x in own if (x.criterion, x.label) == (criterion, label) and same_words(x.note, note))
        try:
            if known := next(handed_back, None):
                own.remove(known)
            else:
                known = _decided(form, task, reviewers, people, criterion, label, note)
            found.said.append(Said(place, known))
        except SaidFault as fault:
            found.faults.append(f"{place}, {criterion or 'the whole'}: {fault}")


def _form(raw: Any, saved: str, found: Found) -> Form:
    """One annotation's values; raises SaidFault for what is no annotation."""
    results = raw.get("result") if isinstance(raw, dict) else None
    if not isinstance(results, list):
        raise SaidFault(f"result: found {shown(results)}, expected a list")
    values: dict[str, list[str]] = {}
    ids = set()
    for result in results:
        control = result.get("from_name") if isinstance(result, dict) else None
        if not isinstance(control, str) or not is_ours(control):
            found.told[f"results of the control {shown(control)}, which no export wrote"] += 1
            continue
        values.setdefault(control, []).extend(_value(control, result))
        ids.add(str(result.get("id")))
        if result.get("origin") == "prediction":
            found.told["answers that a judge gave and a person handed in as they were (they count)"] += 1
    time = raw.get("updated_at") or raw.get("created_at")
    return Form(values, ids, _who(raw.get("completed_by")), utc(time) if time else saved)


def _value(control: str, result: Mapping[str, Any]) -> list[str]:
    """The choice or the texts of a result; raises SaidFault."""
    choices = choices_of(control)
    key = "text" if choices is None else "choices"
    value = result.get("value")
    items = value.get(key) if isinstance(value, dict) else None
    items = [items] if isinstance(items, str) else items
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise SaidFault(f"{control}: found {shown(value)}, expected a list of text under {key!r}")
    if choices is not None and (len(items) != 1 or items[0] not in choices):
        raise SaidFault(f"{control}: found {shown(items)}, expected one of {', '.join(choices)}")
    return items


def _who(completed_by: Any) -> str | None:
    """What an annotation calls who made it: an e-mail address, or a number as text."""
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return None if completed_by is None or completed_by == "" else str(completed_by)


def _exported(task: Task, ids: Iterable[str]) -> list[Label]:
    """The exported labels that an annotation began with: those of the one reviewer whose ids it holds."""
    known = {id.removesuffix(NOTE_ID) for id in ids}
    reviewers = {label.reviewer for label in task.labels if label.id in known}
    return [label for label in task.labels if label.reviewer in reviewers] if len(reviewers) == 1 else []


def _statements(
    values: Mapping[str, list[str]], own: Sequence[Label], found: Found, place: str, task: Task
) -> Iterable[tuple[str | None, str, str]]:
    """Criterion, label and note of everything that a form says."""
    asked = dict.fromkeys(c for control in values if (c := criterion_of(control)) is not None)
    for criterion in asked:
        if criterion not in task.question_hashes:
            found.faults.append(f"{place}: found the criterion {criterion!r}, which the export did not ask")
            continue
        remarks = [x.note for x in own if x.criterion == criterion and x.label == "note"]
        yield from _answered(criterion, values.get(ANSWER + criterion), values.get(NOTE + criterion, []), remarks)
    yield from _answered(None, values.get(OVERALL), values.get(OVERALL_NOTE, []), [])
    yield from ((None, "note", text) for text in values.get(NOTES, []) if text.strip())
    yield from ((None, "criterion missing", text) for text in values.get(MISSING, []) if text.strip())


def _answered(
    criterion: str | None, chosen: list[str] | None, texts: Sequence[str], remarks: Sequence[str]
) -> Iterable[tuple[str | None, str, str]]:
    """An answer with its note; texts that were remarks stay remarks, and without an answer all are."""
    rest = [*texts]
    for remark in remarks:
        same = next((text for text in rest if same_words(text, remark)), None)
        if same is not None:
            rest.remove(same)
            yield criterion, "note", same
    if chosen:
        yield criterion, chosen[-1], "\n".join(rest)
    else:
        yield from ((criterion, "note", text) for text in rest if text.strip())


def _decided(
    form: Form, task: Task, reviewers: Reviewers, people: set[str], criterion: str | None, label: str, note: str
) -> Label:
    who = form.who or ""
    name = reviewers.named(who) or (who if "@" in who else None)
    if name is None:
        raise SaidFault(f"completed_by: found {shown(form.who)}, which is no name; say who it is: --reviewer NAME")
    if who not in reviewers.names:
        people.add(who)
    hashed = task.question_hashes.get(criterion) if criterion else None
    return new_label(task, criterion, hashed, label, note, name, form.time, task.blind)


def _refuse_one_name_for_several(people: set[str], reviewers: Reviewers, found: Found) -> None:
    if reviewers.other and len(people) > 1:
        listed = " ".join(f"--reviewer {who or 'WHO'}=NAME" for who in sorted(people))
        found.faults.append(f"completed_by: found {len(people)} people, expected one for a single name: give {listed}")


def shown(value: Any) -> str:
    """A value as a message shows it."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
