"""train-base: obtain the base model, pinned, as the directory that training, merging and export read.

The pin (a SHA-256 or a full commit id) stands in params.yaml, so the same configuration can only ever give the same
weights. Its tokenizer is what slices and token economics count with.

Reads nothing but params train.base. Writes models/base/, data/train/base.json (what pins it) and
metrics/train-base.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tunewright.base_models import BaseModelConfig, obtain, parameter_count
from tunewright.config import Config as BaseConfig
from tunewright.config import load
from tunewright.errors import run_main
from tunewright.folders import whole_folder
from tunewright.records import write_json
from tunewright.terminal import Stage
from tunewright.weights import folder_digest

OUTPUT = Path("models/base")
FACTS, METRICS = Path("data/train/base.json"), Path("metrics/train-base.json")


class Config(BaseConfig):
    """Params section train.base."""

    base_model: BaseModelConfig


def facts(model: BaseModelConfig, pin: str, folder: Path) -> dict[str, Any]:
    """What a reader must know to get the same base: its pin, its size as found, its licence."""
    settings = json.loads((folder / "config.json").read_text("utf-8"))
    return {
        "id": model.id,
        "source": pin,
        "parameters": parameter_count(folder),
        "dtype": settings.get("dtype") or settings.get("torch_dtype"),
        "licence": model.licence,
        "folder_sha256": folder_digest(folder),
    }


def main() -> None:
    """Fetch, convert, write."""
    model = load("train.base", Config).base_model
    stage = Stage("train-base")
    stage.start(f"{model.title} ({model.licence}) from {model.source.kind}")
    with whole_folder(OUTPUT) as folder:
        pin = obtain(model, folder)
    found = facts(model, pin, OUTPUT)
    write_json(FACTS, found)
    write_json(METRICS, {"parameters": found["parameters"]})
    stage.end(f"{found['parameters']:,} weights in {found['dtype']}, {pin[:19]}, in {OUTPUT}")


if __name__ == "__main__":
    run_main(main)
