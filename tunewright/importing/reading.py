"""A log file to a domain's records: conversations, the people in them, and where each came from.

An import is deterministic: ids come from what was said, so that a conversation keeps its id (and with it its split and
its place in every sample) when rows are added to the file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tunewright.errors import MissingInputError, RecordError
from tunewright.forgotten import IMPORTED, in_any_import
from tunewright.importing.cleaning import Cleaning, cleaned
from tunewright.importing.formats import FORMATS, Format, rows_in
from tunewright.importing.rows import ImportConfig, Rejected, Row, RowFault, check_text, rejected
from tunewright.measures import words
from tunewright.records import Exchange, Persona, Record, Transcript, digest

ID_DIGITS = 12  # of a SHA-256
UNKNOWN = "unknown"


class Provenance(Record):
    """Where one imported conversation came from, and what was done to it."""

    transcript_id: str
    file: str
    sha256: str
    format: str
    line: int
    original_id: str | None
    user_id: str | None
    long: bool  # more exchanges than conf/import.yaml flags
    cleaning: Cleaning


class Skipped(Record):
    """A row that says nothing new."""

    line: int
    reason: Literal["duplicate", "beginning of another", "forgotten"]
    same_as: str


@dataclass(frozen=True)
class Source:
    """The file, and what it was read as."""

    file: str
    sha256: str
    format: Format
    guessed: bool
    names_users: bool  # whether any row says who its user is


@dataclass(frozen=True)
class Import:
    """Everything that one file gave."""

    name: str
    source: Source
    personas: tuple[Persona, ...]
    transcripts: tuple[Transcript, ...]
    provenance: tuple[Provenance, ...]
    rejected: tuple[Rejected, ...]
    skipped: tuple[Skipped, ...]

    @property
    def n_rows(self) -> int:
        """Rows of the file, as far as they are conversations or should be."""
        return len(self.transcripts) + len(self.rejected) + len(self.skipped)

    @property
    def bad_share(self) -> float:
        """Rejected rows over all rows."""
        return len(self.rejected) / self.n_rows if self.n_rows else 0.0

    @property
    def cleaning(self) -> Cleaning:
        """What was done to all conversations together."""
        totals: Counter[str] = Counter()
        for one in self.provenance:
            totals.update(one.cleaning.model_dump())
        return Cleaning.model_validate(totals)


@dataclass(frozen=True)
class Talk:
    """One cleaned conversation."""

    row: Row
    exchanges: tuple[Exchange, ...]
    cleaning: Cleaning

    @property
    def words(self) -> str:
        """SHA-256 of what was said."""
        return said(self.exchanges)


def said(exchanges: Sequence[Exchange]) -> str:
    """The content hash of these exchanges, as a Transcript has it."""
    return digest([[e.user, e.assistant] for e in exchanges])


def read_import(
    path: Path,
    name: str,
    domain: str,
    form: Format | None,
    config: ImportConfig,
    known: Mapping[str, str],
    forgotten: Container[str] = (),
) -> Import:
    """Read a file whole. `known`: conversations that the domain has already, ids by content hash; `forgotten`: ids of
    people and conversations that are not taken in again.

    Raises MissingInputError, ConfigError or RecordError for a file that cannot be read at all; bad rows are in
    the result.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingInputError(
            f"{path}: found nothing to read ({error.strerror}), expected a file of logs; name another one"
        ) from None
    form, guessed, rows = rows_in(path, data, form, config)
    talks, bad, names_users = _talks(rows)
    fresh, skipped = new_ones(talks, known)
    if not (fresh or bad or skipped):
        raise RecordError(f"{path}: holds no row; expected conversations, as {', '.join(FORMATS)}; name another file")
    source = Source(path.name, hashlib.sha256(data).hexdigest(), form, guessed, names_users)
    fresh, gone = without_forgotten(fresh, name, forgotten)
    ids = [transcript_id(talk, name) for talk in fresh]
    people = [person_id(talk, one) for talk, one in zip(fresh, ids, strict=True)]
    return Import(
        name=name,
        source=source,
        personas=tuple(_personas(zip(people, fresh, strict=True))),
        transcripts=tuple(_transcript(t, i, p, domain) for t, i, p in zip(fresh, ids, people, strict=True)),
        provenance=tuple(_provenance(t, i, source, config) for t, i in zip(fresh, ids, strict=True)),
        rejected=tuple(bad),
        skipped=(*skipped, *gone),
    )


