"""A domain's imported conversations: data/imported/<domain>/<import>/{personas,transcripts}.jsonl.

`tunewright import` writes them. They can be big and private, so git ignores them and DVC can track them; only the
folder itself, which stages depend on, is in git.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from tunewright.authored import load_authored, read_folder
from tunewright.config import Domain
from tunewright.errors import RecordError
from tunewright.records import Persona, Transcript
from tunewright.splits import Shares, split_of

RecordedSource = Literal["authored", "imported", "recorded"]  # recorded: both
ImportedUse = Literal["take", "replay", "leave"]  # whole and replayed; only the user's messages; not at all


def load_imported(domain: Domain) -> tuple[list[Persona], list[Transcript]]:
    """The imported personas and transcripts of a domain, all imports together; none where nothing was imported.

    A user who is in several imports is one persona. Raises RecordError as `read_folder` does, and for an id
    that is given twice.
    """
    people: dict[str, Persona] = {}
    transcripts: dict[str, Transcript] = {}
    for file in sorted(Path(domain.imported).glob("*/transcripts.jsonl")):
        personas, found = read_folder(file.parent, domain.id)
        for one in personas:
            people[one.id] = _together(people[one.id], one) if one.id in people else one
        for number, transcript in enumerate(found, 1):
            if transcript.id in transcripts:
                raise RecordError(
                    f"{file}, line {number}: found the id {transcript.id!r}, which another import has too, expected it "
                    "once; take one of the imports out, or import its file again"
                )
            transcripts[transcript.id] = transcript
    return list(people.values()), list(transcripts.values())


def _together(one: Persona, other: Persona) -> Persona:
    limits = {"min_words": min(one.min_words, other.min_words), "max_words": max(one.max_words, other.max_words)}
    return one.model_copy(update=limits)


def load_recorded(domain: Domain, source: RecordedSource) -> tuple[list[Persona], list[Transcript]]:
    """Recorded people and their conversations: authored, imported, or first the ones and then the others."""
    nothing: tuple[list[Persona], list[Transcript]] = ([], [])
    authored = nothing if source == "imported" else load_authored(domain)
    imported = nothing if source == "authored" else load_imported(domain)
    return authored[0] + imported[0], authored[1] + imported[1]


def held_out_ids(people: Iterable[Persona], use: ImportedUse, shares: Shares, seed: int) -> set[str]:
    """Who is never trained on: the holdout split, and everybody imported where imports are left out of generation."""
    return {
        p.id for p in people if (p.source == "imported" and use == "leave") or split_of(p.id, shares, seed) == "holdout"
    }
