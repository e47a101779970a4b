"""A filled-in table as labels.

A row whose label, note and reviewer are as they were exported hands that label back; one that was filled in or changed
is a new decision, made when the file was saved: spreadsheets keep no times. Emptied cells take nothing back.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from tunewright.exchange.cells import read_table
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
from tunewright.exchange.table_write import ASKED, Key
from tunewright.labels import Label

CRITERION = {
    "yes": "YES", "true": "YES", "no": "NO", "false": "NO", "na": "NA", "n/a": "NA", "unsure": "unsure", "?": "unsure",
    "note": "note",
}  # fmt: skip
OVERALL = {
    "satisfied": "satisfied", "yes": "satisfied", "true": "satisfied", "not satisfied": "not satisfied",
    "no": "not satisfied", "false": "not satisfied", "note": "note",
}  # fmt: skip
UNDERSTOOD = {"criterion": CRITERION, "overall": OVERALL, "missing": {"criterion missing": "criterion missing"}}
REMARK = {"criterion": "note", "overall": "note", "missing": "criterion missing"}  # of a row with a note alone


def read_sheet(path: Path, terms: Terms) -> Found:
    """All that a table says. Raises RecordError for what is no such table."""
    found = Found()
    for number, row in read_table(path, (*ASKED, "key")):
        try:
            if label := _said(row, terms, found):
                found.said.append(Said(f"row {number} ({label.transcript_id})", label))
        except SaidFault as fault:
            where = "".join(f", {row[name].strip()}" for name in ("transcript_id", "criterion") if row.get(name))
            found.faults.append(f"row {number}{where}: {fault}")
    return found


def _said(row: dict[str, str], terms: Terms, found: Found) -> Label | None:
    """What a row says; None for an empty one. Raises SaidFault."""
    if wrong := row.get(""):
        raise SaidFault(wrong)
    if not (row["key"].strip() or row["label"].strip() or row["note"].strip()):
        return None
    key = _key(row, terms)
    label = _label(row["label"], key, row["note"])
    old = key.label
    if not label:
        found.told["rows that had a label were emptied (that takes nothing back)"] += bool(old)
        return None
    who = row["reviewer"].strip()
    if old and (old.label, old.reviewer.strip()) == (label, who) and same_words(old.note, row["note"]):
        return old
    name = terms.reviewers.names.get(who, who) if who else terms.reviewers.other
    if not name:
        raise SaidFault("reviewer: found nothing, expected a name; fill it in, or give: --reviewer NAME")
    return new_label(key, (key.criterion, key.question_hash), (label, row["note"]), (name, terms.saved), key.blind)


def _key(row: dict[str, str], terms: Terms) -> Key:
    try:
        key = Key.model_validate_json(row["key"])
    except ValidationError:
        raise SaidFault(
            f"key: found {shown(row['key'])}, expected what `tunewright labels export` wrote there; to add a row, "
            "copy a whole one"
        ) from None
    check_asked(key, terms)
    for name, value in {"transcript_id": key.transcript_id, "criterion": key.criterion or ""}.items():
        if name in row and row[name].strip() != value.strip():
            raise SaidFault(
                f"{name}: found {shown(row[name])}, but the key of this row is that of {value!r}: were only some of "
                "the columns sorted or pasted?"
            )
    if key.label:
        check_copy(key, key.label)
        if key.label.criterion != key.criterion:
            raise SaidFault(f"key: found a label on {key.label.criterion}, expected one on {key.criterion}")
    return key


def _label(cell: str, key: Key, note: str) -> str | None:
    """What a label cell means, however a spreadsheet or a person wrote it; raises SaidFault for what is none."""
    words = " ".join(cell.split()).casefold()
    if not words:
        return REMARK[key.asks] if note.strip() else None
    understood = UNDERSTOOD[key.asks]
    if words not in understood:
        expected = ", ".join(dict.fromkeys(understood.values()))
        raise SaidFault(f"label: found {shown(cell)}, expected one of {expected}, or nothing")
    return understood[words]
