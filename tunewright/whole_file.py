"""Text files that are there whole or as they were: whatever ends the process, and when the disk is full."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TextIO

from tunewright.errors import STORAGE_ERRORS, StorageError
from tunewright.private import by_umask


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """A text file written through a temporary one in the same directory, so that a crash leaves the old one.

    Raises StorageError where nothing can be written: a full disk, a read-only folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        handle, temporary = _locked(path)
    except OSError as error:
        _not_written(path, error)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fchmod(handle, by_umask(0o666))
            os.replace(temporary, path)  # while it is locked, else a sweep could take it
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and _is_about(error, temporary):
            _not_written(path, error)
        raise


def _is_about(error: OSError, temporary: str) -> bool:
    """Whether an error came from writing: such a one names no file, or ours."""
    return error.filename == temporary or (error.filename is None and error.errno in STORAGE_ERRORS)


def _locked(path: Path) -> tuple[int, str]:
    """A temporary file beside this one, open and locked; a sweep may take one before it is locked."""
    while True:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".tmp")
        with contextlib.suppress(OSError):  # a file system without locks, where a sweep takes nothing
            fcntl.flock(handle, fcntl.LOCK_SH)
        if os.fstat(handle).st_nlink:
            return handle, temporary
        os.close(handle)


def _sweep(path: Path) -> None:
    """Remove what killed writers of the file left beside it, where it would be taken for an output of DVC's.

    Who still writes holds a lock.
    """
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


def _not_written(path: Path, error: OSError) -> NoReturn:
    mend = "free space" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "make its folder writable"
    raise StorageError(
        f"{path}: cannot be written ({error.strerror or error}), and is as it was; {mend} and run the same command "
        "again: finished model calls are in the cache"
    ) from None
