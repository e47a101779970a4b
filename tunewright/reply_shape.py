"""The structure of one reply: its paragraphs, lists and headings, and in which order it states and asks."""

from __future__ import annotations

import re

_PARAGRAPH = re.compile(r"\S[^\n]*(?:\n(?!\s*\n)[^\n]*)*")
_LIST_LINE = re.compile(r"^\s{0,3}(?:[-*+\u2022]|\d{1,2}[.)])\s+\S")
_HEADING = re.compile(r"^\s{0,3}(?:#{1,6}\s+\S|\*\*[^*\n]+\*\*:?\s*$)")
_SENTENCE_END = re.compile(r"[.!?\u2026]+[\"')\]\u201d\u2019*_]*(?=\s|$)")


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a text: what blank lines part."""
    return _PARAGRAPH.findall(text)


def has_list(text: str) -> bool:
    """Whether any line is a list item."""
    return any(map(_LIST_LINE.match, text.split("\n")))


def has_heading(text: str) -> bool:
    """Whether any line is a heading."""
    return any(map(_HEADING.match, text.split("\n")))


def shape(text: str) -> str:
    """What follows what: a word per paragraph, a letter per sentence: S says, Q asks, L a list.

    Headings are left out: those that name topics are no fault.
    """
    return " ".join(filter(None, map(_paragraph_shape, paragraphs(text))))


def _paragraph_shape(paragraph: str) -> str:
    kinds, prose = "", []
    for line in paragraph.split("\n"):
        if _HEADING.match(line):
            continue
        if _LIST_LINE.match(line):
            kinds += _sentences(" ".join(prose)) + ("" if kinds.endswith("L") and not prose else "L")
            prose = []
        else:
            prose.append(line)
    return kinds + _sentences(" ".join(prose))


def _sentences(prose: str) -> str:
    ends = list(_SENTENCE_END.finditer(prose))
    kinds = "".join("Q" if "?" in end.group() else "S" for end in ends)
    rest = prose[ends[-1].end() :] if ends else prose
    return kinds + ("S" if rest.strip() else "")
