"""The `tunewright` command: what people run beside `dvc`. Each command is thin; the work is in the library."""

from __future__ import annotations

import json
import sys
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.prompt import Prompt

from tunewright.adoption import DRAFT, PROPOSED, QUIT, Candidate, adopt_files, domain_named, remaining_faults, taken
from tunewright.chat_command import chat_command
from tunewright.composing import composed_text, known_keys, prep_overrides, prep_text, unknown_keys
from tunewright.config import PARAMS, PREP_PARAMS, line_of, load_domain, read_yaml
from tunewright.doctor.command import doctor_command
from tunewright.durations import last_durations
from tunewright.errors import ConfigError, TunewrightError, shown
from tunewright.exchange.command import labels
from tunewright.importing.command import import_command
from tunewright.json_files import read_object
from tunewright.new_domain import start_domain
from tunewright.publishing.command import publish_command
from tunewright.record_commands import diff, forget, lineage
from tunewright.records import write_text
from tunewright.reviewing.command import review_command
from tunewright.sources import plain_text
from tunewright.terminal import show_difference, waiting
from tunewright.text_files import read_text
from tunewright.training.hub_command import train_job_command

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_show_locals=False,
    no_args_is_help=True,
    help="Tools beside `dvc repro`: configuration and its checks.",
)


@app.command()
def params(
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Hydra overrides, such as preset=tight llm=mixed")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="only say whether params.yaml is what conf/ composes to")
    ] = False,
    prep: Annotated[
        bool,
        typer.Option("--prep", help="what drafting a domain needs, into prep/params.yaml; what is not named stays"),
    ] = False,
    check_keys: Annotated[
        bool, typer.Option("--check-keys", help="only refuse keys that conf/ does not define, and say if they differ")
    ] = False,
) -> None:
    """Compose conf/ into params.yaml."""
    if prep:
        write_text(PREP_PARAMS, prep_text(prep_overrides(overrides or [])))
        typer.echo(f"wrote {PREP_PARAMS}")
    elif check_keys:
        refuse_unknown_keys(read_yaml(PARAMS), known_keys())
        try:
            refuse_drift(read_text(PARAMS), composed_text([]))
        except ConfigError as drift:
            typer.echo(f"note: {drift} (this run uses {PARAMS} as it is)", err=True)
    elif check:
        refuse_drift(read_text(PARAMS) if PARAMS.exists() else "", composed_text(overrides or []))
    else:
        write_text(PARAMS, composed_text(overrides or []))
        typer.echo(f"wrote {PARAMS}")


@app.command()
def result() -> None:
    """Say how the comparison of base and tuned ended: the closing lines of `make run`."""
    from tunewright.report_answer import closing_lines

    compare = read_object("data/evaluate/compare.json", "evaluate-compare")
    sanity = read_object("metrics/evaluate-sanity.json", "evaluate-sanity")
    training = read_object("metrics/train-adapter.json", "train-adapter")
    seconds = last_durations().get("train-adapter")
    typer.echo(closing_lines(compare, sanity, "reports/evaluation_report.md", training, seconds))


@app.command(name="new-domain")
def new_domain_command(
    name: Annotated[str, typer.Argument(help="lower case, such as tutoring")],
    from_brief: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="a brief that is written already")
    ] = None,
) -> None:
    """Start a domain: its files, and a brief to fill in."""
    brief = None if from_brief is None else plain_text(from_brief)
    for path in start_domain(name, brief):
        typer.echo(f"wrote {path}")
    if brief is None:
        typer.echo(f"\nAnswer the questions in prompts/{name}/brief.md, look through conf/domain/{name}.yaml, then:")
    typer.echo(
        f"\n  tunewright params --prep domain={name} llm=mixed   # a strong model drafts; conf/llm/ has others\n"
        f"  dvc repro prep/dvc.yaml\n  tunewright adopt {name}"
    )


