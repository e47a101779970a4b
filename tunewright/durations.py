"""How long each stage took the last time, so that a plan can tell; kept beside the reply cache, outside the DAG."""

from __future__ import annotations

import os
from contextlib import suppress

from pydantic import FiniteFloat, TypeAdapter

from tunewright.errors import StorageError
from tunewright.locations import cache_dir
from tunewright.records import write_json

FILE = "durations.json"
_KNOWN = TypeAdapter(dict[str, FiniteFloat])


def last_durations() -> dict[str, float]:
    """Seconds by stage; a file that cannot be read counts as empty: these are hints."""
    try:
        return _KNOWN.validate_json((cache_dir() / FILE).read_bytes())
    except (OSError, ValueError, StorageError):
        return {}


def note_duration(of: str, seconds: float) -> None:
    """Keep how long something took: a stage by its address, one call of a model by `call_of`."""
    if os.environ.get("TUNEWRIGHT_PLAN"):
        return
    known = last_durations() | {of: round(seconds, 3)}
    with suppress(OSError, StorageError):  # a hint that cannot be kept is no reason to fail what was done
        write_json(cache_dir() / FILE, dict(sorted(known.items())))


def call_of(model: str) -> str:
    """The name under which the mean seconds from one finished call to the next are kept."""
    return f"call of {model}"
