"""What became of the limits on requests at once, for a person who asks why a run was slow."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from tunewright.limits import AdaptiveLimit
from tunewright.locations import cache_dir
from tunewright.service import Service
from tunewright.terminal import console

STARTED = time.monotonic()  # of this process


def write_log(services: Iterable[tuple[str, Service]]) -> None:
    """Append every change of this process to log/limits.jsonl in the cache folder, and print one line a model."""
    path = cache_dir() / "log" / "limits.jsonl"
    for model, service in services:
        limit = service.line.limit
        if not limit.history:
            continue
        where = f"all changes: {path}"
        try:
            _append(path, model, limit)
        except OSError as error:  # of a full disk and its like: no reason to hide what the run ended with
            where = f"not logged: {error.strerror}"
        console.print(f"  limit of {model}: {summary(limit)} ({where})", markup=False)
        limit.history.clear()


def _append(path: Path, model: str, limit: AdaptiveLimit) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for change in limit.history:
            row = {"pid": os.getpid(), "at_s": round(change.at_s - STARTED, 2), "model": model}
            file.write(json.dumps(row | {"old": change.old, "new": change.new, "why": change.why}) + "\n")


def summary(limit: AdaptiveLimit) -> str:
    """The first cut, how many there were, and where the limit stands."""
    first = limit.history[0]
    cuts = "once" if len(limit.history) == 1 else f"{len(limit.history)} times"
    return (
        f"{first.old} -> {first.new} at {first.at_s - STARTED:.0f} s ({first.why}), cut {cuts}, now {limit.limit} of "
        f"{limit.ceiling}"
    )