@app.command()
def adopt(
    name: Annotated[str | None, typer.Argument(help="the domain; the one of prep/params.yaml if left out")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="take every draft without asking")] = False,
    proposed: Annotated[
        bool, typer.Option("--proposed", help="with --yes: the critics' version where there is one")
    ] = False,
    only: Annotated[str | None, typer.Option(help="one file of the set, such as rubric.yaml")] = None,
) -> None:
    """Show how drafts differ from the curated files, and copy those that you accept."""
    domain = domain_named(name or load_domain(PREP_PARAMS).id)
    choose = partial(taken, PROPOSED if proposed else DRAFT) if yes else ask
    for line in adopt_files(domain, only, choose):
        typer.echo(line)
    if faults := remaining_faults(domain):
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise ConfigError(
            f"the design of {domain.id} is not whole yet:\n{listed}\n"
            f"adopt what is missing, edit the files at fault, and run: tunewright adopt {domain.id}"
        )
    typer.echo(f"the design of {domain.id} is whole; next: {AFTER_ADOPTION.format(id=domain.id)}")


LETTERS = {DRAFT: "y", PROPOSED: "p"}
AFTER_ADOPTION = "read it, git add and commit it, then\n  dvc exp run -S domain={id} -S preset=tight generate-scores"


def ask(one: Candidate) -> str:
    """Show a file's differences and ask which version to take: one of them, neither ("") or QUIT."""
    keys = {LETTERS[version]: version for version in one.versions} | {"n": "", "q": QUIT}
    for version in one.versions:
        show_difference(one.difference(version))
    shown = ", ".join(f"{key} {meaning or 'neither'}" for key, meaning in keys.items())
    try:
        return keys[Prompt.ask(f"{one.target} ({shown})", choices=[*keys])]
    except EOFError:
        raise ConfigError(
            "nobody is there to answer; take every draft with: tunewright adopt --yes, one with: tunewright adopt "
            "--only FILE --yes (--proposed: the critics' version)"
        ) from None


app.command(name="import")(import_command)
app.command(name="review")(review_command)
app.command(name="publish")(publish_command)
app.command(name="train-job")(train_job_command)
app.command(name="chat")(chat_command)
app.command(name="doctor")(doctor_command)


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


@app.command()
def plan(
    targets: Annotated[
        list[str] | None, typer.Argument(help="stages, such as generate-scores; all if left out")
    ] = None,
    form: Annotated[Literal["terminal", "json"], typer.Option("--format")] = "terminal",
) -> None:
    """What `dvc repro` would run now and what that would cost: calls, tokens, USD, time. Calls no model."""
    from tunewright.durations import last_durations
    from tunewright.plan import plan as planned
    from tunewright.plan_table import as_json, show

    with waiting("planning") as say:
        steps = planned(targets or [], say)
    if form == "json":
        typer.echo(json.dumps(as_json(steps, last_durations()), indent=2))
    else:
        show(steps, last_durations())


app.command()(diff)
app.command()(lineage)
app.command()(forget)
app.add_typer(labels, name="labels")


def refuse_unknown_keys(found: object, known: object) -> None:
    """Raise ConfigError for the first key of params.yaml that conf/ does not define."""
    unknown = unknown_keys(found, known)
    if unknown:
        line = line_of(PARAMS, unknown[0].split("."))
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise ConfigError(
            f"{PARAMS}, line {line}: unknown key {unknown[0]!r}{more}; no file in conf/ defines it: found there, "
            "expected only keys of conf/. Put values into conf/ and run: make params"
        )


def refuse_drift(found: str, composed: str) -> None:
    """Raise ConfigError naming the first line in which params.yaml is not what conf/ composes to."""
    if found == composed:
        return
    pairs = zip_longest(found.splitlines(keepends=True), composed.splitlines(keepends=True), fillvalue="")
    number, (here, there) = next((n, p) for n, p in enumerate(pairs, 1) if p[0] != p[1])
    raise ConfigError(
        f"{PARAMS}, line {number}: found {here.strip()!r}, expected {there.strip()!r}, which conf/ composes to. "
        "Edit conf/, not params.yaml, and run: make params"
    )


def main() -> None:
    """Entry point; a TunewrightError is one message."""
    try:
        app()
    except TunewrightError as error:
        print(f"error: {shown(error)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
