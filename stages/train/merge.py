"""train-merge: add the adapter to a full-precision base, giving a plain model that needs no peft.

Always from models/base at the configured precision, never into 4-bit weights: rounding the sum to 4 bits would lose
most of what was learnt.

Reads models/base/, models/adapter/. Writes models/merged/ and metrics/train-merge.json (how far the weights moved).
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any, Literal

from tunewright.config import Config as BaseConfig
from tunewright.config import load
from tunewright.errors import MissingInputError, TrainingError, run_main
from tunewright.folders import whole_folder
from tunewright.quiet import quiet_libraries
from tunewright.records import write_json
from tunewright.terminal import Stage

BASE, ADAPTER, OUTPUT = Path("models/base"), Path("models/adapter"), Path("models/merged")
METRICS = Path("metrics/train-merge.json")
NOT_WEIGHTS = (
    "tokenizer*",
    "*.jinja",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
    "merges.txt",
    "vocab.json",
)


class Config(BaseConfig):
    """Params section train.merge."""

    dtype: Literal["float32", "bfloat16", "float16"]


def merged(config: Config) -> tuple[Any, dict[str, Any]]:
    """The merged model, and how far its matrices moved from the base's."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(str(BASE), dtype=getattr(torch, config.dtype), local_files_only=True)
    if getattr(base, "is_quantized", False):
        raise TrainingError(f"{BASE}: its weights are quantized; an adapter is merged into full precision only")
    tuned = PeftModel.from_pretrained(base, str(ADAPTER))
    norms = delta_norms(tuned)
    return tuned.merge_and_unload(safe_merge=True), norms


def delta_norms(tuned: Any) -> dict[str, Any]:
    """Frobenius norms of the adapter's updates, before they are merged.

    `relative_delta` is the norm of all updates over the norm of the weights they are added to.
    """
    updates: dict[str, float] = {}
    weights = 0.0
    for name, module in tuned.named_modules():
        if hasattr(module, "get_delta_weight"):
            updates[name.removeprefix("base_model.model.")] = float(module.get_delta_weight("default").float().norm())
            weights += float(module.get_base_layer().weight.float().norm()) ** 2
    if not updates or max(updates.values()) == 0.0:
        raise TrainingError(
            f"{ADAPTER}: the adapter changes no weight; train it again with: dvc repro -f train-adapter"
        )
    total = math.sqrt(math.fsum(norm * norm for norm in updates.values()))
    return {
        "matrices": len(updates),
        "delta_norm": total,
        "relative_delta": total / math.sqrt(weights),
        "largest_delta_norm": max(updates.values()),
    }


def copy_tokenizer(source: Path, target: Path) -> None:
    """The base's tokenizer files, byte for byte: a re-saved one could differ from what was trained with."""
    for pattern in NOT_WEIGHTS:
        for path in sorted(source.glob(pattern)):
            shutil.copyfile(path, target / path.name)


def main() -> None:
    """Merge, write."""
    config, stage = load("train.merge", Config), Stage("train-merge")
    for folder, maker in ((BASE, "train-base"), (ADAPTER, "train-adapter")):
        if not folder.exists():
            raise MissingInputError(f"{folder}: no such directory; make it with: dvc repro {maker}")
    stage.start(f"{ADAPTER} into {BASE} in {config.dtype}")
    with quiet_libraries(), whole_folder(OUTPUT) as draft:
        model, norms = merged(config)
        model.save_pretrained(draft)
        copy_tokenizer(BASE, draft)
    write_json(METRICS, norms)
    stage.end(f"{norms['matrices']} matrices moved by {norms['relative_delta']:.1%} of their norm; {OUTPUT}")


if __name__ == "__main__":
    run_main(main)