def _talks(rows: Iterable[Row | Rejected]) -> tuple[list[Talk], list[Rejected], bool]:
    """The conversations that can be had, the rows that can't, and whether any row named its user."""
    talks: list[Talk] = []
    bad: list[Rejected] = []
    for row in rows:
        if isinstance(row, Rejected):
            bad.append(row)
            continue
        try:
            check_text(row.original_id or "", "its id")
            check_text(row.user_id or "", "its user")
            talks.append(Talk(row, *cleaned(row.turns)))
        except RowFault as fault:
            bad.append(rejected(row.line, row.raw, fault))
    bad.sort(key=lambda one: one.line)
    return talks, bad, any(talk.row.user_id for talk in talks)


def new_ones(talks: Sequence[Talk], known: Mapping[str, str]) -> tuple[list[Talk], list[Skipped]]:
    """The conversations that say something new, and the others.

    What is there already, in this file or in the domain, is a duplicate. One with which another begins is a shorter
    record of the same talk (request logs hold one row a turn): kept, the two could stand in different splits.
    """
    begins: dict[str, int] = {}
    for talk in talks:
        for n in range(1, len(talk.exchanges)):
            begins.setdefault(said(talk.exchanges[:n]), talk.row.line)
    fresh: list[Talk] = []
    skipped: list[Skipped] = []
    seen = dict(known)
    for talk in talks:
        line = talk.row.line
        if talk.words in seen:
            skipped.append(Skipped(line=line, reason="duplicate", same_as=seen[talk.words]))
        elif talk.words in begins:
            skipped.append(Skipped(line=line, reason="beginning of another", same_as=f"line {begins[talk.words]}"))
        else:
            seen[talk.words] = f"line {line}"
            fresh.append(talk)
    return fresh, skipped


def transcript_id(talk: Talk, name: str) -> str:
    """What a conversation is called: by its import and its words."""
    return f"{IMPORTED}{name}-{talk.words[:ID_DIGITS]}"


def without_forgotten(talks: Sequence[Talk], name: str, forgotten: Container[str]) -> tuple[list[Talk], list[Skipped]]:
    """The conversations that may come in: neither they, under whatever import, nor their person are forgotten."""
    kept: list[Talk] = []
    skipped: list[Skipped] = []
    for talk in talks:
        id = transcript_id(talk, name)
        if any(one in forgotten for one in (id, in_any_import(id), person_id(talk, id))):
            skipped.append(Skipped(line=talk.row.line, reason="forgotten", same_as="one that was to be forgotten"))
        else:
            kept.append(talk)
    return kept, skipped


def person_id(talk: Talk, transcript_id: str) -> str:
    """Who the user is: one person for all conversations of a named user, whatever import they are in; else a new one.

    The name itself, which may be an address, stays in provenance.jsonl.
    """
    user = talk.row.user_id
    return f"imported-user-{digest(['user', user])[:ID_DIGITS]}" if user else transcript_id


def _personas(talks: Iterable[tuple[str, Talk]]) -> Iterator[Persona]:
    """One person a user, in the order of their first conversations. What a log does not tell stays unknown."""
    lengths: dict[str, list[int]] = {}
    for person, talk in talks:
        lengths.setdefault(person, []).extend(max(1, len(words(e.user))) for e in talk.exchanges)
    for person, found in lengths.items():
        yield Persona(
            id=person,
            source="imported",
            name=person,
            age=None,
            topic=UNKNOWN,
            style=UNKNOWN,
            context=UNKNOWN,
            stance=UNKNOWN,
            presentation=UNKNOWN,
            difficulty=UNKNOWN,
            min_words=min(found),
            max_words=max(found),
            trajectory=UNKNOWN,
        )


def _transcript(talk: Talk, transcript_id: str, person: str, domain: str) -> Transcript:
    return Transcript(
        id=transcript_id,
        domain=domain,
        persona_id=person,
        user_kind="imported",
        assistant="imported",
        user="imported",
        exchanges=talk.exchanges,
    )


def _provenance(talk: Talk, transcript_id: str, source: Source, config: ImportConfig) -> Provenance:
    return Provenance(
        transcript_id=transcript_id,
        file=source.file,
        sha256=source.sha256,
        format=source.format,
        line=talk.row.line,
        original_id=talk.row.original_id,
        user_id=talk.row.user_id,
        long=len(talk.exchanges) > config.long_exchanges,
        cleaning=talk.cleaning,
    )
