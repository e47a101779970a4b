"""`tunewright doctor`: every look in turn, shown as it is found."""

from __future__ import annotations

import typer
from rich.console import Console

from tunewright.doctor.connections import connections
from tunewright.doctor.finding import Finding, caught, show
from tunewright.doctor.project import configuration, packages, repository
from tunewright.doctor.storage import replies, room
from tunewright.doctor.training import training

LOOKS = {
    "repository": repository,
    "configuration": configuration,
    "packages": packages,
    "models": connections,
    "disk": room,
    "cache": replies,
    "training": training,
}


def findings() -> list[Finding]:
    """Everything that was looked at; one look that fails does not keep the others from being made."""
    return [one for subject, look in LOOKS.items() for one in caught(subject, look)]


def doctor_command() -> None:
    """Keys, endpoints, disk, versions: what a run would miss on this machine. Pays for no call; exits 1 at a fault."""
    found = findings()
    show(found, Console(highlight=False, soft_wrap=True))
    faults = sum(one.state == "fault" for one in found)
    typer.echo(f"\n{faults} fault{'s' * (faults != 1)}, {sum(one.state == 'note' for one in found)} to know")
    raise typer.Exit(1 if faults else 0)
