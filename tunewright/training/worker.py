"""A training in another process or on another machine: reads a job's folder, says events as lines, writes the adapter.

`python -m tunewright.training.worker JOB BASE CHECKPOINTS TARGET`; JOB is a folder that `write_job` made. Each event is
a line of JSON on standard output behind `MARK`, among whatever else the libraries print; `event_of` reads one back. The
outcome lies beside the adapter in TARGET/outcome.json, which the reader takes away.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tunewright.quiet import quiet_libraries
from tunewright.records import read_json, write_json
from tunewright.training.job import Event, Outcome, read_job
from tunewright.training.processes import first
from tunewright.training.tuning import tune

MARK = "tunewright-event "
OUTCOME = "outcome.json"


def say(event: Event) -> None:
    """One event as a line; of several processes only the first speaks."""
    if first():
        print(MARK + json.dumps(asdict(event)), flush=True)


def event_of(line: str) -> Event | None:
    """The event that a line of a worker's output holds, or None."""
    return Event(**json.loads(line.split(MARK, 1)[1])) if MARK in line else None


def take_outcome(target: Path) -> Outcome:
    """The outcome that a worker left beside its adapter; it is removed there."""
    outcome = Outcome(**read_json(target / OUTCOME))
    (target / OUTCOME).unlink()
    return outcome


def work(arguments: Sequence[str]) -> None:
    """Train the job and write adapter and outcome."""
    folder, base, checkpoints, target = (Path(a) for a in arguments)
    with quiet_libraries():
        outcome = tune(read_job(folder, base, checkpoints), say, target)
    if first():
        write_json(target / OUTCOME, asdict(outcome))


if __name__ == "__main__":
    work(sys.argv[1:])
