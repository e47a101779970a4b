"""Whether a command that a skill names can be run: the program's own parser takes it, and what it names is there.

Nothing is executed but help and dry runs: dvc and tunewright parse the arguments (and print their help), overrides are
looked up in conf/, `make -n`, `git CMD -h`, and modules are looked up; a stage's params must fit its Config.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import subprocess
import tomllib
from argparse import Namespace
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser
from dvc.exceptions import DvcException
from dvc.utils.hydra import get_hydra_sweeps
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from typer.testing import CliRunner

from bench.__main__ import SECTIONS
from tests.skills.repository import Repository, spelled_out
from tests.skills.shell import Unusable, filled, simple_commands
from tunewright.cli import app
from tunewright.config import load
from tunewright.errors import TunewrightError

OUTSIDE = ("ollama", "vllm", "llama-server", "llama-quantize", "lm_eval", "hf", "nvidia-smi", "ssh")  # not ours
SHELL = ("export", "source", "cd", "ls", "cat", "less", "head", "cp", "mkdir", "echo")
STAGED = ("repro", "run", "status", "dag", "freeze", "unfreeze")  # dvc commands whose targets are stages


def check_command(text: str, repository: Repository) -> str:
    """How a command was checked; raises Unusable with what is wrong."""
    return "; ".join(dict.fromkeys(_check_one(words, repository) for words in simple_commands(text)))


def _check_one(words: list[str], repository: Repository) -> str:
    program, arguments = words[0], words[1:]
    if program in OUTSIDE:
        return "not run: not of this repository"
    if program in SHELL:
        return "a word of the shell"
    if program not in CHECKS:
        raise Unusable(f"{program} is no program that skills use: {', '.join([*CHECKS, *OUTSIDE, *SHELL])}")
    return CHECKS[program]([*map(_slot_free(program), arguments)], repository)


def _slot_free(program: str) -> Callable[[str], str]:
    return (lambda word: word) if program == "git" else filled


def _dvc(arguments: list[str], repository: Repository) -> str:
    parsed = _parsed(arguments)
    targets = [target for name in ("targets", "target") for target in _listed(getattr(parsed, name, None))]
    wanted, there = ("stage", _is_target) if parsed.cmd in STAGED else ("file or output", Repository.has)
    missing = [target for target in targets if not there(repository, target)]
    if missing:
        raise Unusable(f"no {wanted} {', '.join(missing)}")
    overrides = tuple(_listed(getattr(parsed, "set_param", None)))
    if overrides:
        check_overrides(overrides, repository)
    said = ["parsed by dvc", f"{len(targets)} targets" * bool(targets), "overrides found in conf/" * bool(overrides)]
    return ", ".join(filter(None, said))


def _is_target(repository: Repository, target: str) -> bool:
    file, _, stage = target.rpartition(":")
    return (
        target in repository.stages
        or target in repository.files
        or (file in repository.files and stage in repository.stages)
    )


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


_dvc_parser = lru_cache(get_main_parser)  # a fifth of a second to build


def _parsed(arguments: list[str]) -> Namespace:
    """What dvc's parser makes of arguments; raises Unusable with its words."""
    words = io.StringIO()
    heard = logging.StreamHandler(words)
    logger = logging.getLogger("dvc.cli.parser")
    logger.addHandler(heard)
    try:
        with contextlib.redirect_stderr(words), contextlib.redirect_stdout(io.StringIO()):
            return _dvc_parser().parse_args(arguments)
    except (SystemExit, DvcParserError):
        raise Unusable(f"dvc does not take it: {words.getvalue().strip()}") from None
    finally:
        logger.removeHandler(heard)


