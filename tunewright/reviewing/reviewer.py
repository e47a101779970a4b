"""Who reviews: the name that stands in every line that this person writes."""

from __future__ import annotations

import getpass
import subprocess
import unicodedata
from collections.abc import Iterable

from tunewright.errors import ConfigError
from tunewright.plain import plain

MAX_CHARS = 80


def reviewer_named(given: str | None) -> str:
    """The name given, else git's user.name, else the login name; raises ConfigError for one that is not fit to keep."""
    if given is not None:
        return _fit(given, "--reviewer")
    if found := _git_name():
        return _fit(found, "git config user.name")
    return _fit(_login_name(), "the login name")


def like(name: str, others: Iterable[str]) -> list[str]:
    """The names that differ from this one by capitals, spaces or marks alone: perhaps the same person's."""
    return sorted({other for other in others if other != name and _plain(other) == _plain(name)})


def _plain(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", name).casefold() if c.isalnum())


def _fit(name: str, source: str) -> str:
    name = unicodedata.normalize("NFC", name.strip())
    if not name or len(name) > MAX_CHARS or plain(name) != name or "\n" in name or "\t" in name:
        raise ConfigError(
            f"{source} gives the reviewer's name as {name[:MAX_CHARS]!r}; expected 1 to {MAX_CHARS} visible "
            "characters on one line; say who reviews with: tunewright review --reviewer NAME"
        )
    return name


def _git_name() -> str:
    try:
        return subprocess.run(["git", "config", "user.name"], capture_output=True, text=True).stdout.strip()
    except OSError:  # no git here
        return ""


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without an entry, as in containers
        return ""
