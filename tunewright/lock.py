"""dvc.lock: which content each stage read and made. Other tools write it and git merges it, so its shape is checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.errors import ConfigError
from tunewright.json_text import briefly

LOCK = "dvc.lock"
Stages = Mapping[str, Mapping[str, Any]]  # dvc.lock's `stages`


def stages_of(lock: Any) -> Stages:
    """The stages of a lock, none of an empty one; raises ConfigError where it has not the shape that DVC writes."""
    if lock is None:
        return {}
    stages = lock.get("stages", {}) if isinstance(lock, dict) else None
    if not isinstance(stages, dict):
        raise _fault("the whole" if stages is None else "stages", lock if stages is None else stages)
    for name, stage in stages.items():
        if not isinstance(name, str) or not isinstance(stage, dict):
            raise _fault(f"stages.{name}", stage)
        for key in ("deps", "outs"):
            if not isinstance(items := stage.get(key, []), list):
                raise _fault(f"stages.{name}.{key}", items)
            for item in items:
                if not isinstance(item, dict) or not isinstance(item.get("path"), str):
                    raise _fault(f"stages.{name}.{key}", item)
        if not isinstance(stage.get("params", {}), dict):
            raise _fault(f"stages.{name}.params", stage["params"])
    return stages


def _fault(where: str, found: object) -> ConfigError:
    return ConfigError(
        f"{LOCK}, {where}: found {briefly(found)}, expected stages as DVC writes them, each with the paths of its deps "
        f"and outs; restore it with: git checkout -- {LOCK}"
    )
