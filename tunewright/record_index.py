"""JSON Lines files compared by id, with an entry in memory for each id and never the records themselves.

The lines of one id (a transcript's verdicts, say) make one block: a digest of their bytes, and where they lie. Only
blocks that differ are read again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from tunewright.errors import RecordError
from tunewright.json_text import JsonFault, briefly, json_value

# Records are written with their keys in declaration order, so ids are found without parsing the rest of a long line.
FAST = {field: re.compile(rb'\{(?:"[a-z_]+":"[^"\\]*",)*?"%s":"([^"\\]*)"' % field.encode()) for field in
        ("id", "transcript_id", "persona_id")}  # fmt: skip


class Span(NamedTuple):
    """A line's place in its file, in bytes."""

    offset: int
    length: int


@dataclass(frozen=True)
class Block:
    """The lines of one id: `digest` (16 bytes) is equal for equal lines in equal order."""

    digest: bytes
    spans: tuple[Span, ...]


def id_of(line: bytes, field: str) -> str | None:
    """The value of an id field in a record's line; None where the line has none."""
    if found := FAST[field].match(line):
        return found[1].decode("utf-8", "replace")
    value = json_value(line)
    found = value.get(field) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


class Indexed:
    """One file's blocks by id, in the order of the file, and the way back to their records."""

    def __init__(self, name: str, file: BinaryIO | None, field: str) -> None:
        self.name, self._file = name, file
        self.blocks: dict[str, Block] = {}
        self.there = file is not None
        offset = 0
        for number, line in enumerate(file or (), 1):
            self._take(number, offset, line, field)
            offset += len(line)

    def _take(self, number: int, offset: int, line: bytes, field: str) -> None:
        try:
            id = id_of(line, field)
        except JsonFault as fault:
            raise self._fault(f"line {number}: not valid JSON: {fault}") from None
        if id is None:
            raise self._fault(f"line {number}: found {briefly(line)}, which has no {field!r}")
        if not line.endswith(b"\n"):
            raise self._fault(f"line {number}: the file is cut off (found no line end)")
        before = self.blocks.get(id)
        digest = hashlib.blake2b((before.digest if before else b"") + line, digest_size=16).digest()
        self.blocks[id] = Block(digest, (*(before.spans if before else ()), Span(offset, len(line))))

    def records(self, id: str) -> list[dict[str, Any]]:
        """The records of an id, empty where it has none."""
        return [self._read(span) for span in self.blocks[id].spans] if id in self.blocks else []

    def _read(self, span: Span) -> dict[str, Any]:
        assert self._file is not None
        self._file.seek(span.offset)
        try:
            return json_value(self._file.read(span.length))
        except JsonFault as fault:
            raise self._fault(f"byte {span.offset}: not valid JSON: {fault}") from None

    def _fault(self, what: str) -> RecordError:
        return RecordError(f"{self.name}, {what}; expected a record a line; make it again with dvc repro or restore it")


class Delta(NamedTuple):
    """Ids of two indexed files: only after, only before, and in both with other lines."""

    added: list[str]
    removed: list[str]
    changed: list[str]


def compare(before: Mapping[str, Block], after: Mapping[str, Block]) -> Delta:
    """How two files differ by id, in the order of the files."""
    return Delta(
        [id for id in after if id not in before],
        [id for id in before if id not in after],
        [id for id, block in after.items() if id in before and before[id].digest != block.digest],
    )
