"""Whether what conf/trainer asks for can train here."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from tunewright.config import load
from tunewright.doctor.finding import Finding

PACKAGES = ("torch", "transformers", "trl", "peft")


def training() -> Iterator[Finding]:
    """The place that is configured, asked by its own check; where packages lack, that first."""
    from tunewright.training.places import configured_trainer  # numpy
    from tunewright.training.settings import Settings

    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        found = f"{', '.join(missing)} not installed: generation and judging run, training does not"
        yield Finding("training", "note", found, "pip install -e '.[train]'")
        return
    settings, trainer = load("train.adapter", Settings), configured_trainer()
    trainer.check(settings)
    yield Finding("training", "ok", f"{type(trainer).__name__} is ready: {settings.device}, {settings.dtype}")
