"""Writing an export's files, and what a person is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from tunewright.errors import ConfigError
from tunewright.exchange.cells import table_text
from tunewright.exchange.label_studio_config import config_xml
from tunewright.exchange.label_studio_write import tasks
from tunewright.exchange.material import Material
from tunewright.exchange.table_write import SPOKEN, header, rows, spoken
from tunewright.label_book import is_private
from tunewright.records import write_json, write_text

Form = Literal["label-studio", "csv"]


def targets(file: Path, form: Form) -> tuple[Path, Path]:
    """What an export writes: the file itself, and the interface or the conversations beside it."""
    if form == "label-studio":
        return file, file.with_name(f"{file.stem}-interface.xml")
    return file, file.with_name(f"{file.stem}-conversations{file.suffix}")


def refuse_to_overwrite(paths: Iterable[Path]) -> None:
    """Raise ConfigError where a file is there already: it may be the one that somebody has filled in."""
    for path in paths:
        if path.exists():
            raise ConfigError(
                f"{path}: is there already, and may hold decisions; nothing is written. Name another file, import this "
                "one first, or replace it with --overwrite"
            )


def write(material: Material, form: Form, paths: tuple[Path, Path]) -> None:
    """Write an export: tasks and their interface, or the table to fill in and the conversations."""
    file, beside = paths
    if form == "label-studio":
        write_json(file, tasks(material))
        write_text(beside, config_xml(material))
    else:
        write_text(file, table_text(header(material), rows(material)))
        write_text(beside, table_text(SPOKEN, spoken(material)))


def sent(material: Material, written: Iterable[Path]) -> Iterator[str]:
    """What was written and what was not, line by line."""
    n_labels = sum(len(piece.labels) for piece in material.pieces)
    yield f"{len(material.pieces)} conversations, {len(material.questions)} criteria, {n_labels} labels"
    if material.n_labels_left:
        yield f"  {material.n_labels_left} labels left out: stale, or on conversations that are not exported"
    if material.n_private:
        yield f"  {material.n_private} conversations with imported words left out; --with-private writes them too"
    if n := sum(is_private(piece.transcript) for piece in material.pieces):
        yield f"  warning: {n} conversations have imported words: keep these files private, and out of git"
    yield f"wrote {' and '.join(str(path) for path in written)}"
