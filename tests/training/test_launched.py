"""A program that trains beside us: its lines are heard, its failure is told, and it ends with us."""

from __future__ import annotations

import sys
import time

import pytest

from tunewright.errors import TrainingError
from tunewright.training.launched import LAST_LINES, follow


def program(text: str) -> list[str]:
    return [sys.executable, "-S", "-c", text]


def test_every_line_is_heard_in_order_with_the_environment_that_was_asked_for() -> None:
    lines: list[str] = []
    text = "import os, sys; print('one', flush=True); print(os.environ['TW_X'], file=sys.stderr)"
    follow(program(text), lambda line: lines.append(line) is None, {"TW_X": "two"}, "Try again.")
    assert lines == ["one\n", "two\n"]


def test_a_failure_tells_its_last_words_without_what_was_understood() -> None:
    text = (
        f"print('event 1'); [print('word', i) for i in range({LAST_LINES + 1})]; print('event 2'); raise SystemExit(3)"
    )
    with pytest.raises(TrainingError) as caught:
        follow(program(text), lambda line: line.startswith("event"), {}, "Try again.")
    said = str(caught.value).splitlines()
    assert said[-1] == "Try again."
    assert "ended with exit code 3" in said[-2 - LAST_LINES]
    assert [line.strip() for line in said[-1 - LAST_LINES : -1]] == [f"word {i}" for i in range(1, LAST_LINES + 1)]


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(TrainingError, match="no-such-program is not installed; Install it."):
        follow(["no-such-program"], lambda line: True, {}, "Install it.")


def test_whatever_ends_us_ends_the_program(tmp_path) -> None:
    text = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(tmp_path / 'ended')!r}).touch(), sys.exit(1)))\n"
        "print('started', flush=True)\n"
        "time.sleep(60)"
    )

    def heard(line: str) -> bool:
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        follow(program(text), heard, {}, "")
    assert (tmp_path / "ended").exists() and time.monotonic() - started < 50
