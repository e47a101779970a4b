"""`tunewright labels export` and `import`. Thin; the work is in the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tunewright.adoption import domain_named
from tunewright.config import Domain, load_domain
from tunewright.errors import ConfigError, RecordError
from tunewright.plain import plain

Format = Literal["label-studio", "csv"]
FORMATS: dict[str, Format] = {".json": "label-studio", ".csv": "csv", ".tsv": "csv", ".txt": "csv"}

labels = typer.Typer(no_args_is_help=True, help="The review queue and people's labels, for other tools and back.")
FormatOption = Annotated[Format | None, typer.Option("--format", help="as the name of the file says, if left out")]


@labels.command(name="export")
def export_command(
    file: Annotated[Path, typer.Argument(help="to write: NAME.json for Label Studio, NAME.csv for a spreadsheet")],
    form: FormatOption = None,
    blind: Annotated[bool, typer.Option("--blind", help="leave out the judges' answers, and other readers'")] = False,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="leave out what people decided already")] = False,
    with_private: Annotated[
        bool, typer.Option("--with-private", help="also conversations with imported words")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace files that are there")] = False,
) -> None:
    """Write the review queue: conversations, the judges' answers, and the labels that count.

    For Label Studio, NAME.json has the tasks to import and NAME-interface.xml the labelling interface to paste into
    the project's settings. For a spreadsheet, NAME.csv has a row for each criterion of each conversation, to fill in,
    and NAME-conversations.csv the conversations.
    """
    from tunewright.exchange.material import gather
    from tunewright.exchange.sending import refuse_to_overwrite, sent, targets, write

    form = _format(file, form)
    paths = targets(file, form)
    if not overwrite:
        refuse_to_overwrite(paths)
    material = gather(load_domain(), with_private, not (no_labels or blind), blind)
    write(material, form, paths)
    for line in sent(material, paths):
        typer.echo(line)


@labels.command(name="import")
def import_command(
    file: Annotated[Path, typer.Argument(help="Label Studio's JSON export, or a table that was filled in")],
    form: FormatOption = None,
    reviewer: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="who decided, where the file has no name; 3=NAME is whom it calls 3"),
    ] = None,
    prefilled: Annotated[
        bool, typer.Option("--prefilled", help="also judges' answers that Label Studio filled in and nobody touched")
    ] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="leave bad rows out and take the others")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="write without asking")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be written")] = False,
    domain: Annotated[str | None, typer.Option(metavar="ID", help="instead of the domain of params.yaml")] = None,
) -> None:
    """Take decisions in that were made elsewhere. What is there already is not added again.

    A label belongs to the words that were exported: where these have changed since, it arrives as a stale one.
    """
    from tunewright.exchange.arriving import arrival, keep, talks_of
    from tunewright.exchange.said import reviewers_of
    from tunewright.exchange.taking import read_file, told
    from tunewright.labels import read_labels
    from tunewright.rubric import load_rubric

    into = domain_named(domain) if domain else load_domain()
    found = read_file(file, _format(file, form), into.id, reviewers_of(reviewer or []), prefilled)
    talks = talks_of(found.said)
    contents = {talk.id: talk.content_hash for talk in talks}
    arrived = arrival(found.said, read_labels(into.reviews), contents, load_rubric(into.rubric))
    for line in told(file, found, arrived):
        typer.echo(plain(line))
    if found.faults and not skip_bad:
        raise RecordError(
            f"{file}: found {len(found.faults)} bad rows, expected none; nothing is written. Mend them, or leave them "
            "out with --skip-bad"
        )
    if dry_run or not arrived.new:
        typer.echo("nothing is written" + (" (--dry-run)" if dry_run else ""))
        return
    if not yes:
        _confirm(len(arrived.new), into)
    keep(Path(into.reviews), arrived.new, talks)
    typer.echo(f"wrote {len(arrived.new)} labels to {into.reviews}; next: dvc repro")


def _format(file: Path, form: Format | None) -> Format:
    found = form or FORMATS.get(file.suffix.lower())
    if found is None:
        raise ConfigError(f"{file}: expected a name that ends in .json or .csv, or --format label-studio or csv")
    return found


def _confirm(n_labels: int, domain: Domain) -> None:
    """Ask before writing; raises ConfigError where nobody can answer, or somebody says no."""
    try:
        typer.confirm(f"write {n_labels} labels to {domain.reviews}?", abort=True)
    except typer.Abort:
        raise ConfigError("nothing is written; to write without being asked: tunewright labels import --yes") from None
