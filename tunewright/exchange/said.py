"""What a file of another tool says: labels with their places, and what is wrong with it.

A label that the tool handed back as it was keeps its id, so that it is the same line. A new decision has an id that
follows from what it says, about what, by whom and when, so that importing a file twice adds nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import ValidationError

from tunewright.decisions import FORM
from tunewright.errors import ConfigError
from tunewright.labels import REMARKS, Label
from tunewright.plain import plain
from tunewright.records import Record, digest
from tunewright.reviewing.reviewer import MAX_CHARS

SHOWN_CHARS = 60  # of what was found


class SaidFault(Exception):
    """One decision of a file cannot be taken: what was found and what was expected."""


class Asked(Record):
    """What a decision is about, as it was exported."""

    version: int
    domain: str
    transcript_id: str
    content_hash: str
    rubric_version: str


@dataclass(frozen=True)
class Said:
    """One decision and where it stands in the file."""

    place: str
    label: Label


@dataclass
class Found:
    """All that a file says."""

    said: list[Said] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # each with its place
    told: Counter[str] = field(default_factory=Counter)  # what is no fault but should be known
    unnamed: set[str] = field(default_factory=set)  # people of the file whose name only --reviewer NAME gives


@dataclass(frozen=True)
class Reviewers:
    """Who the people of a file are. `other`: everybody who is named nowhere else."""

    names: Mapping[str, str]
    other: str | None

    def named(self, who: str) -> str | None:
        """The name of somebody whom the file calls `who`; None where nothing says it."""
        return self.names.get(who, self.other)


@dataclass(frozen=True)
class Terms:
    """What an import goes by beside the file."""

    domain: str
    reviewers: Reviewers
    saved: str  # when the file was saved: the time of decisions that have none
    prefilled: bool  # whether judges' answers count that a tool filled in and nobody touched


def reviewers_of(options: Iterable[str]) -> Reviewers:
    """--reviewer options: NAME, or WHO=NAME for one of several; raises ConfigError."""
    names: dict[str, str] = {}
    other = None
    for option in options:
        who, equals, name = option.rpartition("=")
        if not name.strip() or (equals and not who.strip()) or (not equals and other):
            raise ConfigError(
                f"--reviewer {option!r}: expected one NAME, and WHO=NAME for each person whom the file calls otherwise"
            )
        if equals:
            names[who.strip()] = name.strip()
        else:
            other = name.strip()
    return Reviewers(names, other)


def utc(text: object) -> str:
    """A tool's time as labels keep it, and never one to come; without a zone it is UTC. Raises SaidFault."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
        aware = found and (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        aware = None
    if aware is None:
        raise SaidFault(f"found the time {text!r}, expected ISO 8601, such as 2026-11-22T08:00:00Z")
    return min(aware, datetime.now(UTC)).strftime(FORM)


def new_label(
    asked: Asked, on: tuple[str | None, str | None], says: tuple[str, str], by: tuple[str, str], blind: bool
) -> Label:
    """A decision that was made in the tool. `on`: criterion and question hash; `says`: label and note; `by`: reviewer
    and time. Raises SaidFault for one that is none.
    """
    criterion, question_hash = on
    if " ".join(plain(by[0]).split()) != by[0] or len(by[0]) > MAX_CHARS:
        raise SaidFault(f"reviewer: found {shown(by[0])}, expected at most {MAX_CHARS} visible characters on one line")
    about = {"transcript_id": asked.transcript_id, "content_hash": asked.content_hash, "criterion": criterion}
    words = {"label": says[0], "note": says[1], "reviewer": by[0]}
    when = "" if says[0] in REMARKS else by[1]  # a remark that is handed in again is the same remark
    read = {"question_hash": question_hash, "rubric_version": asked.rubric_version}
    try:
        own = {"id": digest([about, words, when])[:16], "time": by[1], "blind": blind}
        return Label.model_validate({**about, **words, **own, **read})
    except UnicodeEncodeError:
        raise SaidFault(f"found {shown(says[1])} of {shown(by[0])}, expected text that UTF-8 can hold") from None
    except ValidationError as error:
        raise SaidFault(error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")) from None


def same_words(one: str, other: str) -> bool:
    """Whether two texts differ in nothing but spaces and line ends, which tools change."""
    return one.split() == other.split()


def check_asked(asked: Asked, terms: Terms) -> None:
    """Raise SaidFault for what was exported of another domain, or by another version."""
    if (asked.version, asked.domain) != (1, terms.domain):
        raise SaidFault(
            f"found the domain {asked.domain!r} (version {asked.version}), expected {terms.domain!r} (version 1); "
            f"another one is named by --domain"
        )


def check_copy(asked: Asked, label: Label) -> None:
    """Raise SaidFault where a label that was exported is about something else than what it stands beside."""
    if (label.transcript_id, label.content_hash) != (asked.transcript_id, asked.content_hash) or label.undoes:
        raise SaidFault(
            f"the copy of the label {label.id} is about {label.transcript_id}, expected {asked.transcript_id} as "
            "exported; leave what the export wrote as it is"
        )


def shown(value: object) -> str:
    """A value as a message shows it."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."
