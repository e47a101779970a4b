"""Files that hold one JSON value, as stages and libraries write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import TypeAdapter, ValidationError

from tunewright.errors import MissingInputError, RecordError
from tunewright.json_text import JsonFault, briefly, json_value

T = TypeVar("T")


def read_json(path: Path | str, made_by: str = "", **options: Any) -> Any:
    """Read one JSON value; raises MissingInputError or RecordError. `options` are those of json.loads.

    Its objects raise RecordError too when they are asked for a key that they lack: an older version's file, or one that
    was edited.
    """
    path, again = Path(path), _again(made_by)
    if not path.exists():
        hint = f"; make it with: dvc repro {made_by}" if made_by else ""
        raise MissingInputError(f"{path}: no such file{hint}")
    try:
        return json_value(path.read_bytes(), object_hook=lambda found: Told(found, str(path), again), **options)
    except JsonFault as fault:
        raise RecordError(f"{path}: not valid JSON: {fault}; expected one JSON value; {again}") from None


def read_object(path: Path | str, made_by: str = "", **options: Any) -> dict[str, Any]:
    """As `read_json`, of a file that holds one object; raises RecordError for any other value."""
    found = read_json(path, made_by, **options)
    if not isinstance(found, dict):
        raise RecordError(f"{path}: found {briefly(found)}, expected a JSON object; {_again(made_by)}")
    return found


def read_as(path: Path | str, kind: type[T], made_by: str = "") -> T:
    """As `read_json`, of a file that holds a value of this pydantic type; raises RecordError for any other."""
    try:
        return TypeAdapter(kind).validate_python(read_json(path, made_by))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(p) for p in first["loc"]) or "the whole"
        raise RecordError(
            f"{path}: {where}: found {briefly(first.get('input'))}, expected another value ({first['msg']}); "
            f"{_again(made_by)}"
        ) from None


def _again(made_by: str) -> str:
    return f"make it again with: dvc repro -f {made_by}" if made_by else "restore it, or make it again"


class Told(dict[str, Any]):
    """An object of a JSON file that says which file it is from when a key is missing."""

    def __init__(self, found: Mapping[str, Any] | Iterable[tuple[str, Any]], path: str = "", again: str = "") -> None:
        super().__init__(found)
        self._path, self._again = path, again

    def __missing__(self, key: str) -> NoReturn:
        if not self._path:  # a copy, which dataclasses.asdict makes without asking
            raise KeyError(key)
        raise RecordError(
            f"{self._path}: lacks {key!r} where it holds {briefly([*self])}; expected what this version of Tunewright "
            f"writes there; {self._again}"
        )

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)  # copies and pickles are plain
