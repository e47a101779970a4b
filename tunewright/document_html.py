"""The blocks of a document as one self-contained HTML page: styles and figures inside, no script, nothing fetched.

All text is escaped here; a page works with scripts off, in the dark, on a phone and on paper (document_style).
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence

from tunewright.document import (
    Answers,
    Block,
    Bullets,
    Code,
    Contents,
    Figure,
    Fold,
    Heading,
    SideBySide,
    Table,
    Text,
    Verdict,
    numeric_columns,
    plain,
)
from tunewright.document_style import CSS


def to_html(blocks: Sequence[Block], title: str) -> str:
    """The document as one HTML page."""
    body = "\n".join(_contents(blocks) if isinstance(block, Contents) else _html(block) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; """
        """img-src data:">\n"""
        f"<title>{_h(title)}</title>\n<style>\n{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _h(text: str) -> str:
    return html.escape(plain(text), quote=True)


def anchor(text: str) -> str:
    """The id of a heading: letters and digits, joined by hyphens."""
    return "-".join(re.findall(r"[a-z0-9]+", text.lower())) or "section"


def _contents(blocks: Sequence[Block]) -> str:
    titles = [block.text for block in blocks if isinstance(block, Heading) and block.level == 2]
    links = "\n".join(f'<a href="#{anchor(title)}">{_h(title)}</a>' for title in titles)
    return f'<nav aria-label="Sections">\n{links}\n</nav>'


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            mark = f' id="{anchor(text)}"' if level == 2 else ""
            return f"<h{level}{mark}>{_h(text)}</h{level}>"
        case Text(text, kind):
            return f'<p class="{_h(kind)}">{_h(text)}</p>' if kind else f"<p>{_h(text)}</p>"
        case Verdict(label, text, good):
            return f'<p class="verdict {"good" if good else "open"}"><strong>{_h(label)}</strong> {_h(text)}</p>'
        case Answers(items):
            rows = "".join(f"<div><dt>{_h(asked)}</dt><dd>{_h(told)}</dd></div>" for asked, told in items)
            return f'<dl class="answers">{rows}</dl>'
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{_h(item)}</li>" for item in items) + "</ul>"
        case Table(head, rows):
            return _table(head, rows)
        case Figure(_, png, alt, caption):
            return _figure(png, alt, caption)
        case Code(text):
            return f"<pre><code>{_h(text)}</code></pre>"
        case SideBySide():
            return _turns(block)
        case Fold(summary, inner):
            shown = "\n".join(_html(one) for one in inner)
            return f"<details><summary>{_h(summary)}</summary>\n{shown}\n</details>"
        case Contents():
            raise ValueError("contents stand at the top level of a document, not inside another block")


def _figure(png: bytes, alt: str, caption: str) -> str:
    """The image in its own size, so that the page does not jump: a PNG's header holds width and height."""
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    data = base64.b64encode(png).decode("ascii")
    image = f'<img alt="{_h(alt)}" width="{width}" height="{height}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{_h(caption)}</figcaption></figure>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    marks = [' class="number"' if right else "" for right in numeric_columns(len(head), rows)]
    top = "".join(f'<th scope="col"{mark}>{_h(cell)}</th>' for mark, cell in zip(marks, head, strict=True))
    cells = ["".join(f"<td{m}>{_h(cell)}</td>" for m, cell in zip(marks, row, strict=True)) for row in rows]
    body = "\n".join(f"<tr>{row}</tr>" for row in cells)
    table = f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table>"
    return f'<div class="wide" tabindex="0">{table}</div>'  # tabindex: the keyboard can scroll it


def _turns(block: SideBySide) -> str:
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
