"""A small document that is written twice: as Markdown and as one self-contained HTML page.

All text in a block is plain text and is escaped by the writer, so that nothing a model or a user wrote can become
markup, in either form. Same blocks, same bytes: no dates, no random ids.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tunewright.document_style import CSS

MD_SPECIAL = re.compile(r"[\\`*_\[\]|<>~&$@]|:(?=//)|(?<=\bwww)\.", re.IGNORECASE)
MD_STARTS = re.compile(r"^(?=[#+=-])|^(\d+)(?=[.)])")  # what begins a heading, a list or a rule
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
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
    """Two conversations next to each other."""

    left_title: str
    right_title: str
    turns: Sequence[Turn] = field(default_factory=tuple)


Block = Heading | Text | Verdict | Bullets | Table | Figure | Code | SideBySide


def plain(text: str) -> str:
    """Text with control, zero-width and direction-changing characters shown as U+FFFD; line ends as newline."""
    return UNSAFE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def md_escape(text: str, in_cell: bool = False) -> str:
    """Text as Markdown that shows it literally, on one line: no markup, HTML, link, mention or table break."""
    safe = MD_SPECIAL.sub(r"\\\g<0>", " ".join(plain(text).split()))
    return safe if in_cell else MD_STARTS.sub(r"\1\\", safe)


def md_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table of cells that are safe already; numbers flush right."""
    cells = [[str(cell) for cell in row] for row in rows]
    marks = ["---:" if right else "---" for right in _numeric(len(head), cells)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [list(head), marks, *cells])


def to_markdown(blocks: Sequence[Block]) -> str:
    """The document as Markdown."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def to_html(blocks: Sequence[Block], title: str) -> str:
    """The document as one HTML page: styles and figures inside, no script, nothing fetched."""
    body = "\n".join(_html(block) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; """
        """img-src data:">\n"""
        f"<title>{_h(title)}</title>\n<style>\n{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _numeric(width: int, rows: Sequence[Sequence[str]]) -> list[bool]:
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


def _markdown_turns(block: SideBySide) -> Iterable[str]:
    for number, turn in enumerate(block.turns, 1):
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


def _h(text: str) -> str:
    return html.escape(plain(text), quote=True)


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_h(text)}</h{level}>"
        case Text(text, kind):
            return f'<p class="{_h(kind)}">{_h(text)}</p>' if kind else f"<p>{_h(text)}</p>"
        case Verdict(label, text, good):
            return f'<p class="verdict {"good" if good else "open"}"><strong>{_h(label)}</strong> {_h(text)}</p>'
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{_h(item)}</li>" for item in items) + "</ul>"
        case Table(head, rows):
            return _html_table(head, rows)
        case Figure(_, png, alt, caption):
            data = base64.b64encode(png).decode("ascii")
            image = f'<img alt="{_h(alt)}" src="data:image/png;base64,{data}">'
            return f"<figure>{image}<figcaption>{_h(caption)}</figcaption></figure>"
        case Code(text):
            return f"<pre><code>{_h(text)}</code></pre>"
        case SideBySide():
            return _html_turns(block)


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    marks = [' class="number"' if right else "" for right in _numeric(len(head), rows)]
    top = "".join(f"<th{mark}>{_h(cell)}</th>" for mark, cell in zip(marks, head, strict=True))
    cells = ["".join(f"<td{m}>{_h(cell)}</td>" for m, cell in zip(marks, row, strict=True)) for row in rows]
    body = "\n".join(f"<tr>{row}</tr>" for row in cells)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _html_turns(block: SideBySide) -> str:
    parts = ['<div class="talk">']
    for turn in block.turns:
        if turn.left_user == turn.right_user:
            parts.append(_bubble("user both", "User", turn.left_user))
        else:
            parts.append(_bubble("user", f"User of {block.left_title}", turn.left_user))
            parts.append(_bubble("user", f"User of {block.right_title}", turn.right_user))
        parts.append(_bubble("left", block.left_title, turn.left))
        parts.append(_bubble("right", block.right_title, turn.right))
    return "\n".join([*parts, "</div>"])


def _bubble(kind: str, who: str, said: str) -> str:
    return f'<div class="{kind}"><b>{_h(who)}</b><p dir="auto">{_h(said) or "(nothing)"}</p></div>'
