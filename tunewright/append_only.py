"""Files of records that only ever grow: what people decided is written once and never rewritten.

A record is one line, in one write at the end of the file, on disk before `add` returns. Several processes may append
at once. A crash in mid-write can leave the beginning of a line: nobody was told that it is kept, so reading leaves it
out, and the next append puts it aside into <file>.torn. A last line that is whole but has no line end, as some editors
leave it, counts. Git merges such files by union (.gitattributes): the lines of both sides stay, in any order, some
twice; so records carry an id and a time, and order is theirs.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from tunewright.errors import RecordError, StorageError
from tunewright.records import parse_line

R = TypeVar("R", bound=BaseModel)
T = TypeVar("T")
CONFLICT_MARKS = (b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>")


def read_appended(path: Path | str, model: type[R]) -> list[R]:
    """All whole lines; a file that is not there holds none. Raises RecordError naming file, line and field."""
    return Growing(path, model, itself).read()


def itself(record: R) -> R:
    """The view of a record that is the record."""
    return record


class Growing(Generic[T]):
    """The records of an append-only file, parsed once: what is asked again is read only where the file has changed.

    Git and editors may replace the file at any time: as long as it starts with the bytes that were read before, only
    the rest is parsed. `view` is what is kept of a record. Safe for several threads.
    """

    def __init__(self, path: Path | str, model: type[R], view: Callable[[R], T]) -> None:
        self._path = Path(path)
        self._view: Callable[[bytes, int, str], T] = lambda line, number, mend: view(
            parse_line(self._path, number, line, model, mend=mend)
        )
        self._lock = threading.Lock()
        self._forget()

    def read(self) -> list[T]:
        """All whole lines as they are now. Raises RecordError naming file, line and field, StorageError."""
        with self._lock:
            try:
                self._catch_up()
            except FileNotFoundError:
                self._forget()
            except OSError as error:
                raise StorageError(f"{self._path}: cannot be read: {error.strerror}; mend that, then reload") from None
            return [*self._records, *self._unended]

    def grew(self, line: bytes) -> None:
        """Take in what we have just appended, alone and after reading the rest: it need not be read."""
        with self._lock:
            key = _key(self._path)
            if self._key and key[:2] == self._key[:2] and key[2] == self._size + len(line):
                self._take([self._parsed(self._n_lines + 1, line.rstrip(b"\n"))], line, 1, key)

    def _catch_up(self) -> None:
        key = _key(self._path)
        if key == self._key:
            return
        raw = self._path.read_bytes()  # may hold more than `key` says: the next read then looks again
        if len(raw) < self._size or hashlib.blake2b(raw[: self._size]).digest() != self._hash.digest():
            self._forget()
        end = raw.rfind(b"\n") + 1
        new, number = raw[self._size : end], self._n_lines + 1
        lines = new.split(b"\n")[:-1]
        records = [self._parsed(n, line) for n, line in enumerate(lines, number) if line.strip()]
        unended = [self._parsed(number + len(lines), raw[end:])] if is_whole(raw[end:]) else []
        self._take(records, new, len(lines), key)
        self._unended = unended

    def _take(self, records: list[T], raw: bytes, n_lines: int, key: tuple[int, ...]) -> None:
        self._records += records
        self._hash.update(raw)
        self._size += len(raw)
        self._n_lines += n_lines
        self._unended = []
        self._key = key

    def _parsed(self, number: int, line: bytes) -> T:
        if line.startswith(CONFLICT_MARKS):
            raise RecordError(
                f"{self._path}, line {number}: git left a conflict here (found {line[:40].decode(errors='replace')!r}, "
                "expected one JSON value a line). The lines of both sides belong in the file: take only the marks out "
                f"with: sed -i -E '/^([<=>|])\\1{{6}}/d' {self._path} && git add {self._path}"
            )
        mend = f"mend that line by hand; what was changed since the last commit shows: git diff -- {self._path}"
        return self._view(line + b"\n", number, mend)

    def _forget(self) -> None:
        self._records: list[T] = []
        self._unended: list[T] = []  # a last line without a line end, if it is whole
        self._hash, self._size, self._n_lines = hashlib.blake2b(), 0, 0  # of the whole lines, empty ones too
        self._key: tuple[int, ...] | None = None


def _key(path: Path) -> tuple[int, ...]:
    """What tells one state of a file from the next."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def is_whole(line: bytes) -> bool:
    """Whether a line without a line end is all there: JSON breaks off before its last bracket otherwise."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):  # not JSON, not UTF-8; nested too deep to tell
        return False


@contextmanager
def appending(path: Path | str) -> Iterator[Appender]:
    """Hold the file for appending, alone among threads and processes; it is made where it is not there.

    Raises StorageError where it cannot be, such as in a read-only folder.
    """
    end = Appender(Path(path))
    try:
        yield end
    finally:
        end.close()


class Appender:
    """The end of a file that is held."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._handle = _held(path)
        except OSError as error:
            raise _not_kept(path, error) from None

    def add(self, *records: BaseModel) -> bytes:
        """Write records in one write and return their lines; they are on disk then.

        Raises StorageError where they do not all fit, as on a full disk; then none is kept.
        """
        lines = b"".join(record.model_dump_json().encode() + b"\n" for record in records)
        try:
            self._write(lines)
            while not _is_at(self._path, self._handle):  # git put another file there meanwhile: they belong there
                replaced, self._handle = self._handle, _held(self._path)
                os.close(replaced)
                self._write(lines)
        except OSError as error:
            raise _not_kept(self._path, error) from None
        return lines

    def close(self) -> None:
        """Let others append."""
        os.close(self._handle)

    def _write(self, lines: bytes) -> None:
        start = os.fstat(self._handle).st_size
        try:
            written = os.write(self._handle, lines)
            if written != len(lines):
                raise OSError(0, f"only {written} of {len(lines)} bytes fitted: is the disk full?")
            os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, start)  # what nobody is told of must not show
            raise


def _held(path: Path) -> int:
    """The file, open, locked and ending in a line end; not one that was replaced while we waited for the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        is_new = not path.exists()
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_at(path, handle):
                _mend_end(path, handle)
                if is_new:
                    _sync_folder(path.parent)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _mend_end(path: Path, handle: int) -> None:
    """Give a whole last line its line end; move the beginning of one that a crash tore into <file>.torn."""
    size = os.fstat(handle).st_size
    if size == 0 or os.pread(handle, 1, size - 1) == b"\n":
        return
    raw = path.read_bytes()
    start = raw.rfind(b"\n") + 1
    if is_whole(raw[start:]):
        os.write(handle, b"\n")
        return
    with path.with_name(path.name + ".torn").open("ab") as aside:
        aside.write(raw[start:] + b"\n")
        aside.flush()
        os.fsync(aside.fileno())
    os.ftruncate(handle, start)


def _sync_folder(folder: Path) -> None:
    """Put a new file's name on disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _not_kept(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path}: nothing was written down: {error.strerror or error}. Make the file writable or free space, "
        "then decide again"
    )
