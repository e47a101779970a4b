"""How long a training takes on a GPU, and what it costs: arithmetic over peak arithmetic times a utilisation."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from tunewright.base_models import BaseModelConfig
from tunewright.config import Config
from tunewright.memory import linear_weights


class Gpu(Config):
    """One kind of GPU: memory that a process sees, dense 16-bit peak, price of an hour."""

    memory_gib: float = Field(gt=0)
    tflops: float = Field(gt=0)
    bfloat16: bool
    usd_per_hour: float = Field(ge=0)


@dataclass(frozen=True)
class Cost:
    """Hours on one GPU and what they cost."""

    gpu: str
    hours: float
    usd: float


def flops_per_token(model: BaseModelConfig, mean_tokens: float) -> float:
    """Floating-point operations to train on one token in an example of `mean_tokens`.

    A forward pass is 2 operations for each weight of a matrix, plus 2 x layers x context x width for causal attention
    (arXiv 2001.08361, section 2.1). A full training step is three times that; with the base frozen its weights'
    gradients fall away, and computing checkpointed blocks again adds one forward pass: 2 + 2 + 2 = 6 operations a
    weight. Attention has no weights: forward, twice backward, and once more. The adapters are left out.
    """
    weights = linear_weights(model) + model.vocab_size * model.hidden_size  # an embedding is looked up, not multiplied
    attention = 2 * model.layers * mean_tokens * model.attention_heads * model.head_size
    return 6 * weights + 4 * attention


def training_cost(flops: float, name: str, gpu: Gpu, utilisation: float) -> Cost:
    """Hours and USD of that many operations at a share of the GPU's peak."""
    hours = flops / (gpu.tflops * 1e12 * utilisation) / 3600
    return Cost(name, hours, hours * gpu.usd_per_hour)
