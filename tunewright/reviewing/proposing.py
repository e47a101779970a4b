"""From a reader's decision to a calibration example: reviews/<domain>/proposed_calibration.yaml.

The file has the form of the `examples:` of conf/domain/<id>/calibration.yaml, so that a person can move an example over
by copying it. It is written whole, under a lock, and read back first: it parses at any time, or nothing is written.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tunewright.calibration import ANSWERS, CalibrationExample
from tunewright.config import Config, load_file
from tunewright.errors import StorageError
from tunewright.records import Answer, Transcript, write_text

PROPOSED = "proposed_calibration.yaml"
LABELS: Mapping[Answer, str] = {answer: label for label, answer in ANSWERS.items()}
WIDTH = 120
HEADER = """\
# Calibration examples that readers proposed in `tunewright review`; this file alone changes nothing.
# To use one: copy it to `examples:` of {target}, under its criterion, then delete it here and run:
# dvc repro design-calibrate
"""


class Proposed(Config):
    """All of proposed_calibration.yaml."""

    examples: dict[str, tuple[CalibrationExample, ...]]


def example_of(
    talk: Transcript, answer: Answer, reason: str, borderline: bool, until: int | None
) -> CalibrationExample:
    """The example, written out, up to the exchange `until` (from 1); raises ValueError with a person's words."""
    if until is not None and not 1 <= until <= len(talk.exchanges):
        raise ValueError(f"there is no exchange {until}; the conversation has {len(talk.exchanges)}")
    turns = [{"user": e.user, "assistant": e.assistant} for e in talk.exchanges[:until]]
    fields = {"label": LABELS[answer], "borderline": borderline, "reason": " ".join(reason.split()), "exchanges": turns}
    try:
        return CalibrationExample.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["loc"][0] == "reason":
            raise ValueError("say in the reason, in ten characters or more, why that answer is right") from None
        raise ValueError("a message of it is empty, which no example may have: end the example before it") from None


def propose(folder: Path, target: str, criterion: str, example: CalibrationExample) -> int:
    """Add an example, or put it in the place of one on the same words; returns how many the criterion has then.

    `target`: the calibration file that it is meant for. Raises ConfigError where somebody edited the file so that it
    no longer parses, StorageError where nothing can be written.
    """
    path = folder / PROPOSED
    try:
        with _alone(folder):
            known = dict(load_file(path, Proposed).examples) if path.exists() else {}
            others = [e for e in known.get(criterion, ()) if e.exchanges != example.exchanges]
            known[criterion] = (*others, example)
            write_text(path, text_of(known, target))
    except OSError as error:  # of its lock; write_text raises StorageError
        raise StorageError(f"{path}: not written ({error}); the example is not kept") from None
    return len(known[criterion])


def text_of(examples: Mapping[str, tuple[CalibrationExample, ...]], target: str) -> str:
    """The file's text: whatever the messages hold, it reads back as the same examples."""
    fields = {name: [_fields(e) for e in found] for name, found in examples.items()}
    body = yaml.safe_dump({"examples": fields}, sort_keys=False, allow_unicode=True, width=WIDTH)
    return HEADER.format(target=target) + body


def _fields(example: CalibrationExample) -> dict[str, Any]:
    """An example as design files write it: nothing that is left at what it would be anyway."""
    found = example.model_dump(mode="json", exclude_defaults=True)
    return {key: found[key] for key in (*(k for k in found if k != "exchanges"), "exchanges")}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time, by a lock on the folder: the file itself is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
