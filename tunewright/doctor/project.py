"""The project itself: its configuration, git, and the packages that are installed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tunewright.composing import composed_text, known_keys, unknown_keys
from tunewright.config import PARAMS, read_yaml
from tunewright.doctor.finding import Finding

LOCK = Path("requirements.lock")
OLDEST_PYTHON = (3, 11)
NAMED = 4  # packages that differ, by name; of more their number
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", re.MULTILINE)


def configuration() -> Iterator[Finding]:
    """Whether params.yaml is there, has no key that conf/ does not know, and is what conf/ composes to."""
    unknown = unknown_keys(read_yaml(PARAMS), known_keys())
    if unknown:
        found = f"{PARAMS} has keys that no file in conf/ defines: {', '.join(unknown[:NAMED])}"
        yield Finding("configuration", "fault", found, "put values into conf/ and run: make params")
    elif PARAMS.read_text("utf-8") != composed_text([]):
        found = f"{PARAMS} is not what conf/ composes to; runs use it as it is (an experiment leaves it so)"
        yield Finding("configuration", "note", found, "go back to what conf/ says: make params")
    else:
        yield Finding("configuration", "ok", f"{PARAMS} is what conf/ composes to")


def repository() -> Iterator[Finding]:
    """Whether git and DVC see a repository here: without them no stage runs."""
    try:
        done = subprocess.run(["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        yield Finding("repository", "fault", "git is not installed, or not on PATH", "install git")
        return
    if done.returncode:
        words = " ".join(done.stderr.split())
        yield Finding("repository", "fault", f"git: {words}", "run in a clone of the repository, or: git init")
    elif not Path(".dvc").is_dir():
        yield Finding("repository", "fault", "no .dvc folder here", "run in the repository's top folder, or: dvc init")
    else:
        yield Finding("repository", "ok", "git and DVC see it")


def packages() -> Iterator[Finding]:
    """Python's version, and where installed packages are others than the lock's."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < OLDEST_PYTHON:
        yield Finding("python", "fault", f"{python}; 3.11 or newer is needed", "make PYTHON=python3.12 run")
    else:
        yield Finding("python", "ok", python)
    if not LOCK.exists():
        yield Finding("packages", "note", f"no {LOCK} here to compare with")
        return
    pinned = {name: pin for name, pin in PIN.findall(LOCK.read_text("utf-8"))}
    others = [f"{name} {found} (lock: {pin})" for name, pin in pinned.items() if (found := other_version(name, pin))]
    if others:
        listed = ", ".join(others[:NAMED]) + (f" and {len(others) - NAMED} more" if len(others) > NAMED else "")
        found = f"{len(others)} of {len(pinned)} are not as in {LOCK}: {listed}"
        yield Finding("packages", "note", found, f"python -m pip install -r {LOCK}")
    else:
        yield Finding("packages", "ok", f"{len(pinned)} as in {LOCK}")


def other_version(name: str, pin: str) -> str | None:
    """What is installed where that is not the pinned version; a build's local part (+cpu) does not count."""
    try:
        found = version(name)
    except PackageNotFoundError:
        return "not installed"
    return None if found.split("+")[0] == pin.split("+")[0] else found
