"""Labels that other tools saved, handed to `tunewright labels import`: Label Studio's JSON and tables."""

# ruff: noqa: E501 (a case is a line)

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import rubric_fields
from tests.corpus.harness import MB, Case
from tests.corpus.ways import command, file_way, small_project
from tests.exchange.pieces import material
from tunewright.errors import MissingInputError, RecordError
from tunewright.exchange.cells import table_text
from tunewright.exchange.label_studio_write import tasks
from tunewright.exchange.table_write import header, rows
from tunewright.rubric import Rubric

RUBRIC = Rubric.model_validate(rubric_fields())
MATERIAL = material(RUBRIC)
HEAD, ROWS = header(MATERIAL), [*rows(MATERIAL)]
AT = {name: number for number, name in enumerate(HEAD)}
ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e"


def take_in(file: str) -> Callable[[], Any]:
    def go() -> int:
        command("labels", "import", file, "--yes")
        kept = Path("reviews/labels.jsonl")  # not there where nothing was to be taken
        return kept.read_bytes().count(b"\n") if kept.exists() else 0

    return go


STUDIO = file_way("review.json", take_in("review.json"), small_project)
TABLE = file_way("review.csv", take_in("review.csv"), small_project)


def export(**changes: Any) -> bytes:
    """Label Studio's export of one task with one annotation, its fields changed."""
    task = tasks(MATERIAL)[0]
    answer = {"id": "a", "from_name": "answer_warm", "type": "choices", "value": {"choices": ["YES"]}}
    annotation = {
        "id": 7,
        "result": [answer],
        "completed_by": {"email": "ann@example.com"},
        "updated_at": "2026-01-01T00:00:00Z",
    }
    task["annotations"] = [annotation | {k: v for k, v in changes.items() if k in annotation}]
    if "own" in changes:
        task["data"]["tunewright"] = task["data"]["tunewright"] | changes["own"]
    return json.dumps([task]).encode()


def choice(said: Any, control: str = "answer_warm") -> list[dict[str, Any]]:
    return [{"id": "a", "from_name": control, "type": "choices", "value": {"choices": said}}]


def sheet(**cells: str) -> bytes:
    """A table whose first row has these cells."""
    first = [*ROWS[0]]
    for name, cell in cells.items():
        first[AT[name]] = cell
    return table_text(HEAD, [first]).encode()


def bad(name: str, data: bytes | Callable[[], bytes], *says: str) -> Case:
    return Case(f"labels, Label Studio: {name}", STUDIO, data, RecordError, says)


def bad_table(name: str, data: bytes | Callable[[], bytes], *says: str) -> Case:
    return Case(f"labels, table: {name}", TABLE, data, RecordError, says)


FILLED = {"label": "YES", "reviewer": "ann"}
CASES = [
    bad("an empty file", b"", "not valid JSON"),
    bad("cut off", export()[:-30], "not valid JSON"),
    bad("one object", b'{"a": 1}', "list of tasks"),
    bad("nested 200,000 deep", b"[" * 200_000, "not valid JSON"),
    bad("a number of 5,000 digits", b"[" + b"9" * 5000 + b"]", "not valid JSON"),
    bad("JSON-MIN", b'[{"conversation": [], "answer_warm": "YES"}]', "task 1", "not as JSON-MIN"),
    bad("a task that is a word", b'["task"]', "task 1"),
    bad("no UTF-8", b'["\xff"]', "not valid JSON"),
    bad("an answer that is none", export(result=choice(["MAYBE"])), "'MAYBE'"),
    bad("two answers", export(result=choice(["YES", "NO"])), "expected one of"),
    bad("an answer that is a number", export(result=choice([5])), "list of text"),
    bad("a result that is a list", export(result=choice(["YES"], "answer_nobody")), "'nobody'"),
    bad("a time that is none", export(updated_at="yesterday"), "'yesterday'"),
    bad("a time in the year 10,000", export(updated_at="99999-01-01T00:00:00Z"), "ISO 8601"),
    bad("nobody's name", export(completed_by=None), "--reviewer"),
    bad("a name of escape codes", export(completed_by=f"{ESCAPES}@x"), "visible characters"),
    bad("a name of 1 MB", lambda: export(completed_by="x" * MB + "@x"), "visible characters"),
    bad(
        "an unpaired surrogate in a note",
        export(
            result=[
                *choice(["YES"]),
                {"id": "n", "from_name": "note_warm", "type": "textarea", "value": {"text": ["\ud800"]}},
            ]
        ),
        "UTF-8",
    ),
    bad("another domain's", export(own={"domain": "cats"}), "'cats'"),
    bad("another version's", export(own={"version": 99}), "version 99"),
    bad("a content hash that is a list", export(own={"content_hash": []}), "content_hash"),
    Case(
        "labels, Label Studio: a control that no export wrote",
        STUDIO,
        export(result=[*choice(["YES"]), *choice(["x"], ESCAPES)]),
        gives=lambda n: n == 1,
    ),
    Case(
        "labels, Label Studio: a note of template commands and escape codes",
        STUDIO,
        export(
            result=[
                *choice(["YES"]),
                {"id": "n", "from_name": "note_warm", "type": "textarea", "value": {"text": ["{{ 7 * 7 }}" + ESCAPES]}},
            ]
        ),
        gives=lambda n: n == 1 and "{{ 7 * 7 }}" in Path("reviews/labels.jsonl").read_text(),
    ),
    bad_table("an empty file", b"", "header"),
    bad_table("other columns", b"a,b\n1,2\n", "header with"),
    bad_table("a column twice", b"label,note,reviewer,key,key\n", "each once"),
    bad_table("an open quote", sheet(**FILLED)[:-6] + b'"\n"x', "quotes"),
    bad_table("Latin-1", sheet(**FILLED).replace(b"ann", b"Ren\xe9"), "the byte 0x", "UTF-8"),
    bad_table("a header of 2 MB", lambda: b"x" * (2 * MB) + b"\n1\n", "header with"),
    bad_table("an answer that is none", sheet(label="MAYBE", reviewer="ann"), "row 2", "'MAYBE'"),
    bad_table("nobody's name", sheet(label="YES"), "--reviewer NAME"),
    bad_table("a name of escape codes", sheet(label="YES", reviewer=f"a{ESCAPES}"), "visible characters"),
    bad_table("a key that somebody typed", sheet(key="t1 warm", **FILLED), "key: found 't1 warm'"),
    bad_table("a key of another conversation", sheet(transcript_id="t9", **FILLED), "sorted or pasted"),
    bad_table("a key nested 200,000 deep", sheet(key="[" * 200_000, **FILLED), "key: found"),
    bad_table("a cell too few", sheet(**FILLED).replace(b"ann,", b"", 1), "cells, expected"),
    Case(
        "labels, table: a note that a spreadsheet would compute",
        TABLE,
        sheet(note="=HYPERLINK(1)", **FILLED),
        gives=lambda n: n == 1,
    ),
    Case(
        "labels, table: UTF-16, as Excel's Unicode text",
        TABLE,
        sheet(**FILLED).decode("utf-8-sig").encode("utf-16"),
        gives=lambda n: n == 1,
    ),
    Case(
        "labels, table: a folder",
        file_way("review.csv/x", take_in("review.csv"), small_project, "review.csv"),
        b"",
        MissingInputError,
        ("directory",),
    ),
]
