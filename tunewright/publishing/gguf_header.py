"""How long the header of a GGUF file is: its metadata, with vocabulary and chat template, and the names of its tensors.

Walked by the format's own lengths (version 2 and 3), so that weights of many gigabytes need not be searched.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

MAGIC = b"GGUF"
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes by type of value
STRING, ARRAY = 8, 9


def header_bytes(path: Path) -> int:
    """Bytes up to the end of the last tensor's description; the whole file where that makes no sense."""
    size = path.stat().st_size
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            version, n_tensors, n_values = struct.unpack_from("<IQQ", data, len(MAGIC))
            end = _after_values(data, 24, n_values, size)
            end = _after_tensors(data, end, n_tensors, size)
        except (struct.error, KeyError, ValueError, RecursionError):
            return size
        return min(end, size) if version in (2, 3) else size


def _after_values(data: mmap.mmap, at: int, n: int, size: int) -> int:
    for _ in range(n):
        at = _after_string(data, at, size)
        (kind,) = struct.unpack_from("<I", data, at)
        at = _after_value(data, at + 4, kind, size)
    return at


def _after_value(data: mmap.mmap, at: int, kind: int, size: int) -> int:
    if kind == STRING:
        return _after_string(data, at, size)
    if kind != ARRAY:
        return at + SIZES[kind]
    inner, n = struct.unpack_from("<IQ", data, at)
    if inner in SIZES:
        return at + 12 + n * SIZES[inner]
    at += 12
    for _ in range(n):
        at = _after_value(data, at, inner, size)
    return at


def _after_tensors(data: mmap.mmap, at: int, n: int, size: int) -> int:
    for _ in range(n):
        at = _after_string(data, at, size)
        (dimensions,) = struct.unpack_from("<I", data, at)
        at += 4 + 8 * dimensions + 4 + 8
    return at


def _after_string(data: mmap.mmap, at: int, size: int) -> int:
    (length,) = struct.unpack_from("<Q", data, at)
    if at + 8 + length > size:
        raise ValueError("a string longer than the file")
    return at + 8 + length
