"""Training checkpoints, outside the DAG: what lets an interrupted training go on.

DVC deletes a stage's outputs before it runs, so checkpoints lie in the cache under a digest of everything that decides
the training: configuration, data and base. Other data or another learning rate can never resume each other's run.
A checkpoint counts when it holds the marker that is written after all its files: a kill leaves a half-written one.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

from tunewright.locations import cache_dir
from tunewright.records import digest

MARKER = "complete"


def training_dir(*decides: Any) -> Path:
    """The directory of one training's checkpoints; `decides` are JSON values."""
    return cache_dir() / "training" / digest(list(decides))[:32]


def step_of(checkpoint: Path) -> int:
    """The optimizer step in a checkpoint directory's name (`checkpoint-120`), or -1."""
    found = re.fullmatch(r"checkpoint-(\d+)", checkpoint.name)
    return int(found.group(1)) if found else -1


def mark_complete(checkpoint: Path) -> None:
    """Say that every file of a checkpoint is on the disk."""
    for path in checkpoint.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    (checkpoint / MARKER).touch()


def newest_complete(folder: Path) -> Path | None:
    """The newest complete checkpoint; half-written ones are removed on the way, so that nothing else picks them up."""
    complete = []
    for checkpoint in folder.glob("checkpoint-*"):
        if (checkpoint / MARKER).exists():
            complete.append(checkpoint)
        else:
            shutil.rmtree(checkpoint)
    return max(complete, key=step_of, default=None)


def steps_between(steps_per_epoch: int, checkpoints_per_epoch: int) -> int:
    """Optimizer steps from one checkpoint to the next, at least 1."""
    return max(1, steps_per_epoch // max(1, checkpoints_per_epoch))
