"""Expert-written conversations of a domain: data/authored/<domain>/{personas,transcripts}.jsonl, in git."""

from __future__ import annotations

from pathlib import Path

from tunewright.config import Domain
from tunewright.errors import RecordError
from tunewright.records import Persona, Transcript, read_written


def load_authored(domain: Domain) -> tuple[list[Persona], list[Transcript]]:
    """The authored personas and transcripts of a domain; raises RecordError as `read_folder` does."""
    return read_folder(Path(domain.authored), domain.id)


def read_folder(folder: Path, domain_id: str) -> tuple[list[Persona], list[Transcript]]:
    """The personas and transcripts of a folder, checked against each other.

    Raises RecordError for an id given twice, a persona that does not exist, or another domain's transcript.
    """
    people, talks = folder / "personas.jsonl", folder / "transcripts.jsonl"
    personas, transcripts = read_written(people, Persona), read_written(talks, Transcript)
    known = _unique(people, [p.id for p in personas])
    _unique(talks, [t.id for t in transcripts])
    for number, transcript in enumerate(transcripts, 1):
        if fault := _fault(transcript, known, domain_id, people):
            raise RecordError(f"{talks}, line {number}, {transcript.id}: {fault}")
    return personas, transcripts


def _fault(transcript: Transcript, known: set[str], domain_id: str, people: Path) -> str:
    """What is wrong with a recorded conversation, and what to do; empty where nothing is."""
    if transcript.persona_id not in known:
        return f"found the persona {transcript.persona_id!r}, expected one of {people}; add it there, or name another"
    if transcript.domain != domain_id:
        return f"found the domain {transcript.domain!r}, expected {domain_id!r}; edit it, or put it into that domain's"
    if not transcript.exchanges:
        return "found no exchanges, expected at least one; write it, or remove the line"
    return ""


def _unique(path: Path, ids: list[str]) -> set[str]:
    seen: set[str] = set()
    for number, one in enumerate(ids, 1):
        if one in seen:
            raise RecordError(
                f"{path}, line {number}: found the id {one!r} for the second time, expected each once; rename it, or "
                "remove one of the lines"
            )
        seen.add(one)
    return seen
