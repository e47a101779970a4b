"""`tunewright chat`: talk to base and tuned side by side."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Annotated, Literal

import typer
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tunewright.chat_session import Candidates, NothingKept, Said, Session
from tunewright.config import load, load_domain
from tunewright.errors import ConfigError, ModelError
from tunewright.llm import Client
from tunewright.plain import plain
from tunewright.terminal import waiting

SIDE_BY_SIDE = 90  # columns of a terminal from which two replies stand beside each other
RESET, QUIT, HELP = "/reset", ("/quit", "/exit"), "/help"
COMMANDS = f"{RESET} begins again, {QUIT[0]} or Ctrl-D ends, Ctrl-C stops a reply"
COLOURS = {"base": "yellow", "tuned": "green"}


def chat_command(
    model: Annotated[Literal["both", "base", "tuned"], typer.Option(help="whom to talk to")] = "both",
    once: Annotated[
        str | None, typer.Option(metavar="TEXT", help="say this, print what comes back, and end; for scripts")
    ] = None,
) -> None:
    """Talk to the base and the tuned model side by side, under the evaluation's system prompt and sampling."""
    models, domain = load("llm.candidates", Candidates).chosen(model), load_domain()
    client = Client.from_params(store=NothingKept())
    try:
        with asyncio.Runner() as runner:
            session = Session(client, models, domain)
            if once is None:
                talk(runner, session)
            else:
                print_once(runner, session, once)
    finally:
        client.close()


def print_once(runner: asyncio.Runner, session: Session, text: str) -> None:
    """One exchange on standard output: with one model its words alone. Raises ModelError where one gives none."""
    if not text.strip():
        raise ConfigError("--once has no text; give it what to say, such as: tunewright chat --once 'Hello'")
    answers = runner.run(session.ask(text))
    for name, said in answers.items():
        if said.fault:
            raise ModelError(f"{name} gave no answer: {said.fault}")
    if len(answers) == 1:
        typer.echo(plain(next(iter(answers.values())).text))
    else:
        typer.echo(plain("\n\n".join(f"{name}: {said.text}" for name, said in answers.items())))


def talk(runner: asyncio.Runner, session: Session) -> None:
    """Read lines until the person has had enough."""
    out = Console(highlight=False)
    out.print(f"{session.domain.title}: {' and '.join(session.models)}. {COMMANDS}.", markup=False)
    for line in lines(out):
        if line == RESET:
            session.reset()
            out.print("begun again: nothing of what was said is remembered", style="dim")
        elif line.startswith("/"):
            out.print(f"{line.split()[0]} is not known: {COMMANDS}" if line != HELP else COMMANDS, markup=False)
        else:
            exchange(runner, session, line, out)


def exchange(runner: asyncio.Runner, session: Session, line: str, out: Console) -> None:
    """One message and its answers; Ctrl-C takes the message back."""
    try:
        with waiting(f"{' and '.join(session.models)} answering"):
            answers = runner.run(session.ask(line))
    except KeyboardInterrupt:
        out.print("stopped: that message is not part of the conversation", style="dim")
        return
    out.print(beside(answers, out.width))


def lines(out: Console) -> Iterator[str]:
    """What the person types, until /quit, Ctrl-D or Ctrl-C; without a terminal the lines of standard input."""
    asking = sys.stdin.isatty()
    while True:
        try:
            line = input("you> " if asking else "").strip()
        except (EOFError, KeyboardInterrupt):
            if asking:
                out.print()
            return
        if line in QUIT:
            return
        if line:
            yield line


def beside(answers: dict[str, Said], width: int) -> RenderableType:
    """The answers, side by side where there is room."""
    panels = [panel(name, said) for name, said in answers.items()]
    across = len(panels) if width >= SIDE_BY_SIDE else 1
    grid = Table.grid(expand=True, padding=(0, 1))
    for _ in range(across):
        grid.add_column(ratio=1)
    for start in range(0, len(panels), across):
        grid.add_row(*panels[start : start + across])
    return grid


def panel(name: str, said: Said) -> Panel:
    """One model's answer; what it says is text, whatever brackets it holds."""
    words = len(said.text.split())
    about = f"{words} words, {said.seconds:.1f} s" + (", cut off by max_tokens" if said.cut else "")
    body = Text(plain(said.fault), style="red") if said.fault else Text(plain(said.text))
    return Panel(
        body,
        title=name,
        title_align="left",
        subtitle="no answer" if said.fault else about,
        subtitle_align="right",
        border_style=COLOURS.get(name, "none"),
    )
