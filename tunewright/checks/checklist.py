"""What a check of the design is: one line of the method, answered, with its evidence and the line to edit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from tunewright.config import Bounds, line_of
from tunewright.errors import TunewrightError

FAULTS_SHOWN = 4  # of one check, in its evidence
ERROR = re.compile(r"^(?P<path>[^\s,:]+)(?:, line (?P<line>\d+))?: (?P<what>.*)$", re.DOTALL)
YAML_LINE = re.compile(r", line (\d+), column")
KEY = re.compile(r"\s*(?:- )?(?:id:\s*)?(\w+)\s*(?::|$)")
NEXT_COMMAND = re.compile(r"; edit it and run: dvc repro$")
Level = Literal["error", "warning"]
T = TypeVar("T")


class Place(NamedTuple):
    """Where to edit."""

    path: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


class Fault(NamedTuple):
    """One thing that a check found wrong."""

    what: str
    place: Place


class Check(NamedTuple):
    """One line of the method ("METHOD 1: anchors"), answered."""

    name: str
    method: str
    passed: bool
    evidence: str
    place: Place
    level: Level = "error"


def yaml_place(path: str, *keys: str | int) -> Place:
    """The line of a nested key or list item (from 0) in a YAML file, or of its nearest ancestor."""
    return Place(path, line_of(Path(path), [str(key) for key in keys]))


def percent(bounds: Bounds) -> str:
    """Bounds of a share, in percent."""
    shown = [f"{side:.0%}" for side in (bounds.min, bounds.max) if side is not None]
    return " to ".join(shown) if len(shown) != 1 else f"at {'least' if bounds.max is None else 'most'} {shown[0]}"


def number(name: str, method: str, value: float, bounds: Bounds, place: Place, level: Level = "error") -> Check:
    """Whether a number lies within its bounds."""
    return Check(name, method, bounds.holds(value), f"{value:g}, wanted {bounds}", place, level)


def share(name: str, method: str, value: float, bounds: Bounds, place: Place, level: Level = "error") -> Check:
    """Whether a share (0 to 1) lies within its bounds."""
    return Check(name, method, bounds.holds(value), f"{value:.0%}, wanted {percent(bounds)}", place, level)


def faultless(
    name: str, method: str, faults: Sequence[Fault], evidence: str, place: Place, level: Level = "error"
) -> Check:
    """Passed when there are no faults; `evidence` says what was looked at. A failed one points to the first fault."""
    if not faults:
        return Check(name, method, True, evidence, place, level)
    first, *rest = faults
    shown = [first.what, *(f"{_relative(f.place, first.place)}: {f.what}" for f in rest[: FAULTS_SHOWN - 1])]
    more = f"; and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
    return Check(name, method, False, "; ".join(shown) + more, first.place, level)


def _relative(place: Place, first: Place) -> str:
    return f"line {place.line}" if place.line and place.path == first.path else str(place)


def read(name: str, method: str, path: str, load: Callable[[], T]) -> tuple[T | None, Check]:
    """What `load` reads, or None and the fault as a failed check, so that one broken file does not hide the others."""
    try:
        value = load()
    except TunewrightError as error:
        return None, of_error(name, method, path, error)
    return value, Check(name, method, True, "reads; its fields, ids and weights are as its schema wants", Place(path))


def of_error(name: str, method: str, path: str, error: TunewrightError) -> Check:
    """An error of a loader or a prompt as a failed check; path and line come from its message where it has them."""
    found = ERROR.match(str(error))
    what = " ".join((found["what"] if found else str(error)).split())
    where = found["path"] if found and "/" in found["path"] else path
    in_yaml = YAML_LINE.search(what)
    line = (found and found["line"]) or (in_yaml and in_yaml[1])
    place = Place(where, int(line) if line else _mentioned_line(where, what))
    return Check(name, method, False, NEXT_COMMAND.sub("", what), place)


def _mentioned_line(path: str, what: str) -> int | None:
    """The line of the first key or id in a message that stands once in the file: of sums and the like over many."""
    if not path.endswith(".yaml") or not Path(path).is_file():
        return None
    keys = [
        found[1] if (found := KEY.match(line)) else "" for line in Path(path).read_text("utf-8", "replace").splitlines()
    ]
    once = (word for word in re.findall(r"\w{3,}", what) if keys.count(word) == 1)
    return next((keys.index(word) + 1 for word in once), None)
