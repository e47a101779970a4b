"""Which format a file is in, told or guessed from its content, and its rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from tunewright.errors import RecordError
from tunewright.importing.csv_rows import table_rows
from tunewright.importing.json_rows import SHAPES, Value, json_values, parquet_values, rows_of
from tunewright.importing.rows import ImportConfig, Rejected, Row, decoded

Format = Literal["openai", "sharegpt", "messages", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
PARQUET, UTF_16 = b"PAR1", (b"\xff\xfe", b"\xfe\xff")
GUESSED_ROWS = 20


def rows_in(
    path: Path, data: bytes, form: Format | None, config: ImportConfig
) -> tuple[Format, bool, Iterator[Row | Rejected]]:
    """The format, whether it was guessed, and the rows."""
    if data.startswith(PARQUET):
        if form not in (None, "messages"):
            raise RecordError(f"{path}: is parquet, and --format says {form}; expected --format messages or none")
        return "messages", form is None, rows_of(parquet_values(path), SHAPES["messages"], config)
    if data.startswith(UTF_16):
        raise RecordError(f"{path}: begins as UTF-16 text; expected UTF-8: save it as UTF-8 and import again")
    text = decoded(data)
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
    for _, one in zip(range(GUESSED_ROWS), json_values(text, path), strict=False):
        if form := _format_of(one):
            return form
        seen += [str(key) for key in one.value] if isinstance(one.value, dict) else []
    found = ", ".join(dict.fromkeys(seen)) or "no object"
    raise RecordError(
        f"{path}: the first rows have the fields {found}, and are of no known format; expected messages, conversations "
        f"or conversation; say which with --format {'|'.join(FORMATS)}"
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
