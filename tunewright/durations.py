"""How long each stage took the last time, so that a plan can tell; kept beside the reply cache, outside the DAG."""

from __future__ import annotations

import json
import os
from contextlib import suppress

from tunewright.errors import StorageError
from tunewright.locations import cache_dir
from tunewright.records import write_json

FILE = "durations.json"


def last_durations() -> dict[str, float]:
    """Seconds by stage; a file that cannot be read counts as empty: these are hints."""
    try:
        return dict(json.loads((cache_dir() / FILE).read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def note_duration(of: str, seconds: float) -> None:
    """Keep how long something took: a stage by its address, one call of a model by `call_of`."""
    if os.environ.get("TUNEWRIGHT_PLAN"):
        return
    known = last_durations() | {of: round(seconds, 3)}
    with suppress(StorageError):  # a hint that cannot be kept is no reason to fail what was done
        write_json(cache_dir() / FILE, dict(sorted(known.items())))


def call_of(model: str) -> str:
    """The name under which the mean seconds from one finished call to the next are kept."""
    return f"call of {model}"
