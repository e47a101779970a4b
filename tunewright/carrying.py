"""Where requests are made from: this process, or workers of a cluster (params section `runner`, never tracked).

Everything else stays here whatever the runner is: which requests there are, the reply cache, limits, tries, budget
and order. So a runner changes no byte of an output, and equal requests are paid once however many workers there are.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from tunewright.config import Config, brief, read_mapping, validate
from tunewright.errors import ConfigError
from tunewright.halt import Halt
from tunewright.models import Connection, Reply
from tunewright.requests import Request, Target

RUNNERS = {"ray": "tunewright.ray_runner"}  # modules with `carrier_of(section, params)`


class Carrier(Protocol):
    """What takes requests out of this process."""

    async def send(self, request: Request, connection: Connection, target: Target) -> Reply:
        """Make one request; raises what a transport raises, and RunnerError when there is nobody to make it."""
        ...

    def close(self) -> None:
        """Let the workers go; a later `send` finds new ones."""
        ...


MakeCarrier = Callable[[Halt], Carrier]


class LocalConfig(Config):
    """The section `runner` of a run in this process."""

    kind: Literal["local"]


def carrier_of(params: Path) -> MakeCarrier | None:
    """What the section `runner` of a params file names; None where this process makes the requests itself.

    A file without the section is local: prep/params.yaml has none. Raises ConfigError.
    """
    section: Any = read_mapping(params).get("runner") or {"kind": "local"}
    kind = section.get("kind") if isinstance(section, dict) else section
    if isinstance(kind, str) and kind in RUNNERS:
        # imported by name, so that it is no dep of any stage: it changes no byte of an output
        return import_module(RUNNERS[kind]).carrier_of(section, params)
    if kind != "local":
        known = ", ".join(["local", *RUNNERS])
        raise ConfigError(
            f"{params}: runner.kind: found {brief(kind)}, expected one of {known}; choose one: dvc exp run -S "
            "runner=NAME"
        )
    validate(section, LocalConfig, params, "runner")
    return None
