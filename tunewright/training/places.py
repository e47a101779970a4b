"""Which place trains: the params section trainer.place, by its `kind`. Never a tracked param."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunewright.config import PARAMS, brief, read_yaml, validate
from tunewright.errors import ConfigError
from tunewright.training.apple import Mlx
from tunewright.training.here import Here
from tunewright.training.hub_place import HubJobs
from tunewright.training.job import Trainer
from tunewright.training.multi import Accelerate

PLACES: dict[str, Any] = {"here": Here, "accelerate": Accelerate, "hf_jobs": HubJobs, "mlx": Mlx}  # by kind


def configured_trainer(params: Path = PARAMS) -> Trainer:
    """The trainer that conf/trainer names; raises ConfigError for a kind that there is not, or a fault in its keys."""
    section: Any = read_yaml(params)
    for part in ("trainer", "place"):
        section = section.get(part) if isinstance(section, dict) else None
    kind = section.get("kind") if isinstance(section, dict) else None
    if not isinstance(kind, str) or kind not in PLACES:
        raise ConfigError(
            f"{params}: trainer.place.kind: found {brief(kind)}, expected one of {', '.join(PLACES)}; "
            "choose a trainer of conf/trainer/ and run: make params"
        )
    return validate(section, PLACES[kind], params, "trainer.place")