@lru_cache(maxsize=256)
def check_overrides(overrides: tuple[str, ...], repository: Repository) -> None:
    """Raise Unusable for an option or a key that conf/ does not have.

    That every option composes is tests/test_structure.py's; a thorough repository composes each of these sets too, a
    sweep as each of its choices: a quarter of a second a set.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        for one in parsed:
            _refuse_unknown(one, repository)
        if repository.thorough:
            for swept in get_hydra_sweeps({"params.yaml": list(overrides)}):
                with initialize_config_dir(str((repository.root / "conf").resolve()), version_base=None):
                    compose("config", overrides=swept["params.yaml"])
    except (HydraException, OmegaConfBaseException, DvcException) as error:
        raise Unusable(f"{' '.join(overrides)}: {str(error).strip().splitlines()[0]}") from None


def _refuse_unknown(override: Override, repository: Repository) -> None:
    group = repository.root / "conf" / override.key_or_group
    if group.is_dir():
        if not (group / f"{override.value()}.yaml").exists():
            known = ", ".join(sorted(path.stem for path in group.glob("*.yaml")))
            raise Unusable(f"{override.input_line}: {override.key_or_group} has {known}")
    elif not override.is_add() and not repository.has_key(override.key_or_group):
        raise Unusable(f"{override.input_line}: no file of conf/ defines {override.key_or_group}")


def _tunewright(arguments: list[str], repository: Repository) -> str:
    group: Any = typer.main.get_command(app)
    path: list[str] = []
    rest = arguments
    try:
        context = group.make_context("tunewright", list(rest))
        while hasattr(group, "commands"):
            name, group, rest = group.resolve_command(context, rest)
            path.append(str(name))
            context = group.make_context(str(name), list(rest), parent=context)
    except Exception as error:  # click's usage errors and exits
        raise Unusable(f"tunewright does not take it: {getattr(error, 'message', None) or repr(error)}") from None
    _show_help(tuple(path))
    overrides = context.params["overrides"] or [] if path == ["params"] else []
    check_overrides(tuple(overrides), repository)
    stages = context.params.get("targets") or []
    if unknown := [stage for stage in stages if stage not in repository.stages]:
        raise Unusable(f"no stage {', '.join(unknown)}")
    return "parsed by tunewright, --help ran" + ", overrides found in conf/" * bool(overrides)


@lru_cache(maxsize=64)
def _show_help(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"])
    if shown.exit_code:
        raise Unusable(f"tunewright {' '.join(path)} --help ended with {shown.exit_code}: {shown.output[-200:]}")


def _make(arguments: list[str], repository: Repository) -> str:
    done = subprocess.run(["make", "-n", *arguments], cwd=repository.root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unusable(done.stderr.strip().splitlines()[-1])
    return "make -n"


def _python(arguments: list[str], repository: Repository) -> str:
    if arguments[:1] != ["-m"]:
        _refuse_missing([word for word in arguments[:1]], repository)
        return "the file is there"
    module, *rest = arguments[1:]
    if find_spec(module) is None:
        raise Unusable(f"no module {module}")
    if module == "pytest":
        _refuse_missing([word.split("::")[0] for word in rest if word.startswith("tests/")], repository)
    if module == "bench" and (unknown := [word for word in rest if word not in SECTIONS]):
        raise Unusable(f"bench has no {', '.join(unknown)}: {', '.join(SECTIONS)}")
    if module.startswith("stages."):
        try:
            load(module.removeprefix("stages."), import_module(module).Config, repository.root / "params.yaml")
        except TunewrightError as error:
            raise Unusable(str(error)) from None
        return "imported, its params fit"
    return "the module is there"


def _refuse_missing(paths: list[str], repository: Repository) -> None:
    missing = [path for path in paths if not all(map(repository.has, spelled_out(path)))]
    if missing:
        raise Unusable(f"no file {', '.join(missing)}")


@lru_cache(maxsize=32)
def _git_knows(command: str) -> bool:
    done = subprocess.run(["git", command, "-h"], capture_output=True, text=True, check=False)
    return "usage: git" in done.stdout + done.stderr


def _git(arguments: list[str], repository: Repository) -> str:
    if not arguments or not _git_knows(arguments[0]):
        raise Unusable(f"git has no command {' '.join(arguments[:1])}")
    return "git CMD -h"


def _pip(arguments: list[str], repository: Repository) -> str:
    known = tomllib.loads((repository.root / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    asked = [name for word in arguments for extras in re.findall(r"^\.\[(.+)\]$", word) for name in extras.split(",")]
    if unknown := [name for name in asked if name not in known]:
        raise Unusable(f"pyproject.toml has no extra {', '.join(unknown)}: {', '.join(known)}")
    return "its extras are in pyproject.toml"


CHECKS: dict[str, Callable[[list[str], Repository], str]] = {
    "dvc": _dvc,
    "tunewright": _tunewright,
    "make": _make,
    "python": _python,
    "git": _git,
    "pip": _pip,
}
