"""A program that trains beside us: started, followed line by line, and stopped with us."""

from __future__ import annotations

import os
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from tunewright.errors import TrainingError

LAST_LINES = 15  # of a failed program's output: what its error says
GRACE_S = 20.0  # a launcher gets this long to end its own processes


def follow(
    command: Sequence[str], heard: Callable[[str], bool], environment: Mapping[str, str], next_step: str
) -> None:
    """Run to the end; `heard` takes each line and says whether it understood it.

    Raises TrainingError with the last lines that it did not understand, where the program fails. Whatever ends us ends
    the program too: by SIGTERM first, which a launcher hands on to its processes.
    """
    last: deque[str] = deque(maxlen=LAST_LINES)
    try:
        program = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment}
        )
    except FileNotFoundError as error:
        raise TrainingError(f"{command[0]} is not installed; {next_step}") from error
    try:
        for line in program.stdout or ():
            if not heard(line) and line.strip():
                last.append(line.rstrip())
        code = program.wait()
    except BaseException:
        _end(program)
        raise
    if code:
        words = "\n  ".join(last) or "(it said nothing)"
        raise TrainingError(f"{' '.join(command)}\nended with exit code {code}:\n  {words}\n{next_step}")


def _end(program: subprocess.Popen[str]) -> None:
    program.terminate()
    try:
        program.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
