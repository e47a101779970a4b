"""Expert-written conversations of a domain: data/authored/<domain>/{personas,transcripts}.jsonl, in git."""

from __future__ import annotations

from pathlib import Path

from tunewright.config import Domain
from tunewright.errors import RecordError
from tunewright.records import Persona, Transcript, read_jsonl


def load_authored(domain: Domain) -> tuple[list[Persona], list[Transcript]]:
    """The authored personas and transcripts of a domain; raises RecordError as `read_folder` does."""
    return read_folder(Path(domain.authored), domain.id)


def read_folder(folder: Path, domain_id: str) -> tuple[list[Persona], list[Transcript]]:
    """The personas and transcripts of a folder, checked against each other.

    Raises RecordError for an id given twice, a persona that does not exist, or another domain's transcript.
    """
    personas = read_jsonl(folder / "personas.jsonl", Persona)
    transcripts = read_jsonl(folder / "transcripts.jsonl", Transcript)
    known = _unique(folder / "personas.jsonl", [p.id for p in personas])
    _unique(folder / "transcripts.jsonl", [t.id for t in transcripts])
    for number, transcript in enumerate(transcripts, 1):
        where = f"{folder / 'transcripts.jsonl'}, line {number}: {transcript.id}"
        if transcript.persona_id not in known:
            raise RecordError(f"{where}: persona {transcript.persona_id!r} is not in {folder / 'personas.jsonl'}")
        if transcript.domain != domain_id:
            raise RecordError(f"{where}: domain is {transcript.domain!r}, expected {domain_id!r}")
    return personas, transcripts


def _unique(path: Path, ids: list[str]) -> set[str]:
    seen: set[str] = set()
    for number, one in enumerate(ids, 1):
        if one in seen:
            raise RecordError(f"{path}, line {number}: id {one!r} is given twice; ids must be unique")
        seen.add(one)
    return seen
