"""Files of records that only ever grow: what people decided is written once and never rewritten.

A record is one line, in one write at the end of the file, on disk before `append` returns. Several processes may
append at once. A crash in mid-write can leave the beginning of a line: nobody was told that it is kept, so reading
leaves it out, and the next append puts it aside into <file>.torn. Git merges such files by union (.gitattributes):
the lines of both sides stay, in any order, some twice; so records carry an id and a time, and order is theirs.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from tunewright.records import parse_line

R = TypeVar("R", bound=BaseModel)


def read_appended(path: Path | str, model: type[R]) -> list[R]:
    """All whole lines; a file that is not there holds none. Raises RecordError naming file, line and field."""
    path = Path(path)
    if not path.exists():
        return []
    raw = path.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    return [parse_line(path, n, line, model) for n, line in enumerate(whole.splitlines(keepends=True), 1)]


@contextmanager
def appending(path: Path | str) -> Iterator[Appender]:
    """Hold the file for appending, alone among processes; it is made where it is not there."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _put_torn_end_aside(path, handle)
        yield Appender(handle)
    finally:
        os.close(handle)


class Appender:
    """The end of a file that is held."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def add(self, record: BaseModel) -> None:
        """Write a record; it is on disk when this returns. Raises OSError where it cannot be, such as a full disk."""
        line = record.model_dump_json().encode() + b"\n"
        start = os.fstat(self._handle).st_size
        written = os.write(self._handle, line)
        if written != len(line):
            os.ftruncate(self._handle, start)
            raise OSError(f"{written} of {len(line)} bytes were written: is the disk full?")
        os.fsync(self._handle)


def _put_torn_end_aside(path: Path, handle: int) -> None:
    """Move what follows the last line end into <file>.torn."""
    raw = path.read_bytes()
    whole = raw.rfind(b"\n") + 1
    if whole == len(raw):
        return
    with path.with_name(path.name + ".torn").open("ab") as aside:
        aside.write(raw[whole:] + b"\n")
    os.ftruncate(handle, whole)
