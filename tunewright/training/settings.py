"""What decides a training, whatever machine it runs on: the params section train.adapter."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from pydantic import Field

from tunewright.config import Config
from tunewright.errors import TrainingError


class Lora(Config):
    """peft's names; `alpha` is lora_alpha. The update is scaled by alpha / r."""

    r: int = Field(ge=1)
    alpha: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    target_modules: str | tuple[str, ...]  # all-linear, a regular expression, or names


class Settings(Config):
    """Params section train.adapter. Where it runs is `trainer.place`, which is not tracked."""

    device: Literal["cpu", "cuda", "mlx"]
    lora: Lora
    dtype: Literal["bfloat16", "float32", "float16"]
    epochs: float = Field(gt=0)
    learning_rate: float = Field(gt=0)
    batch_size: int = Field(ge=1)
    gradient_accumulation: int = Field(ge=1)
    packing: bool  # several examples in a row of max_tokens; then batch_size counts rows
    warmup_share: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    scheduler: str
    max_tokens: int = Field(ge=1)
    checkpoints_per_epoch: int = Field(ge=1)
    quantize_4bit: bool
    seed: int


def check_device(settings: Settings, cuda: bool) -> None:
    """Refuse settings that need what is not here: it would train for days, or not at all."""
    if settings.device == "cuda" and not cuda:
        raise TrainingError(
            "this trainer needs an NVIDIA GPU, and torch finds none here; choose trainer=cpu, or another machine"
        )
    if settings.device == "mlx":
        raise TrainingError("train.adapter.device is mlx, which trains at the place mlx alone: choose trainer=mlx")


def check_quantization(settings: Settings) -> None:
    """4-bit weights are bitsandbytes'. It runs on a CPU too, slowly: bench/training_places.py."""
    if settings.quantize_4bit and find_spec("bitsandbytes") is None:
        raise TrainingError(
            "quantize_4bit needs bitsandbytes, which is not installed here; run: pip install -e '.[qlora]', or set "
            "trainer.quantize_4bit=false"
        )
