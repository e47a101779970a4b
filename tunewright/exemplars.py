"""What an assistant prompt shows and says of itself: its annotated exemplars, and the rubric it was checked against."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tunewright.records import Exchange
from tunewright.rubric import Rubric
from tunewright.verdict_rules import failed_measures

STAMP = re.compile(r"\A\{#\s*checked against rubric ([0-9a-f]+)\s*#\}\n?")  # the first line
TURN = re.compile(r"^(User|Assistant|Why):\s*")


class Exemplar(NamedTuple):
    """A piece of good work in the prompt: its exchanges, why it is good, and its first line."""

    exchanges: tuple[Exchange, ...]
    why: str
    opening: str


def stamp(rubric: Rubric) -> str:
    """The first line of an assistant prompt: the rubric that it was checked against."""
    return f"{{# checked against rubric {rubric.fingerprint} #}}\n"


def stamped(text: str, rubric: Rubric) -> str:
    """An assistant prompt with the stamp of this rubric in place of the one it has."""
    return stamp(rubric) + STAMP.sub("", text)


def checked_against(text: str) -> str | None:
    """The fingerprint in an assistant prompt's first line; None without one."""
    found = STAMP.match(text)
    return found[1] if found else None


def exemplars(text: str) -> list[Exemplar]:
    """The pieces in the form `User:` and `Assistant:` (once or more), then `Why:`; a blank line ends a piece."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        turns: list[tuple[str, str]] = []
        for line in paragraph.strip().splitlines():
            if turn := TURN.match(line):
                turns.append((turn[1], line[turn.end() :]))
            elif turns:
                turns[-1] = (turns[-1][0], f"{turns[-1][1]} {line}")
        said = [(who, words) for who, words in turns if who != "Why"]
        if said and said[0][0] == "User":
            pairs = zip(said[::2], said[1::2], strict=False)
            exchanges = tuple(Exchange(user=user[1], assistant=reply[1]) for user, reply in pairs)
            found.append(Exemplar(exchanges, dict(turns).get("Why", ""), said[0][1]))
    return found


def exemplar_faults(exchanges: Sequence[Exchange], rubric: Rubric) -> list[str]:
    """The measured criteria that an exemplar fails, of those that its length allows."""
    failed = failed_measures(exchanges, rubric)
    return [f"the exemplar {exchanges[0].assistant[:50]!r} fails {c} ({why})" for c, why in failed.items()]
