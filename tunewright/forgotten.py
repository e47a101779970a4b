"""Who and what was forgotten: data/authored/<domain>/forgotten.txt, one SHA-256 of an id a line, nothing else.

A sampled persona follows from a seed, so without this list the next run would make it again; an import would take a
conversation in again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tunewright.records import digest, write_text

NAME = "forgotten.txt"
IMPORTED = "imported-"  # an imported conversation's id: this, its import's name, and what was said as a hash


class Forgotten:
    """The ids that must not come back, known only by their hashes."""

    def __init__(self, authored: str) -> None:
        self.path = Path(authored) / NAME
        lines = self.path.read_text("utf-8").split() if self.path.exists() else []
        self._hashes = frozenset(lines)

    def __contains__(self, id: str) -> bool:
        return tombstone(id) in self._hashes

    def add(self, ids: Iterable[str]) -> None:
        """Write more ids' hashes into the file, in the order of the hashes: it tells no order of forgetting.

        What was imported is forgotten under whatever name it is imported again.
        """
        more = {tombstone(form) for id in ids for form in (id, in_any_import(id))}
        write_text(self.path, "".join(f"{line}\n" for line in sorted(self._hashes | more)))


def in_any_import(id: str) -> str:
    """The id of an imported conversation without its import's name; any other id as it is."""
    return IMPORTED + id.rpartition("-")[2] if id.startswith(IMPORTED) else id


def tombstone(id: str) -> str:
    """What is kept of an id."""
    return digest(["forgotten", id])
