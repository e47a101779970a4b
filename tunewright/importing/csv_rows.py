"""Conversations in a table with speaker columns: CSV or TSV, a row a message (long) or a row an exchange (wide).

A conversation with one bad row is bad as a whole: without that message it would be another conversation.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunewright.errors import ConfigError, RecordError
from tunewright.importing.rows import (
    Columns,
    ImportConfig,
    Rejected,
    Row,
    RowFault,
    Turn,
    field_names,
    rejected,
    speaker_of,
)

DELIMITERS = ",\t;|"
FIELD_MAX = 2**31 - 1  # characters; the csv module stops at 131,072 unless told


@dataclass
class Conversation:
    """The rows of one conversation as they come, with the turns of each and the value to sort by."""

    line: int
    user_id: str | None
    raw: list[dict[str, str]] = field(default_factory=list)
    keyed: list[tuple[str, list[Turn]]] = field(default_factory=list)
    fault: RowFault | None = None

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All turns in order; as numbers where every key is one."""
        try:
            ranked = sorted(self.keyed, key=lambda item: float(item[0]))
        except ValueError:
            ranked = sorted(self.keyed, key=lambda item: item[0])
        return tuple(turn for _, turns in ranked for turn in turns)


@dataclass(frozen=True)
class Header:
    """The columns of a file and what they are."""

    names: Sequence[str]
    columns: Columns
    layout: str  # long or wide

    @property
    def has_user(self) -> bool:
        """Whether the file says who the user is."""
        return self.columns.user in self.names


def delimiter_of(text: str) -> str:
    """The delimiter that stands most often in the first line."""
    first = text.split("\n", 1)[0]
    return max(DELIMITERS, key=first.count)


def header_of(names: Sequence[str], columns: Columns, path: Path) -> Header:
    """What a header's columns are; raises ConfigError when it lacks what the mapping names."""
    needed = [columns.conversation, *([columns.order] if columns.order else [])]
    layouts = {"long": (columns.long.speaker, columns.long.text), "wide": (columns.wide.user, columns.wide.assistant)}
    layout = next((name for name, pair in layouts.items() if set(pair) <= set(names)), None)
    missing = [name for name in needed if name not in names]
    if layout is None or missing or len(set(names)) < len(names):
        either = " or ".join(" and ".join(pair) for pair in layouts.values())
        raise ConfigError(
            f"{path}, line 1: found the columns {field_names(names) or 'none'}; expected {', '.join(needed)}, and "
            f"{either}, each once; name the file's own under csv in conf/import.yaml, or in a copy given with --conf"
        )
    return Header(names, columns, layout)


def table_rows(text: str, path: Path, config: ImportConfig) -> tuple[Header, Iterator[Row | Rejected]]:
    """The header, and all conversations in the order of their first rows; stray rows where they stand."""
    csv.field_size_limit(FIELD_MAX)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    records = _records(reader, path)
    _, names = next(records, (1, []))
    header = header_of([name.strip() for name in names], config.csv, path)
    return header, _conversations(records, header, config)


def _records(reader: Any, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each record of a csv.reader with the line that it begins on; empty lines are none."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise RecordError(
                f"{path}, line {line}: the table cannot be read on from here (found {error}), expected quotes that "
                "close; mend this row, and import again"
            ) from None
        if cells:
            yield line, cells


def _conversations(
    records: Iterator[tuple[int, list[str]]], header: Header, config: ImportConfig
) -> Iterator[Row | Rejected]:
    found: dict[str, Conversation] = {}
    for line, cells in records:
        row = dict(zip(header.names, cells, strict=False))
        name = row.get(header.columns.conversation, "").strip()
        if not name:
            raw = json.dumps(row, ensure_ascii=False)
            yield rejected(line, raw, RowFault("no conversation", f"column {header.columns.conversation} is empty"))
            continue
        user_id = row.get(header.columns.user or "", "").strip() or None
        talk = found.setdefault(name, Conversation(line, user_id))
        talk.raw.append(row if len(cells) == len(header.names) else row | {"": "|".join(cells[len(header.names) :])})
        try:
            _add(talk, row, line, len(cells), header, config, user_id)
        except RowFault as fault:
            talk.fault = talk.fault or RowFault(fault.reason, f"line {line}: {fault.detail}")
    for name, talk in found.items():
        raw = json.dumps(talk.raw, ensure_ascii=False)
        if talk.fault:
            yield rejected(talk.line, raw, talk.fault)
        else:
            yield Row(talk.line, raw, talk.turns, name, talk.user_id)


def _add(
    talk: Conversation,
    row: dict[str, str],
    line: int,
    n_cells: int,
    header: Header,
    config: ImportConfig,
    user_id: str | None,
) -> None:
    if n_cells != len(header.names):
        raise RowFault("cells", f"{n_cells} cells, expected {len(header.names)} as in the header")
    if user_id != talk.user_id:
        raise RowFault("two users", f"user {user_id!r}, but {talk.user_id!r} on line {talk.line} of this conversation")
    columns = header.columns
    if header.layout == "wide":
        turns = [Turn("user", row[columns.wide.user]), Turn("assistant", row[columns.wide.assistant])]
    else:
        speaker = speaker_of(row[columns.long.speaker], "the message", config.speakers)
        turns = [Turn(speaker, row[columns.long.text])]
    key = row[columns.order].strip() if columns.order else "0"
    if not key:
        raise RowFault("no order", f"column {columns.order} is empty")
    talk.keyed.append((key, turns))
