"""What a person sees while a stage runs: a start line, a progress bar on a terminal, an end line."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from tunewright.durations import note_duration
from tunewright.plain import plain

console = Console(stderr=True, highlight=False, soft_wrap=True)


class Stage:
    """The lines of one running stage."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._started = time.monotonic()

    def start(self, what: str) -> None:
        """Say what is about to be done, with counts."""
        console.print(plain(f"{self.address}: {what}"), markup=False)

    def note(self, what: str) -> None:
        """Say something in between."""
        console.print(plain(f"  {what}"), markup=False)

    def end(self, what: str) -> None:
        """Say what was done, with counts, tokens and USD where they apply, and how long it took."""
        seconds = time.monotonic() - self._started
        console.print(plain(f"{self.address}: {what} ({seconds:.1f} s)"), markup=False)
        note_duration(self.address, seconds)


class Bar:
    """A counter that a progress bar follows; does nothing where there is no terminal."""

    def __init__(self, progress: Progress | None, task: int) -> None:
        self._progress, self._task = progress, task

    def advance(self, n: int = 1) -> None:
        """Count n more items."""
        if self._progress:
            self._progress.advance(self._task, n)  # type: ignore[arg-type]

    def describe(self, text: str) -> None:
        """Change the text beside the bar."""
        if self._progress:
            self._progress.update(self._task, description=text)  # type: ignore[arg-type]


class Rate(ProgressColumn):
    """Items per minute since the start."""

    def render(self, task: Task) -> Text:
        """The column's text; nothing until something is done."""
        if not task.completed or not task.elapsed:
            return Text("")
        return Text(f"{60 * task.completed / task.elapsed:.1f}/min")


class Status(ProgressColumn):
    """What else there is to say, asked of a function of the share that is done."""

    def __init__(self, say: Callable[[float], str]) -> None:
        super().__init__()
        self._say = say

    def render(self, task: Task) -> Text:
        """The column's text."""
        return Text(self._say(task.percentage / 100))


@contextmanager
def bar(what: str, total: int, say: Callable[[float], str] | None = None) -> Iterator[Bar]:
    """A progress bar over `total` items, on terminals only; `say` adds to it, from the share that is done."""
    if not sys.stderr.isatty():
        yield Bar(None, 0)
        return
    columns = [
        TextColumn("  {task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        *([Status(say)] if say else []),
    ]
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress, progress.add_task(what, total=total))


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """A line that says what is being done, on terminals only; call it with the part in hand."""
    if not sys.stderr.isatty():
        yield lambda part: None
        return
    with console.status(what) as status:
        yield lambda part: status.update(f"{what}: {part}")


DIFFERENCE_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def show_difference(lines: Iterable[str]) -> None:
    """A unified diff on standard output, coloured where that is a terminal."""
    out = Console(highlight=False, soft_wrap=True)
    for line in lines:
        out.print(plain(line.rstrip("\n")), style=DIFFERENCE_STYLES.get(line[:1], ""), markup=False)
