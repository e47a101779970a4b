"""A Markdown page as what it holds: headings, links, code spans and fenced blocks, each with its line."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt

FRONTMATTER = re.compile(r"\A---\n(.*?)^---\n", re.MULTILINE | re.DOTALL)
SHELLS = ("bash", "sh", "console")


@dataclass(frozen=True)
class Piece:
    """A link, a code span or a command line, and where it stands."""

    text: str
    line: int  # from 1


@dataclass(frozen=True)
class Heading:
    title: str
    level: int
    line: int


@dataclass(frozen=True)
class Page:
    """A page of a skill; lines are those of the file, frontmatter included."""

    path: Path
    text: str

    @cached_property
    def frontmatter(self) -> str | None:
        found = FRONTMATTER.match(self.text)
        return found[1] if found else None

    @cached_property
    def body(self) -> str:
        """The page without frontmatter, which is left as empty lines."""
        found = FRONTMATTER.match(self.text)
        return "\n" * found[0].count("\n") + self.text[found.end() :] if found else self.text

    @cached_property
    def tokens(self) -> list:
        return MarkdownIt("commonmark").enable("table").parse(self.body)

    @cached_property
    def headings(self) -> list[Heading]:
        pairs = zip(self.tokens, self.tokens[1:], strict=False)
        return [
            Heading(inside.content, int(opened.tag[1]), opened.map[0] + 1)
            for opened, inside in pairs
            if opened.type == "heading_open"
        ]

    @cached_property
    def anchors(self) -> set[str]:
        """What `#anchor` may be: headings as GitHub names them, repeated ones with -1, -2."""
        seen: Counter[str] = Counter()
        found = set()
        for heading in self.headings:
            name = slug(heading.title)
            found.add(f"{name}-{seen[name]}" if seen[name] else name)
            seen[name] += 1
        return found

    @cached_property
    def spans(self) -> list[Piece]:
        return self._inline("code_inline", lambda token: token.content)

    @cached_property
    def links(self) -> list[Piece]:
        return self._inline("link_open", lambda token: token.attrs["href"])

    def _inline(self, kind: str, text) -> list[Piece]:
        """Pieces of one kind; a block's pieces are looked for line by line, in order."""
        found = []
        for block in (token for token in self.tokens if token.type == "inline"):
            line = block.map[0] + 1
            for token in block.children:
                if token.type in ("softbreak", "hardbreak"):
                    line += 1
                elif token.type == kind:
                    found.append(Piece(text(token), line))
        return found

    @cached_property
    def commands(self) -> list[Piece]:
        """The lines of shell blocks; a line that ends in a backslash goes on."""
        return [
            piece
            for block in self.tokens
            if block.type == "fence" and block.info.split(" ")[0] in SHELLS
            for piece in _command_lines(block.content, block.map[0] + 2)
        ]

    def section(self, heading: Heading) -> tuple[int, int]:
        """The lines under a heading, up to the next one of its level or above."""
        later = (h.line for h in self.headings if h.line > heading.line and h.level <= heading.level)
        return heading.line, next(later, len(self.text.splitlines()) + 1)


def read_page(path: Path) -> Page:
    return Page(path, path.read_text("utf-8"))


def slug(title: str) -> str:
    """GitHub's anchor of a heading: lower case, words joined by hyphens, punctuation gone."""
    return re.sub(r"[^\w\- ]", "", title.lower().replace("`", "")).strip().replace(" ", "-")


def _command_lines(block: str, first: int) -> list[Piece]:
    found, begun, start = [], "", first
    for number, line in enumerate(block.splitlines(), first):
        start = start if begun else number
        begun += re.sub(r"\s+#\s.*$", "", line.strip()).removesuffix("\\")
        if not line.rstrip().endswith("\\"):
            if begun and not begun.startswith("#"):
                found.append(Piece(begun, start))
            begun = ""
    return found
