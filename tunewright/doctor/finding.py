"""One thing that was looked at, and how the whole list is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.text import Text

from tunewright.errors import TunewrightError

State = Literal["ok", "note", "fault"]  # a note stops nothing; a fault stops what `subject` is about
STYLES: dict[State, str] = {"ok": "green", "note": "yellow", "fault": "bold red"}


@dataclass(frozen=True)
class Finding:
    """What was found about a subject, and the next command or step where there is something to do."""

    subject: str
    state: State
    found: str
    do: str = ""


def caught(subject: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a look finds; a TunewrightError is a fault whose message already says what to do."""
    try:
        yield from look()
    except TunewrightError as error:
        yield Finding(subject, "fault", str(error))


def show(findings: Sequence[Finding], console: Console) -> None:
    """One line a finding, what to do below it."""
    width = max(len(one.subject) for one in findings)
    for one in findings:
        console.print(Text.assemble((f"{one.state:<6}", STYLES[one.state]), f"{one.subject:<{width}}  ", one.found))
        if one.do:
            console.print(Text(f"{'':6}{'':{width}}  -> {one.do}"))
