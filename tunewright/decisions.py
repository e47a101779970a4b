"""What all decisions of people have in common: an id, a time, who, and the undoing of an earlier one.

Of one person's decisions on one thing the latest by (time, id) holds, wherever it stands in the file; a decision that
its own reviewer took back counts no more. The result is the same for any order and repetition of the lines.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import Field

from tunewright.append_only import Growing, appending, itself
from tunewright.records import Record

FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


class Decision(Record):
    """One line of what people decided; the kinds add what it is about and what was said."""

    id: str = Field(min_length=1)  # 16 hex digits at random: merged files may hold a line twice
    reviewer: str = Field(min_length=1)
    time: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")  # UTC, ISO 8601 with microseconds
    undoes: str | None = None  # the id of the line that is taken back
    note: str = ""
    rubric_version: str  # Rubric.fingerprint


D = TypeVar("D", bound=Decision)


def held(lines: Iterable[D], thing: Callable[[D], Hashable]) -> list[D]:
    """The decisions that nobody took back or replaced, in the order of their times. `thing`: what one is about."""
    return Standing(thing).of(list(lines))


class Standing(Generic[D]):
    """What holds of lines that become more: new ones are looked at, and the standing list is copied."""

    def __init__(self, thing: Callable[[D], Hashable]) -> None:
        self._thing = thing
        self._lines: list[D] = []
        self._work_out()

    def of(self, lines: list[D]) -> list[D]:
        """The decisions that hold, in the order of their times. `lines` are compared with the last ones as objects."""
        n_seen = len(self._lines)
        goes_on = n_seen == 0 or (len(lines) >= n_seen and lines[n_seen - 1] is self._lines[-1])
        self._lines = lines
        if not goes_on or not all(map(self._is_taken, lines[n_seen:])):
            self._work_out()
        return list(self._latest.values())

    def _is_taken(self, line: D) -> bool:
        """Take a decision that is later than all others; False where these must be looked at again."""
        if line.undoes or line.id in self._ids or _place(line) <= self._last:
            return False
        self._take(line)
        return True

    def _work_out(self) -> None:
        ordered = sorted(_one_for_each_id(self._lines), key=_place)
        self._undone = {(line.undoes, line.reviewer) for line in ordered if line.undoes}
        self._latest: dict[Hashable, D] = {}
        self._ids: set[str] = set()
        self._last = ("", "")
        for line in ordered:
            self._take(line)

    def _take(self, line: D) -> None:
        self._ids.add(line.id)
        self._last = _place(line)
        if not line.undoes and (line.id, line.reviewer) not in self._undone:
            key = (line.reviewer, self._thing(line))
            self._latest.pop(key, None)  # so that it stands at the place of the last one
            self._latest[key] = line


def _place(line: Decision) -> tuple[str, str]:
    return line.time, line.id


def _one_for_each_id(lines: Iterable[D]) -> list[D]:
    """Lines that a merge repeated once; of two with one id, as an edit by hand leaves them, always the same."""
    found: dict[str, D] = {}
    for line in lines:
        other = found.setdefault(line.id, line)
        if other is not line and other != line:
            found[line.id] = max(other, line, key=lambda x: x.model_dump_json())
    return list(found.values())


def now() -> str:
    """The time as decisions keep it: UTC, microseconds."""
    return datetime.now(UTC).strftime(FORM)


class Book(Generic[D]):
    """One file of decisions, for one reviewer to write in; several threads and processes may do so at once."""

    def __init__(self, path: Path | str, kind: type[D], thing: Callable[[D], Hashable], reviewer: str) -> None:
        self._path = Path(path)
        self._lines = Growing(path, kind, itself)
        self._kind = kind
        self._standing = Standing(thing)
        self._reviewer = reviewer
        self._lock = threading.Lock()

    def read(self) -> list[D]:
        """Everybody's lines, as they are on disk now. Raises RecordError, StorageError."""
        return self._lines.read()

    def in_force(self) -> list[D]:
        """Everybody's decisions that hold now, in the order of their times."""
        with self._lock:
            return self._standing.of(self.read())

    def add(self, fields: Mapping[str, Any]) -> D:
        """Write a decision of this reviewer down and return it; it is on disk then. `fields`: the rest of it.

        Raises pydantic's ValidationError for a decision that is not one, StorageError where nothing can be written.
        """
        with appending(self._path) as end:
            line = self._made(fields)
            self._lines.grew(end.add(line))
        return line

    def undo(self, among: Callable[[D], bool], fields: Callable[[D], Mapping[str, Any]]) -> D | None:
        """Take this reviewer's last decision back of those `among` which it is; None: there is none.

        `fields` makes the rest of the line that takes it back. Raises as `add`.
        """
        with appending(self._path) as end:
            own = (line for line in reversed(self.in_force()) if line.reviewer == self._reviewer and among(line))
            if (last := next(own, None)) is None:
                return None
            line = self._made({**fields(last), "undoes": last.id})
            self._lines.grew(end.add(line))
        return line

    def _made(self, fields: Mapping[str, Any]) -> D:
        own = {"id": secrets.token_hex(8), "reviewer": self._reviewer, "time": self._next_time()}
        return self._kind.model_validate({**fields, **own})

    def _next_time(self) -> str:
        """Now, or just after this reviewer's last line where the clock was set back: the latest decision must hold."""
        last = max((line.time for line in self.read() if line.reviewer == self._reviewer), default="")
        return max(now(), _after(last)) if last else now()


def _after(time: str) -> str:
    return (datetime.strptime(time, FORM) + timedelta(microseconds=1)).strftime(FORM)
