"""train-merge: add the adapter to a full-precision base, giving a plain model that needs no peft.

Always from models/base at the configured precision, never into 4-bit weights: rounding the sum to 4 bits would lose
most of what was learnt.

Reads models/base/, models/adapter/. Writes models/merged/, data/train/merge.json (how far each kind of matrix and each
layer moved) and metrics/train-merge.json (how far all moved).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

from tunewright.config import Config as BaseConfig
from tunewright.config import load
from tunewright.errors import MissingInputError, TrainingError, run_main
from tunewright.folders import whole_folder
from tunewright.moves import Moves, moves_of
from tunewright.quiet import quiet_libraries
from tunewright.records import write_json
from tunewright.terminal import Stage

BASE, ADAPTER, OUTPUT = Path("models/base"), Path("models/adapter"), Path("models/merged")
DETAILS, METRICS = Path("data/train/merge.json"), Path("metrics/train-merge.json")
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


def merged(config: Config) -> tuple[Any, Moves]:
    """The merged model, and how far its matrices moved from the base's."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(
        str(BASE), dtype=getattr(torch, config.dtype), local_files_only=True, use_safetensors=True
    )
    if getattr(base, "is_quantized", False):
        raise TrainingError(f"{BASE}: its weights are quantized; an adapter is merged into full precision only")
    if not (weights := ADAPTER / "adapter_model.safetensors").exists():  # peft would look for a pickle, then at the Hub
        raise MissingInputError(f"{weights}: no such file; make it with: dvc repro train-adapter")
    tuned = PeftModel.from_pretrained(base, str(ADAPTER))
    moves = moves_of(tuned)
    refuse_useless(moves)
    return tuned.merge_and_unload(safe_merge=True), moves


def refuse_useless(moves: Moves) -> None:
    """Raise TrainingError for an adapter that changes nothing, or that holds numbers that are none."""
    again = "train it again with: dvc repro -f train-adapter"
    if broken := moves.not_finite:
        raise TrainingError(
            f"{ADAPTER}: the update of {broken[0]} ({len(broken)} of {len(moves)} matrices) holds infinite or "
            f"undefined numbers, where finite ones were expected; lower the learning rate in conf/trainer/ and {again}"
        )
    if moves.total.delta_norm == 0.0:
        raise TrainingError(f"{ADAPTER}: the adapter changes no weight ({len(moves)} matrices looked at); {again}")


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
        model, moves = merged(config)
        model.save_pretrained(draft)
        copy_tokenizer(BASE, draft)
    write_json(DETAILS, moves.details())
    write_json(METRICS, moves.totals())
    kinds = moves.by_kind()
    most = max(kinds, key=lambda kind: kinds[kind].relative)
    stage.note(f"moved most: {most}, by {kinds[most].relative:.2%} of its norm; by kind and layer in {DETAILS}")
    stage.end(f"{len(moves)} matrices moved by {moves.total.relative:.2%} of their norm; {OUTPUT}")


if __name__ == "__main__":
    run_main(main)
