"""Whether a file is still the one that was read: the app reads files that `dvc repro` may replace beside it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Stamp(NamedTuple):
    """What tells one version of a file from the next."""

    mtime_ns: int
    size_bytes: int
    inode: int


def stamp(path: Path) -> Stamp | None:
    """The stamp of a file as it is now; None where there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ino)
