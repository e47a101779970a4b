"""The `tunewright` command: what people run beside `dvc`. Each command is thin; the work is in the library."""

from __future__ import annotations

import sys
import tempfile
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Literal

import typer

from tunewright.config import PARAMS, compose, known_keys, line_of, read_yaml, unknown_keys
from tunewright.errors import ConfigError, TunewrightError
from tunewright.records import read_json

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Tools beside `dvc repro`: configuration and its checks."
)


@app.command()
def params(
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Hydra overrides, such as preset=tight llm=mixed")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="only say whether params.yaml is what conf/ composes to")
    ] = False,
    check_keys: Annotated[
        bool, typer.Option("--check-keys", help="only refuse keys that conf/ does not define, and say if they differ")
    ] = False,
) -> None:
    """Compose conf/ into params.yaml."""
    if check_keys:
        refuse_unknown_keys(read_yaml(PARAMS), known_keys())
        try:
            refuse_drift(PARAMS.read_text("utf-8"), composed_text([]))
        except ConfigError as drift:
            typer.echo(f"note: {drift} (this run uses {PARAMS} as it is)", err=True)
    elif check:
        refuse_drift(PARAMS.read_text("utf-8") if PARAMS.exists() else "", composed_text(overrides or []))
    else:
        PARAMS.write_text(composed_text(overrides or []), "utf-8")
        typer.echo(f"wrote {PARAMS}")


@app.command()
def result() -> None:
    """Say how the comparison of base and tuned ended: the closing lines of `make run`."""
    from tunewright.report_answer import closing_lines

    compare = read_json("data/evaluate/compare.json", "evaluate-compare")
    sanity = read_json("metrics/evaluate-sanity.json", "evaluate-sanity")
    typer.echo(closing_lines(compare, sanity, "reports/evaluation_report.md"))


@app.command()
def history(
    form: Annotated[Literal["terminal", "markdown"], typer.Option("--format", help="markdown goes to stdout")] = (
        "terminal"
    ),
    limit: Annotated[int, typer.Option(min=1, help="how many versions, the newest first")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="also commits that changed nothing of the design")] = False,
    domain: Annotated[str | None, typer.Option(metavar="ID", help="instead of the domain of each params.yaml")] = None,
    no_experiments: Annotated[bool, typer.Option("--no-experiments", help="commits alone")] = False,
) -> None:
    """Versions of prompts and rubric against pass rates, agreement and decisions, from git and DVC experiments."""
    from tunewright.history import read_history
    from tunewright.history_table import print_terminal, to_markdown

    found = read_history(limit, everything, domain, not no_experiments)
    if form == "markdown":
        typer.echo(to_markdown(found), nl=False)
    else:
        print_terminal(found)


def composed_text(overrides: list[str]) -> str:
    """What conf/ composes to, as the text of a params.yaml."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "params.yaml"
        compose(output, overrides)
        return output.read_text("utf-8")


def refuse_unknown_keys(found: object, known: object) -> None:
    """Raise ConfigError for the first key of params.yaml that conf/ does not define."""
    unknown = unknown_keys(found, known)
    if unknown:
        line = line_of(PARAMS, unknown[0].split("."))
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise ConfigError(
            f"{PARAMS}, line {line}: unknown key {unknown[0]!r}{more}; no file in conf/ defines it. "
            "Put values into conf/ and run: make params"
        )


def refuse_drift(found: str, composed: str) -> None:
    """Raise ConfigError naming the first line in which params.yaml is not what conf/ composes to."""
    if found == composed:
        return
    pairs = zip_longest(found.splitlines(keepends=True), composed.splitlines(keepends=True), fillvalue="")
    number, (here, there) = next((n, p) for n, p in enumerate(pairs, 1) if p[0] != p[1])
    raise ConfigError(
        f"{PARAMS}, line {number}: found {here.strip()!r}, conf/ composes to {there.strip()!r}. "
        "Edit conf/, not params.yaml, and run: make params"
    )


def main() -> None:
    """Entry point; a TunewrightError is one message."""
    try:
        app()
    except TunewrightError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
