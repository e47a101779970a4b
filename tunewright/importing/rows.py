"""What every format is read into: rows of turns, each with its place in the file, or the fault that it has."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from pydantic import Field

from tunewright.config import Config
from tunewright.json_text import FOUND_CHARS, briefly
from tunewright.records import Record

SHOWN_NAMES = 10  # of fields, in a message
Speaker = Literal["user", "assistant", "ignored"]


class Speakers(Config):
    """Names of speakers, lower case, by what they are."""

    user: tuple[str, ...]
    assistant: tuple[str, ...]
    ignored: tuple[str, ...]
    tool: tuple[str, ...]


class Fields(Config):
    """Where a JSON row says what it is called and who its user is; the first field that is there counts."""

    conversation: tuple[str, ...]
    user: tuple[str, ...]


class LongColumns(Config):
    """A row a message."""

    speaker: str
    text: str


class WideColumns(Config):
    """A row an exchange."""

    user: str
    assistant: str


class Columns(Config):
    """Which column of a table is what; the header decides between long and wide."""

    conversation: str
    user: str | None
    order: str | None
    long: LongColumns
    wide: WideColumns


class ImportConfig(Config):
    """All of conf/import.yaml."""

    max_bad_share: float = Field(ge=0, le=1)
    long_exchanges: int = Field(ge=1)
    shown_rows: int = Field(ge=0)
    speakers: Speakers
    fields: Fields
    csv: Columns


class RowFault(Exception):
    """One row cannot be taken: `reason` is counted, `detail` is for who mends it."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Turn:
    """One message as the file has it."""

    speaker: Speaker
    text: str


@dataclass(frozen=True)
class Row:
    """One conversation of the file. `line`: where it begins, from 1; in parquet the row's number."""

    line: int
    raw: str
    turns: tuple[Turn, ...]
    original_id: str | None = None
    user_id: str | None = None


class Rejected(Record):
    """A row that was not taken in. `raw` is the row's text; base64 of its bytes where these are no UTF-8."""

    line: int
    reason: str
    detail: str
    encoding: Literal["utf-8", "base64"]
    raw: str


def rejected(line: int, raw: str, fault: RowFault) -> Rejected:
    """The record of a bad row, whatever its bytes are."""
    try:
        raw.encode()
        return Rejected(line=line, reason=fault.reason, detail=_printable(fault.detail), encoding="utf-8", raw=raw)
    except UnicodeEncodeError:  # bytes that `decoded` has escaped
        kept = base64.b64encode(raw.encode("utf-8", "surrogateescape")).decode()
        return Rejected(line=line, reason=fault.reason, detail=_printable(fault.detail), encoding="base64", raw=kept)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def decoded(data: bytes) -> str:
    """A file's text without its byte order mark; bytes that are no UTF-8 are escaped, for `check_text` to find."""
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def check_text(text: str, where: str) -> None:
    """Raise RowFault for a text that cannot be kept as UTF-8, or holds a NUL."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RowFault("not UTF-8", f"{where}: {text[error.start]!r} at character {error.start + 1}") from None
    if "\0" in text:
        raise RowFault("NUL character", f"{where}: at character {text.index(chr(0)) + 1}")


def speaker_of(name: Any, where: str, speakers: Speakers) -> Speaker:
    """What a speaker's name means; raises RowFault for a tool and for a name that conf/import.yaml does not have."""
    key = name.strip().lower() if isinstance(name, str) else name
    if key in speakers.user:
        return "user"
    if key in speakers.assistant:
        return "assistant"
    if key in speakers.ignored:
        return "ignored"
    if key in speakers.tool:
        raise RowFault("tool call", f"{where} is of {briefly(name)}; only conversations in words are taken")
    raise RowFault("unknown speaker", f"{where} is of {briefly(name)}; add the name under speakers in conf/import.yaml")


def first_named(values: dict[str, Any], names: Iterable[str]) -> str | None:
    """The first of these fields that holds a name (text or a whole number)."""
    for name in names:
        value = values.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return None


def field_names(fields: Iterable[Any]) -> str:
    """The names of fields, as a message shows them: the first ones, however many and long they are."""
    first = [*islice(fields, SHOWN_NAMES + 1)]
    shown = [name if name.isprintable() and len(name) <= FOUND_CHARS else briefly(name) for name in map(str, first)]
    return ", ".join(shown[:SHOWN_NAMES]) + ", ..." * (len(first) > SHOWN_NAMES)
