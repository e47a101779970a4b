"""What conf/ composes to, as the texts of params.yaml and prep/params.yaml."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import yaml

from tunewright.config import PREP_PARAMS, compose
from tunewright.errors import ConfigError

PREP_COMMAND = "# tunewright params --prep "


def composed_text(overrides: list[str]) -> str:
    """What conf/ composes to, as the text of a params.yaml."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "params.yaml"
        compose(output, overrides)
        return output.read_text("utf-8")


def prep_text(overrides: list[str]) -> str:
    """The part of it that drafting a domain needs, as the text of prep/params.yaml; its first line has the overrides.

    Raises ConfigError with the command to compose it by.
    """
    said = " ".join(overrides)
    try:
        whole = yaml.safe_load(composed_text(overrides))
    except ConfigError as error:
        raise ConfigError(
            f"{PREP_PARAMS}, from {said or 'no overrides'}: {error}\n"
            "what is not named stays as it was; name both: tunewright params --prep domain=NAME llm=NAME"
        ) from None
    part = {"domain": whole["domain"], "prep": whole["prep"], "llm": {"connections": whole["llm"]["connections"]}}
    return f"{PREP_COMMAND}{said}\n" + yaml.safe_dump(part, sort_keys=False)


def prep_overrides(named: Iterable[str]) -> list[str]:
    """These overrides and, for what they do not name, those that prep/params.yaml was composed with."""
    return list({override.partition("=")[0]: override for override in [*remembered(), *named]}.values())


def remembered() -> list[str]:
    """The overrides in the first line of prep/params.yaml; none where it has no such line or is not there."""
    text = PREP_PARAMS.read_text("utf-8") if PREP_PARAMS.exists() else ""
    first = text.partition("\n")[0]
    return first.removeprefix(PREP_COMMAND).split() if first.startswith(PREP_COMMAND) else []
