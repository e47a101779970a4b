"""The blocks of a document on a terminal; all text is shown literally, and what could steer a terminal is not sent."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text as RichText

from tunewright.document import Block, Bullets, Code, Heading, Table, Text, Verdict
from tunewright.plain import plain

WIDTH = 100  # where there is no terminal to ask
STYLES = {"warning": "yellow", "note": "dim", "lead": "bold"}


def print_document(blocks: Sequence[Block]) -> None:
    """Print to stdout, as wide as the terminal."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH
    for block in blocks:
        _print(console, block)


def _print(console: Console, block: Block) -> None:
    match block:
        case Heading(text, level):
            console.print(*([] if level == 1 else [""]), RichText(plain(text), "bold"), sep="\n")
        case Text(text, kind):
            console.print(RichText(plain(text), STYLES.get(kind, "")))
        case Verdict(label, text, _):
            console.print(RichText.assemble((plain(label), "bold"), " ", plain(text)))
        case Bullets(items):
            for item in items:
                console.print(Padding(RichText(f"- {plain(item)}"), (0, 0, 0, 2), expand=False))
        case Table(head, rows):
            console.print(_table(head, rows))
        case Code(text):
            console.print(Padding(RichText(plain(text)), (0, 0, 0, 4), expand=False))
        case _:
            raise TypeError(f"a {type(block).__name__} has no form on a terminal")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for cell in head:
        table.add_column(RichText(plain(cell)), overflow="fold")
    for row in rows:
        table.add_row(*(RichText(plain(cell)) for cell in row))
    return table
