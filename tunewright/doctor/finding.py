"""One thing that was looked at, and how the whole list is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.text import Text

from tunewright.config import PARAMS
from tunewright.errors import TunewrightError
from tunewright.plain import plain

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
    """What a look finds; an error is a fault too, and a TunewrightError's message already says what to do."""
    try:
        yield from look()
    except TunewrightError as error:
        yield Finding(subject, "fault", str(error))
    except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        found = f"this could not be looked at: {type(error).__name__}: {error}"
        yield Finding(subject, "fault", found, f"see that {PARAMS} is what conf/ composes to: make params")


def show(findings: Sequence[Finding], console: Console) -> None:
    """One line a finding, what to do below it; nothing that a file or a server said steers the terminal."""
    width = max(len(one.subject) for one in findings)
    for one in findings:
        state = (f"{one.state:<6}", STYLES[one.state])
        console.print(Text.assemble(state, f"{one.subject:<{width}}  ", plain(one.found)))
        if one.do:
            console.print(Text(f"{'':6}{'':{width}}  -> {plain(one.do)}"))
