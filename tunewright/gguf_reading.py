"""GGUF files that anybody may have made: their header is checked against the file's size before `gguf` reads them.

`gguf`'s reader goes by the counts and lengths that a file states, so that sixty bytes can ask for 2^60 values. The
layout is that of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md: magic, version, counts of tensors and of
keys, then each key with its type and value.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from tunewright.errors import ModelSetupError
from tunewright.json_text import briefly

MAGIC, VERSIONS = b"GGUF", (2, 3)
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes of a value by its type
STRING, ARRAY = 8, 9
SMALLEST = {STRING: 8, ARRAY: 12}  # bytes of an empty one
READING = (ValueError, IndexError, KeyError, TypeError, OverflowError)  # what `gguf` raises on the way
KEY_BYTES, TENSOR_BYTES = 13, 33  # of the smallest key with its value, and of the smallest tensor's description
DEEPEST = 4  # arrays in arrays; no known model has two


class _Damage(Exception):
    """What is wrong with a file, in words."""


class GgufKeys:
    """The values of a GGUF file's keys. Raises ModelSetupError for a value that cannot be read."""

    def __init__(self, path: Path, fields: Mapping[str, Any]) -> None:
        self._path, self._fields = path, fields

    def __getitem__(self, key: str) -> Any:
        """A key's value; ModelSetupError too where there is none."""
        if key not in self._fields:
            raise _refused(self._path, f"found no key {key!r}")
        return self.get(key)

    def get(self, key: str) -> Any:
        """A key's value; None where there is none."""
        try:
            return self._fields[key].contents() if key in self._fields else None
        except READING as error:
            raise _refused(self._path, f"found a {key} that cannot be read ({briefly(str(error))})") from None


def read_gguf(path: Path) -> GgufKeys:
    """A GGUF file's keys; raises ModelSetupError for a file that is none, is cut off, or states more than it holds."""
    from gguf import GGUFReader

    check_gguf(path)
    try:
        return GgufKeys(path, GGUFReader(path).fields)
    except READING as error:
        raise _refused(path, f"found {briefly(str(error))} below its header") from None


def check_gguf(path: Path) -> None:
    """Raise ModelSetupError unless a file's header is that of a GGUF file and fits into it."""
    try:
        with path.open("rb") as file:
            _Header(file, os.fstat(file.fileno()).st_size).check()
    except OSError as error:
        raise _refused(path, f"found nothing to read ({error.strerror})") from None
    except _Damage as damage:
        raise _refused(path, str(damage)) from None


def header_bytes(path: Path) -> int:
    """Bytes of a file's header: keys with vocabulary and chat template, and the tensors' descriptions.

    The whole file where that makes no sense.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        header = _Header(file, size)
        try:
            header.skip_tensors(header.check())
        except _Damage:
            return size
        return file.tell()


class _Header:
    """A header that is walked through without keeping its values."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size

    def check(self) -> int:
        """Walk to the end of the keys; gives the number of tensors, raises _Damage."""
        magic = self._file.read(len(MAGIC))
        if magic != MAGIC:
            raise _Damage(f"found {magic!r} at the beginning")
        if (version := self._number("<I")) not in VERSIONS:
            raise _Damage(f"found the version {version}")
        n_tensors, n_keys = self._number("<Q"), self._number("<Q")
        self._fits(n_tensors * TENSOR_BYTES + n_keys * KEY_BYTES, f"{n_tensors} tensors and {n_keys} keys")
        for _ in range(n_keys):
            self._skip_string()
            self._skip_value(self._number("<I"), 0)
        return n_tensors

    def skip_tensors(self, n: int) -> None:
        """Walk past the tensors' descriptions: name, dimensions, type, place; raises _Damage."""
        for _ in range(n):
            self._skip_string()
            dimensions = self._number("<I")
            self._skip(8 * dimensions + 4 + 8, f"a tensor of {dimensions} dimensions")

    def _skip_value(self, kind: int, depth: int) -> None:
        if kind == STRING:
            self._skip_string()
        elif kind == ARRAY and depth < DEEPEST:
            of, length = self._number("<I"), self._number("<Q")
            what = f"an array of {length} values"
            if of in SIZES:
                self._skip(length * SIZES[of], what)
            else:
                self._fits(length * SMALLEST.get(of, 1), what)
                for _ in range(length):
                    self._skip_value(of, depth + 1)
        elif kind in SIZES:
            self._skip(SIZES[kind], f"a value of {SIZES[kind]} bytes")
        else:
            raise _Damage(f"found a value of the type {kind} at byte {self._file.tell()}")

    def _skip_string(self) -> None:
        length = self._number("<Q")
        self._skip(length, f"a text of {length} bytes")

    def _skip(self, n_bytes: int, what: str) -> None:
        self._fits(n_bytes, what)
        self._file.seek(n_bytes, os.SEEK_CUR)

    def _number(self, form: str) -> int:
        raw = self._file.read(struct.calcsize(form))
        if len(raw) < struct.calcsize(form):
            raise _Damage(f"found its end at byte {self._size}, in the middle of its header: it is cut off")
        return int(struct.unpack(form, raw)[0])

    def _fits(self, n_bytes: int, what: str) -> None:
        left = self._size - self._file.tell()
        if n_bytes > left:
            raise _Damage(f"found {what} announced where {left} bytes are left: it is cut off or damaged")


def _refused(path: Path, what: str) -> ModelSetupError:
    return ModelSetupError(
        f"{path}: {what}; expected a whole GGUF file of version 2 or 3; fetch it or make it again (with "
        "dvc repro -f train-base, an exported one with train-export)"
    )
