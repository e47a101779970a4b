"""An adapter that mlx_lm trained, in peft's form.

mlx_lm multiplies rows by lora_a (inputs, rank) and lora_b (rank, outputs); peft keeps the transposes. The update is
scaled by `scale` there and by lora_alpha / r here. DoRA's magnitudes and anything else under another name are
refused: nothing is converted by halves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunewright.errors import TrainingError
from tunewright.json_files import read_object
from tunewright.records import write_json
from tunewright.training.settings import Lora

NAME = re.compile(r"(model\.layers\.\d+\.[\w.]+)\.lora_([ab])")


def peft_weights(found: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays under peft's names, transposed; raises TrainingError for what is no LoRA factor, or lacks its pair."""
    weights = {}
    for name, array in found.items():
        parts = NAME.fullmatch(name)
        if not parts:
            raise TrainingError(f"{name}: no LoRA factor of a layer; only those have a place in peft's adapter")
        weights[f"base_model.model.{parts[1]}.lora_{parts[2].upper()}.weight"] = array.T
    lonely = [name for name in weights if re.sub(r"lora_([AB])", _other, name) not in weights]
    if lonely or not weights:
        raise TrainingError(f"an mlx adapter of {len(weights)} factors, without their pair: {', '.join(lonely)[:200]}")
    return weights


def _other(factor: re.Match[str]) -> str:
    return "lora_B" if factor[1] == "A" else "lora_A"


def convert(source: Path, base: Path, lora: Lora, target: Path) -> None:
    """Write peft's adapter of what mlx_lm saved in `source`, whose own settings must be those that were asked for."""
    import numpy as np
    from peft import LoraConfig
    from safetensors.numpy import load_file, save_file

    said = read_object(source / "adapter_config.json")
    scale = said["lora_parameters"]["scale"]
    if said["fine_tune_type"] != "lora" or scale != lora.alpha / lora.r:
        raise TrainingError(
            f"{source}: fine_tune_type {said['fine_tune_type']}, scale {scale}; expected lora, {lora.alpha / lora.r}. "
            "DoRA and full fine-tuning cannot be converted"
        )
    weights = peft_weights(load_file(source / "adapters.safetensors"))
    whole = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in sorted(weights.items())}
    modules = sorted({name.split(".lora_")[0].removeprefix("base_model.model.") for name in whole})
    sizes = {"r": lora.r, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout}
    peft = LoraConfig(**sizes, target_modules=modules, task_type="CAUSAL_LM", inference_mode=True)
    peft.base_model_name_or_path = str(base)
    peft.save_pretrained(str(target))
    settings = read_object(target / "adapter_config.json")
    write_json(target / "adapter_config.json", dict(sorted((settings | {"target_modules": modules}).items())))
    save_file(whole, target / "adapter_model.safetensors", metadata={"format": "pt"})
