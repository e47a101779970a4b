"""What conf/ composes to, as the texts of params.yaml and prep/params.yaml, and which keys it knows.

The only module that knows Hydra and OmegaConf. No stage imports it: params.yaml is what they read.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tunewright.config import COMPOSE, CONF, PARAMS, PREP_PARAMS, brief, read_mapping, read_yaml
from tunewright.errors import ConfigError
from tunewright.text_files import read_text

OVERRIDES = "name them as in: tunewright params preset=tight llm=mixed"
SEARCHED = re.compile(r"^(?:Config search path:.*|\s*provider=.*)$", re.MULTILINE)  # Hydra's list of folders
PREP_COMMAND = "# tunewright params --prep "


def composed_text(overrides: list[str]) -> str:
    """What conf/ composes to, as the text of a params.yaml."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "params.yaml"
        compose(output, overrides)
        return output.read_text("utf-8")


def compose(output: Path, overrides: list[str]) -> None:
    """Compose conf/ into `output`, by the function that `dvc exp run` itself uses, so that the bytes agree.

    Raises ConfigError for a file of conf/ or an override that cannot be composed, or should not.
    """
    for file in sorted([*CONF.glob("*.yaml"), *CONF.glob("*/*.yaml")]):
        read_yaml(file)  # Hydra's own reading has no bounds
    for override in overrides:
        if not override.isprintable():
            raise ConfigError(
                f"the override {brief(override)}: found a control character, expected KEY=VALUE; {OVERRIDES}"
            )
    from dvc.repo import Repo  # slow to import: only this command needs it
    from dvc.utils.hydra import compose_and_dump
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("oc.env", _refuse_environment, replace=True)

    try:
        with Repo() as repo:
            compose_and_dump(
                output, str(CONF.resolve()), None, "config", repo.config["hydra"].get("plugins_path"), overrides
            )
    except Exception as error:  # Hydra, OmegaConf and DVC each have an error tree of their own
        if isinstance(own := error.__cause__ or error.__context__, ConfigError):
            raise own from None
        said = " ".join(SEARCHED.sub("", str(error)).split())[:600] or type(error).__name__
        asked = f"found the overrides {brief(' '.join(overrides))}, expected" if overrides else "expected"
        raise ConfigError(
            f"{CONF}/: cannot be composed: {said}; {asked} keys and options that {CONF}/ has; {OVERRIDES}"
        ) from None


def _refuse_environment(variable: Any, *_: Any, _node_: Any) -> None:
    """What ${oc.env:VARIABLE} is here: an error, since the value, which may be a key, would stand in params.yaml."""
    raise ConfigError(
        f"{CONF}/, {_node_._get_full_key(None)}: found the variable {brief(variable)} of the environment (oc.env), "
        f"expected none: its value would be written into {PARAMS}, which git keeps; give the value, or name the "
        f"variable (api_key_env), and run: {COMPOSE[PARAMS]}"
    )


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


def known_keys() -> dict[str, Any]:
    """Every key that conf/ can give to params.yaml, as nested mappings: config.yaml, and all options of each group.

    Read without composing: which option of a group params.yaml was composed with does not matter here.
    """
    known = dict(read_mapping(CONF / "config.yaml"))
    defaults = known.pop("defaults", None)
    if not isinstance(defaults, list):
        raise ConfigError(
            f"{CONF / 'config.yaml'}: defaults: found {brief(defaults)}, expected a list of groups; restore it with: "
            f"git checkout -- {CONF / 'config.yaml'}"
        )
    groups = [str(next(iter(default))) for default in defaults if isinstance(default, dict) and default]
    for group in groups:
        for option in sorted((CONF / group).glob("*.yaml")):
            known[group] = _merged(known.get(group, {}), read_mapping(option))
    return known


def _merged(left: Any, right: Any) -> Any:
    if not (isinstance(left, dict) and isinstance(right, dict)):
        return right if right is not None else left
    return {key: _merged(left.get(key), right.get(key)) for key in [*left, *(k for k in right if k not in left)]}


def unknown_keys(params: Any, known: Any, prefix: str = "") -> list[str]:
    """Dotted keys that `params` has and `known` does not; a known value that is no mapping may become one."""
    if not (isinstance(params, dict) and isinstance(known, dict)):
        return []
    found: list[str] = []
    for key, value in params.items():
        if key not in known:
            found.append(f"{prefix}{key}")
        else:
            found += unknown_keys(value, known[key], f"{prefix}{key}.")
    return found
