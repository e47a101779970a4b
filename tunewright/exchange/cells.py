"""Cells of a table that spreadsheets open: what they would take for a formula is marked, and taken back exactly.

A cell that begins like a formula gets an apostrophe in front (https://owasp.org/www-community/attacks/CSV_Injection).
So does one that begins with apostrophes and then like a formula, so that the way back is never in doubt.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tunewright.errors import RecordError

FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # the last four: the same in full width
DELIMITERS = ",;\t|"
CELL_MAX = 2**31 - 1  # characters; the csv module stops at 131,072 unless told
SEPARATOR_LINE = re.compile(r"\Asep=.\r?\n", re.IGNORECASE)  # Excel's own first line
BOM = "\ufeff"  # without it Excel takes UTF-8 for the machine's own encoding


def guarded(text: str) -> str:
    """A text as a cell that no spreadsheet computes."""
    return "'" + text if FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """The text of a cell that `guarded` wrote; cells that people typed are as they are."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def table_text(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as CSV for spreadsheets: byte order mark, commas, CRLF."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(head)
    writer.writerows([guarded(cell) for cell in row] for row in rows)
    return BOM + file.getvalue()


def read_table(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table by column, each with its number as spreadsheets show it (the header is row 1).

    Commas, semicolons, tabs and bars are understood; cells are unguarded, empty rows left out. Raises RecordError for a
    table that cannot be read, or lacks the needed columns; a row of another length than the header has the key "" with
    what is wrong.
    """
    text = SEPARATOR_LINE.sub("", _text(path), count=1)
    csv.field_size_limit(CELL_MAX)
    lines = _cells(text, _delimiter(text, needed, path), path)
    names = [_name(cell) for cell in next(lines)]
    for number, cells in enumerate(lines, 2):
        if any(cell.strip() for cell in cells):
            row = {name: unguarded(cell) for name, cell in zip(names, cells, strict=False)}
            wrong = f"found {len(cells)} cells, expected {len(names)} as in the header"
            yield number, row if len(cells) == len(names) else row | {"": wrong}


def _text(path: Path) -> str:
    """A file's text, UTF-8 or what Excel calls Unicode text."""
    raw = path.read_bytes()
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        number = raw[: error.start].count(b"\n") + 1
        raise RecordError(
            f"{path}, line {number}: found the byte {raw[error.start]:#x}, expected UTF-8; save it as 'CSV UTF-8' "
            "(Excel), or as text CSV with the character set UTF-8 (LibreOffice)"
        ) from None


def _delimiter(text: str, needed: Sequence[str], path: Path) -> str:
    """The one by which the header has the needed columns."""
    first = text.splitlines()[0] if text else ""
    for delimiter in DELIMITERS:
        names = [_name(cell) for cell in next(csv.reader([first], delimiter=delimiter), [])]
        if set(needed) <= set(names) and len({*names}) == len(names):
            return delimiter
    raise RecordError(
        f"{path}, line 1: found {first[:120]!r}, expected a header with {', '.join(needed)}, each once, as "
        "`tunewright labels export` writes it"
    )


def _name(cell: str) -> str:
    return cell.strip().casefold()


def _cells(text: str, delimiter: str, path: Path) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise RecordError(
                f"{path}, line {number}: the table cannot be read on from here (found {error}), expected quotes that "
                "close; mend the quotes of this row"
            ) from None
