"""Small questions with answers that code can check: what a model could do before it was tuned, and should do after.

They lie in data/probes/, one file a category, written for this project and committed; every probe carries replies
that must pass and replies that must not, and a test runs its check on all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, field_validator

from tunewright.config import Config, load_file
from tunewright.errors import ConfigError, MissingInputError
from tunewright.probe_checks import Check
from tunewright.prompts import ChatMessage
from tunewright.records import Record, stable_unit

PROBES = Path("data/probes")


class Probe(Config):
    """One question, what its answer must be like, and replies that show it."""

    id: str
    ask: str | tuple[str, ...]  # several: user and assistant in turn, the last one the user's
    system: str | None = None
    check: Check
    right: tuple[str, ...] = Field(min_length=1)
    wrong: tuple[str, ...] = Field(min_length=1)

    @field_validator("ask")
    @classmethod
    def _ends_with_the_user(cls, ask: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not isinstance(ask, str) and len(ask) % 2 == 0:
            raise ValueError(f"found {len(ask)} messages, expected an odd number: the last one is the user's")
        return ask

    @property
    def turns(self) -> tuple[str, ...]:
        """The messages before the reply, the user's first."""
        return (self.ask,) if isinstance(self.ask, str) else self.ask

    @property
    def messages(self) -> list[ChatMessage]:
        """What the model is sent."""
        system: list[ChatMessage] = [{"role": "system", "content": self.system}] if self.system else []
        roles = ("user", "assistant")
        return system + [{"role": roles[i % 2], "content": text} for i, text in enumerate(self.turns)]


class Category(Config):
    """A file of probes."""

    title: str
    phrases: dict[str, str | tuple[str, ...]] = Field(
        default_factory=dict
    )  # lists that probes take over by a YAML alias
    probes: tuple[Probe, ...]


class Answered(Record):
    """What one model said to a probe, and whether that is right. `passed` None: it gave no reply, and why."""

    probe: str
    category: str
    ask: str  # the last message that it answers
    reply: str
    finish_reason: str | None
    passed: bool | None
    fault: str | None  # why it did not pass, or why there is no reply


def load_probes(folder: Path = PROBES) -> dict[str, Category]:
    """All probes by category, in the order of the files' names. Raises MissingInputError, ConfigError."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise MissingInputError(
            f"{folder}: found no probes, expected *.yaml files; restore them: git checkout -- {folder}"
        )
    found = {path.stem: load_file(path, Category) for path in files}
    seen: dict[str, str] = {}
    for name, category in found.items():
        for probe in category.probes:
            if probe.id in seen:
                raise ConfigError(
                    f"{folder}/{name}.yaml: found probe {probe.id!r}, which is in {seen[probe.id]}.yaml already; "
                    "expected every id once; edit it and run: dvc repro"
                )
            seen[probe.id] = name
    return found


def chosen(categories: Mapping[str, Category], per_category: int | None, seed: int) -> dict[str, list[Probe]]:
    """At most `per_category` probes of each category, by stable hash, in the order of the file; None: all."""
    picked: dict[str, list[Probe]] = {}
    for name, category in categories.items():
        ranked = sorted(category.probes, key=lambda p: stable_unit("probe", seed, p.id))[:per_category]
        kept = {probe.id for probe in ranked}
        picked[name] = [probe for probe in category.probes if probe.id in kept]
    return picked
