"""A small document that is written twice: as Markdown here, as one self-contained HTML page by document_html.

All text in a block is plain text and is escaped by the writer, so that nothing a model or a user wrote can become
markup, in either form. Same blocks, same bytes: no dates, no random ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tunewright.plain import plain

MD_SPECIAL = re.compile(r"[\\`*_\[\]|<>~&$@]|:(?=//)|(?<=\bwww)\.", re.IGNORECASE)
MD_STARTS = re.compile(r"^(?=[#+=-])|^(\d+)(?=[.)])")  # what begins a heading, a list or a rule
NUMBER = re.compile(r"^[+\u2212-]?\d[\d,]*(?:\.\d+)?%?(?: (?:to|of|->) .*)?$|^-$")


@dataclass(frozen=True)
class Heading:
    """A section title; level 1 is the document's."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph. `kind` "lead" is larger, "note" smaller, "warning" set off."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Verdict:
    """The decision, set off, with its reason."""

    label: str
    text: str
    good: bool


@dataclass(frozen=True)
class Answers:
    """Questions with a short answer each: what a reader wants to know first."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Bullets:
    """A list of plain lines."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Cells are text already formatted; columns of numbers are set flush right."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Figure:
    """A PNG. `path` is where the Markdown finds it, relative to itself; the HTML carries the bytes."""

    path: str
    png: bytes
    alt: str
    caption: str


@dataclass(frozen=True)
class Code:
    """Commands, as they are typed."""

    text: str


@dataclass(frozen=True)
class Turn:
    """One step of two conversations: what was asked on each side, and both replies."""

    left_user: str
    right_user: str
    left: str
    right: str


@dataclass(frozen=True)
class SideBySide:
    """Two conversations next to each other; `first` is the number of the first turn that is shown."""

    left_title: str
    right_title: str
    turns: Sequence[Turn] = field(default_factory=tuple)
    first: int = 1


@dataclass(frozen=True)
class Fold:
    """What a reader of the page opens when they want it; Markdown shows it open."""

    summary: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Contents:
    """Links to the sections (headings of level 2) that follow; in Markdown nothing, its readers have their own."""


Block = Heading | Text | Verdict | Answers | Bullets | Table | Figure | Code | SideBySide | Fold | Contents


def md_escape(text: str, in_cell: bool = False) -> str:
    """Text as Markdown that shows it literally, on one line: no markup, HTML, link, mention or table break."""
    safe = MD_SPECIAL.sub(r"\\\g<0>", " ".join(plain(text).split()))
    return safe if in_cell else MD_STARTS.sub(r"\1\\", safe)


def md_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table of cells that are safe already; numbers flush right."""
    cells = [[str(cell) for cell in row] for row in rows]
    marks = ["---:" if right else "---" for right in numeric_columns(len(head), cells)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [list(head), marks, *cells])


def to_markdown(blocks: Sequence[Block]) -> str:
    """The document as Markdown."""
    return "\n\n".join(_all_markdown(blocks)) + "\n"


def _all_markdown(blocks: Iterable[Block]) -> list[str]:
    return [text for text in map(_markdown, blocks) if text]


def numeric_columns(width: int, rows: Sequence[Sequence[str]]) -> list[bool]:
    """Which columns hold nothing but numbers."""
    columns = [[row[i].replace("\\", "") for row in rows] for i in range(width)]
    return [bool(column) and all(NUMBER.match(cell) for cell in column) for column in columns]


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {md_escape(text)}"
        case Text(text, kind):
            return f"> **Note.** {md_escape(text)}" if kind == "warning" else md_escape(text)
        case Verdict(label, text, _):
            return f"**Decision: {md_escape(label)}.** {md_escape(text)}"
        case Answers(items):
            return "\n\n".join(f"**{md_escape(asked)}** {md_escape(told)}" for asked, told in items)
        case Bullets(items):
            return "\n".join(f"- {md_escape(item)}" for item in items)
        case Table(head, rows):
            return md_table([md_escape(c, True) for c in head], [[md_escape(c, True) for c in row] for row in rows])
        case Figure(path, _, alt, caption):
            return f"![{md_escape(alt)}]({path})\n\n*{md_escape(caption)}*"
        case Code(text):
            return f"```\n{text}\n```"
        case SideBySide():
            return "\n\n".join(_markdown_turns(block))
        case Fold(summary, inner):
            return "\n\n".join([f"**{md_escape(summary)}**", *_all_markdown(inner)])
        case Contents():
            return ""


def _markdown_turns(block: SideBySide) -> Iterable[str]:
    for number, turn in enumerate(block.turns, block.first):
        same = turn.left_user == turn.right_user
        yield from (
            [_quote(f"User, {number}", turn.left_user)]
            if same
            else [
                _quote(f"User of {block.left_title}, {number}", turn.left_user),
                _quote(f"User of {block.right_title}, {number}", turn.right_user),
            ]
        )
        yield _quote(block.left_title, turn.left)
        yield _quote(block.right_title, turn.right)


def _quote(who: str, said: str) -> str:
    lines = [md_escape(line) for line in plain(said).split("\n")]
    return "\n>\n".join([f"> **{md_escape(who)}**", *(f"> {line}" for line in lines if line)])
