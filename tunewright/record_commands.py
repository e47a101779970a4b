"""The commands that follow records: `tunewright diff` and `lineage`. Thin; the work is in the library."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

Form = Literal["terminal", "markdown", "json"]


def diff(
    before: Annotated[str, typer.Argument(metavar="[A]", help="a git revision or DVC experiment")] = "HEAD",
    after: Annotated[str, typer.Argument(metavar="[B]", help="likewise; what is on disk if left out")] = "workspace",
    form: Annotated[Form, typer.Option("--format", help="markdown and json go to stdout")] = "terminal",
    only: Annotated[list[str] | None, typer.Option(help="a section, such as verdicts; may be given twice")] = None,
    limit: Annotated[int, typer.Option(min=0, help="examples shown for each file")] = 5,
) -> None:
    """Two revisions compared: design, transcripts, flipped verdicts, results, splits, evaluation pairs, metrics."""
    from tunewright.difference import difference, sections_named
    from tunewright.difference_report import as_json, blocks
    from tunewright.document import to_markdown
    from tunewright.document_terminal import print_document
    from tunewright.outputs import sides

    wanted = sections_named(only)
    with sides(before, after) as (old, new):
        found = difference(old, new, wanted, limit)
    if form == "json":
        typer.echo(json.dumps(as_json(found), indent=2, ensure_ascii=False))
    elif form == "markdown":
        typer.echo(to_markdown(blocks(found, limit)), nl=False)
    else:
        print_document(blocks(found, limit))
    if found.faults:
        raise typer.Exit(1)  # what is shown is not all


def lineage(
    asked: Annotated[str, typer.Argument(metavar="ID", help="of an example, transcript, persona or pair; or a file")],
    form: Annotated[Literal["terminal", "json"], typer.Option("--format", help="json goes to stdout")] = "terminal",
    limit: Annotated[int, typer.Option(min=1, help="records listed of each kind")] = 10,
) -> None:
    """Where something came from, to its prompts and their commits, and what came of it."""
    from tunewright.document_terminal import print_document
    from tunewright.lineage import trace
    from tunewright.lineage_report import as_json, blocks
    from tunewright.tracing import load_project

    found = trace(load_project(), asked)
    if form == "json":
        typer.echo(json.dumps(as_json(found), indent=2, ensure_ascii=False))
    else:
        print_document(blocks(found, limit))
