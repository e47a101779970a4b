"""Whether a text quotes a conversation: a run of its words, a number of it, or its id. Pure.

A run of words that conversations which stay have too is nobody's own and is no quotation.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Iterator

RUN_WORDS = 5  # as long as a shared run must be to be a quotation; a shorter message counts whole
SHORTEST_WORDS = 4  # of a message that counts whole
DIGITS = 4  # a number with so many digits is somebody's: of an order, a telephone, a house and postcode
WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")  # of JSON and Markdown

Run = tuple[str, ...]


class Fragments:
    """What is somebody's own: of `messages`, without what `kept` messages say too, and `ids`."""

    def __init__(self, messages: Iterable[str], kept: Iterable[str], ids: Collection[str]) -> None:
        own = {run for message in messages for run in _own_runs(_words(message))}
        self._sizes = sorted({len(run) for run in own})
        for message in kept if own else ():
            own -= set(_runs(_words(message), self._sizes))
        self._own = own
        names = "|".join(re.escape(id) for id in sorted(ids, key=len, reverse=True))
        self._ids = (
            re.compile(rf"""(?:["'`:\[,] ?)(?:{names})(?:@\d+)?(?=["'`,\]]|\s*$)""", re.MULTILINE) if ids else None
        )

    def quoted(self, text: str) -> str | None:
        """The first fragment that a text holds, None without one."""
        if self._ids and (found := self._ids.search(text)):
            return found[0].strip("\"'`:[, ")
        return next((" ".join(run) for run in _runs(_words(text), self._sizes) if run in self._own), None)


def _own_runs(words: list[str]) -> Iterator[Run]:
    if len(words) >= RUN_WORDS:
        yield from _runs(words, [RUN_WORDS])
    elif len(words) >= SHORTEST_WORDS:
        yield tuple(words)
    yield from ((word,) for word in words if sum(map(str.isdigit, word)) >= DIGITS)


def _runs(words: list[str], sizes: Iterable[int]) -> Iterator[Run]:
    for size in sizes:
        yield from zip(*(words[start:] for start in range(size)), strict=False)


def _words(text: str) -> list[str]:
    """The words of a text, in lower case, whatever escapes stand in it."""
    if "\\" in text:
        text = ESCAPED.sub(_plain, text)
    return [word.lower().replace("\u2019", "'") for word in WORD.findall(html.unescape(text) if "&" in text else text)]


def _plain(escape: re.Match[str]) -> str:
    code = escape[1]
    if len(code) == 5:
        return chr(int(code[1:], 16))
    return " " if code in "nrt" else code
