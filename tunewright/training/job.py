"""One training as data: what goes in, what is heard of it on the way, what comes out.

The same wherever it runs. `write_job` puts one into a folder, for another process or another machine to read; the
tokens and labels go along, so that no other place builds them again (and differently).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from tunewright.chat_labels import Labelled
from tunewright.records import read_json, write_json, write_text
from tunewright.terminal import Stage
from tunewright.training.settings import Settings


@dataclass(frozen=True)
class Job:
    """`base` is a model folder; `folder` keeps what a killed training goes on from, outside the DAG."""

    settings: Settings
    examples: Sequence[Labelled]
    valid: Sequence[Labelled]
    base: Path
    folder: Path


@dataclass(frozen=True)
class Event:
    """What a training says while it runs: the optimizer step just done of `total`, the newest loss in nats a token."""

    step: int
    total: int
    loss: float | None = None
    note: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a training measured. `history`: rows with step, epoch, loss, learning_rate; losses in nats a token."""

    history: Sequence[dict[str, Any]]
    steps: int
    loss_before: float | None  # on the validation examples; None without any
    loss_after: float | None
    peak_gib: float | None  # None where the place cannot say


Report = Callable[[Event], None]


class Trainer(Protocol):
    """A place where a training can run."""

    def check(self, settings: Settings) -> None:
        """Raise TrainingError, naming what is missing and the next command, before anything is spent."""
        ...

    def train(self, job: Job, stage: Stage, target: Path) -> Outcome:
        """Train or go on training; writes the adapter in peft's format into the folder `target`."""
        ...


def write_job(job: Job, folder: Path) -> None:
    """Settings and labelled examples as JSON files; `read_job` reads them back."""
    write_json(folder / "settings.json", job.settings.model_dump(mode="json"))
    for name, examples in (("train", job.examples), ("valid", job.valid)):
        write_text(folder / f"{name}.json", json.dumps([asdict(one) for one in examples]))


def read_job(folder: Path, base: Path, checkpoints: Path) -> Job:
    """The job that `write_job` wrote."""
    examples, valid = ([Labelled(**row) for row in read_json(folder / f"{name}.json")] for name in ("train", "valid"))
    return Job(Settings.model_validate(read_json(folder / "settings.json")), examples, valid, base, checkpoints)
