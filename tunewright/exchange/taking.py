"""Reading a file that another tool saved, and what a person is told of it before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from tunewright.errors import MissingInputError
from tunewright.exchange.arriving import Arrival, take_contradictions_out
from tunewright.exchange.label_studio_read import read_tasks
from tunewright.exchange.said import Found, Reviewers, Terms, utc
from tunewright.exchange.table_read import read_sheet

SHOWN_FAULTS = 10


def read_file(
    file: Path, form: Literal["label-studio", "csv"], domain: str, reviewers: Reviewers, prefilled: bool
) -> Found:
    """What a file says, contradictions among its faults. Raises MissingInputError, RecordError."""
    read = {"label-studio": read_tasks, "csv": read_sheet}[form]
    try:
        saved = utc(datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat())
        found = read(file, Terms(domain, reviewers, saved, prefilled))
    except OSError as error:
        raise MissingInputError(
            f"{file}: found nothing to read ({error.strerror}), expected a file that another tool saved; name another"
        ) from None
    take_contradictions_out(found)
    return found


def told(file: Path, found: Found, arrived: Arrival) -> Iterator[str]:
    """What a file holds and what an import would do, line by line."""
    n_new = len(arrived.new)
    yield f"{file}: {len(found.said)} decisions; {arrived.n_there} are there already, {n_new} are new"
    for reviewer in dict.fromkeys(label.reviewer for label in arrived.new):
        yield f"  {sum(label.reviewer == reviewer for label in arrived.new)} by {reviewer}"
    if arrived.n_replacing:
        yield f"  {arrived.n_replacing} replace another answer of the same person"
    if arrived.n_outdated:
        yield f"  {arrived.n_outdated} are older than what the same person has decided since: they will not count"
    for reason, count in arrived.stale.items():
        yield f"  {count} will be stale: {reason} since the export"
    for said, count in found.told.items():
        if count:
            yield f"  {count} {said}"
    yield from _faults(found.faults)


def _faults(faults: list[str]) -> Iterator[str]:
    if faults:
        yield f"  {len(faults)} bad:"
    for fault in faults[:SHOWN_FAULTS]:
        yield f"    {fault}"
    if (more := len(faults) - SHOWN_FAULTS) > 0:
        yield f"    and {more} more"
