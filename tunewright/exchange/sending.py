"""Writing an export's files, and what a person is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tunewright.exchange.cells import table_text
from tunewright.exchange.label_studio_config import config_xml
from tunewright.exchange.label_studio_write import tasks
from tunewright.exchange.material import Material
from tunewright.exchange.table_write import SPOKEN, header, rows, spoken
from tunewright.label_book import is_private
from tunewright.records import write_json, write_text


def write_tasks(file: Path, material: Material) -> list[Path]:
    """The tasks, and beside them the labelling interface; returns what was written."""
    interface = file.with_suffix(".xml")
    write_json(file, tasks(material))
    write_text(interface, config_xml(material))
    return [file, interface]


def write_table(file: Path, material: Material) -> list[Path]:
    """The table to fill in, and beside it the conversations; returns what was written."""
    talks = file.with_name(f"{file.stem}-conversations{file.suffix}")
    write_text(file, table_text(header(material), rows(material)))
    write_text(talks, table_text(SPOKEN, spoken(material)))
    return [file, talks]


def sent(material: Material, written: list[Path]) -> Iterator[str]:
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
