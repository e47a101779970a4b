"""`tunewright import`: a log file into a domain's imported conversations, with every row accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tunewright.adoption import domain_named
from tunewright.config import CONF, load_domain, load_file
from tunewright.errors import ConfigError, TooManyFailuresError
from tunewright.forgotten import Forgotten
from tunewright.importing.formats import Format
from tunewright.importing.reading import Import, read_import
from tunewright.importing.rows import ImportConfig
from tunewright.importing.storing import import_folder, known_conversations, write_import
from tunewright.plain import plain

SHOWN_CHARS = 160  # of a bad row's fault


def import_command(
    file: Annotated[Path, typer.Argument(help="JSON Lines, JSON, parquet, CSV or TSV")],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="what the import is called, such as chats-2026-01")],
    form: Annotated[Format | None, typer.Option("--format", help="guessed from the content if left out")] = None,
    domain: Annotated[str | None, typer.Option(metavar="ID", help="instead of the domain of params.yaml")] = None,
    conf: Annotated[Path, typer.Option("--conf", help="which columns and speakers are what")] = CONF / "import.yaml",
    yes: Annotated[bool, typer.Option("--yes", help="write without asking")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be written")] = False,
) -> None:
    """Take conversations from a log file in: to train on, to replay the users of, or to judge as they are."""
    config = load_file(conf, ImportConfig)
    into = domain_named(domain) if domain else load_domain()
    folder = import_folder(into, name)
    found = read_import(file, name, into.id, form, config, known_conversations(into, name), Forgotten(into.authored))
    for line in told(found, config):
        typer.echo(plain(line))
    refuse(found, file, config)
    if dry_run:
        typer.echo(f"nothing is written (--dry-run); it would go to {folder}")
        return
    if not yes:
        confirm(found, folder)
    write_import(folder, found)
    kept = f" (bad rows: {folder / 'rejected.jsonl'})" if found.rejected else ""
    typer.echo(f"wrote {folder}{kept}\n{next_steps(folder)}")


def refuse(found: Import, file: Path, config: ImportConfig) -> None:
    """Raise TooManyFailuresError when too much of a file is bad, or nothing of it is left."""
    if found.bad_share > config.max_bad_share or not (found.transcripts or found.skipped):
        raise TooManyFailuresError(
            f"{file}: found {len(found.rejected)} bad rows of {found.n_rows} ({found.bad_share:.0%}), expected at most "
            f"{config.max_bad_share:.0%}; nothing is written. Mend them, name another --format than "
            f"{found.source.format}, or raise max_bad_share in conf/import.yaml"
        )
    if not found.transcripts:
        raise ConfigError(
            f"{file}: says nothing new: all {found.n_rows} rows are there already, or forgotten, expected at least one "
            "other; nothing is written. Name another file"
        )


def confirm(found: Import, folder: Path) -> None:
    """Ask before writing; raises ConfigError where nobody can answer, and stops the command at a no."""
    replaced = " in place of the import that is there" if folder.exists() else ""
    try:
        typer.confirm(f"write {len(found.transcripts)} conversations to {folder}{replaced}?", abort=True)
    except typer.Abort:
        raise ConfigError("nothing is written; to write without being asked: tunewright import --yes") from None


def told(found: Import, config: ImportConfig) -> Iterator[str]:
    """What a person is told of an import, line by line."""
    source, people = found.source, len(found.personas)
    guessed = " (guessed; --format says otherwise)" if source.guessed else ""
    yield f"{source.file}: {found.n_rows} rows, read as {source.format}{guessed}"
    n = sum(len(t.exchanges) for t in found.transcripts)
    unnamed = "" if source.names_users else "; no row says who its user is, so each is taken for another person's"
    yield f"  {len(found.transcripts)} conversations of {people} people, {n} exchanges{unnamed}"
    done = found.cleaning
    yield (
        f"  of {done.n_messages} messages: {done.n_merged} joined to the one before (same speaker), {done.n_ignored} "
        f"of system or other ignored speakers dropped, {done.n_empty} empty ones, {done.n_leading} replies before any "
        f"user message and {done.n_trailing} user messages without a reply dropped"
    )
    if long := [p for p in found.provenance if p.long]:
        yield f"  {len(long)} with more than {config.long_exchanges} exchanges, line {long[0].line} first"
    for reason, count in Counter(one.reason for one in found.skipped).items():
        first = next(one for one in found.skipped if one.reason == reason)
        yield f"  {count} skipped as {reason}: line {first.line} is that of {first.same_as}"
    yield from told_bad(found, config)


def told_bad(found: Import, config: ImportConfig) -> Iterator[str]:
    """The bad rows: how many for what reason, and the first of them."""
    if not found.rejected:
        return
    counts = Counter(one.reason for one in found.rejected).most_common()
    reasons = ", ".join(f"{n} {reason}" for reason, n in counts)
    yield f"  {len(found.rejected)} bad rows ({found.bad_share:.0%}; allowed: {config.max_bad_share:.0%}): {reasons}"
    for one in found.rejected[: config.shown_rows]:
        yield f"    line {one.line}: {one.reason}: {one.detail[:SHOWN_CHARS]}"
    if (more := len(found.rejected) - config.shown_rows) > 0:
        yield f"    and {more} more"


def next_steps(folder: Path) -> str:
    """What to run after an import."""
    return (
        f"git does not track it; to keep and share it: dvc add {folder} && git add {folder}.dvc\n"
        "then: dvc repro generate-scores"
    )
