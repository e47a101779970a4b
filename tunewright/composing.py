"""What conf/ composes to, as the texts of params.yaml and prep/params.yaml."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterable
from pathlib import Path

import yaml

from tunewright.config import CONF, PREP_PARAMS, brief, compose
from tunewright.errors import ConfigError
from tunewright.text_files import read_text

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
    said = shlex.join(overrides)
    try:
        whole = yaml.safe_load(composed_text(overrides))
        missing = [key for key in ("domain", "prep", "llm") if not isinstance(whole.get(key), dict)]
        if missing or "connections" not in whole["llm"]:
            raise ConfigError(f"{CONF}/: found no {(missing or ['llm.connections'])[0]}, expected what it ships with")
    except ConfigError as error:
        raise ConfigError(
            f"{PREP_PARAMS}, from {brief(said or 'no overrides')}: {error}\n"
            "what is not named stays as it was; name both: tunewright params --prep domain=NAME llm=NAME"
        ) from None
    part = {"domain": whole["domain"], "prep": whole["prep"], "llm": {"connections": whole["llm"]["connections"]}}
    return f"{PREP_COMMAND}{said}\n" + yaml.safe_dump(part, sort_keys=False)


def prep_overrides(named: Iterable[str]) -> list[str]:
    """These overrides and, for what they do not name, those that prep/params.yaml was composed with."""
    return list({override.partition("=")[0]: override for override in [*remembered(), *named]}.values())


def remembered() -> list[str]:
    """The overrides in the first line of prep/params.yaml; none where it has no such line or is not there."""
    text = read_text(PREP_PARAMS) if PREP_PARAMS.exists() else ""
    first = text.partition("\n")[0]
    if not first.startswith(PREP_COMMAND):
        return []
    try:
        return shlex.split(first.removeprefix(PREP_COMMAND))
    except ValueError as error:  # a quote that nothing closes
        raise ConfigError(
            f"{PREP_PARAMS}, line 1: found {brief(first)} ({error}), expected overrides; name them all: tunewright "
            "params --prep domain=NAME llm=NAME, after you delete that line"
        ) from None
