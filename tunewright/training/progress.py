"""What a person sees of a training: a bar on a terminal, else a line every tenth of the way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tunewright.terminal import Bar, Stage, bar
from tunewright.training.job import Event, Report


@contextmanager
def following(stage: Stage) -> Iterator[Report]:
    """Within: a function that takes each Event of one training."""
    with ExitStack() as stack:
        shown: Bar | None = None
        at = said = -1

        def report(event: Event) -> None:
            nonlocal shown, at, said
            if shown is None:
                shown, at = stack.enter_context(bar("training", event.total)), 0
            shown.advance(event.step - at)
            at = event.step
            if event.note:
                stage.note(event.note)
            if event.loss is None:
                return
            shown.describe(f"training, loss {event.loss:.3f}")
            tenth = 10 * event.step // max(1, event.total)
            if tenth > said and not sys.stderr.isatty():
                said = tenth
                stage.note(f"step {event.step}/{event.total}: loss {event.loss:.3f}")

        yield report
