"""Which format a file is in, told or guessed from its content, and its rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from tunewright.errors import RecordError
from tunewright.importing.csv_rows import table_rows
from tunewright.importing.json_rows import SHAPES, Value, json_values, parquet_values, rows_of
from tunewright.importing.rows import ImportConfig, Rejected, Row, decoded, field_names

Format = Literal["openai", "sharegpt", "messages", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
PARQUET = b"PAR1"
OTHERS = {  # what files begin with that are no text, and what they are
    b"\xff\xfe": "UTF-16 text", b"\xfe\xff": "UTF-16 text", b"\x1f\x8b": "a file that gzip compressed",
    b"PK\x03\x04": "a ZIP file (Excel's are such)", b"\x28\xb5\x2f\xfd": "a file that zstd compressed",
    b"SQLite format 3": "an SQLite database", b"%PDF": "a PDF",
}  # fmt: skip
GUESSED_ROWS = 20


def rows_in(
    path: Path, data: bytes, form: Format | None, config: ImportConfig
) -> tuple[Format, bool, Iterator[Row | Rejected]]:
    """The format, whether it was guessed, and the rows."""
    if data.startswith(PARQUET):
        if form not in (None, "messages"):
            raise RecordError(f"{path}: found parquet, expected {form} as --format says; leave --format out")
        return "messages", form is None, rows_of(parquet_values(path), SHAPES["messages"], config)
    if other := next((name for begin, name in OTHERS.items() if data.startswith(begin)), None):
        raise RecordError(f"{path}: found {other}, expected UTF-8 text or parquet; save it as one of these")
    text = decoded(data)
    if not text.strip():
        raise RecordError(f"{path}: found no row in {len(data)} bytes, expected conversations; name another file")
    guess: Format = form or guessed_format(text, path)
    if guess == "csv":
        return guess, form is None, table_rows(text, path, config)[1]
    return guess, form is None, rows_of(json_values(text, path), SHAPES[guess], config)


def guessed_format(text: str, path: Path) -> Format:
    """The format by what the text begins with, and by the fields of its first rows.

    Raises RecordError for JSON whose first rows have the fields of no format.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return "csv"
    seen: list[str] = []
    fault = ""
    for _, one in zip(range(GUESSED_ROWS), json_values(text, path), strict=False):
        if form := _format_of(one):
            return form
        seen += [str(key) for key in one.value] if isinstance(one.value, dict) else []
        fault = fault or (f"line {one.line}: {one.fault}" if one.fault else "")
    found = f"the fields {field_names(dict.fromkeys(seen))}" if seen else "no object"
    raise RecordError(
        f"{path}, {fault if fault and not seen else f'found {found} in the first rows'}; expected rows with messages, "
        f"conversations or conversation; mend it, or say which format it is with --format {'|'.join(FORMATS)}"
    )


def _format_of(one: Value) -> Format | None:
    if not isinstance(one.value, dict):
        return None
    if isinstance(one.value.get("messages"), list):
        return "openai"
    for name in ("conversations", "conversation"):
        turns = one.value.get(name)
        if isinstance(turns, list) and turns and isinstance(turns[0], dict):
            return "sharegpt" if "from" in turns[0] else "messages"
    return None
