"""The commands that follow records: `tunewright diff`, `lineage`, `forget`. Thin; the work is in the library."""

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


def forget(
    asked: Annotated[str, typer.Argument(metavar="ID", help="of a recorded conversation, or of a person")],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be done")] = False,
) -> None:
    """Take a conversation, or a person and all that came of them, out of sources, outputs and caches."""
    from tunewright.document_terminal import print_document
    from tunewright.forgetting import execute, left, plan
    from tunewright.forgetting_report import left_blocks, plan_blocks
    from tunewright.tracing import load_project

    project = load_project()
    found = plan(project, asked)
    print_document(plan_blocks(found))
    if dry_run or not (yes or typer.confirm("\nForget it? This cannot be undone")):
        typer.echo("\nnothing was changed")
        return
    execute(project, found)
    remains = left(project, found)
    print_document(left_blocks(remains, [*found.by_hand]))
    if remains:
        raise typer.Exit(1)
