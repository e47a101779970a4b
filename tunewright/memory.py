"""What training and serving a Llama-like chat model take in memory, by component, in bytes.

Everything is counted from the model's shape and from what our trainer keeps; `bench/memory.py` compares the sum with
the measured peak of real training runs. Only what a `Footprint` holds is measured and not derived.
"""

from __future__ import annotations

from bisect import bisect_right
from math import prod
from typing import Literal

from pydantic import Field

from tunewright.base_models import BaseModelConfig
from tunewright.config import Config

GIB = 2**30
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
NF4_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8  # 4 bits, double-quantized constants: arXiv 2305.14314, section 3
CPU_LOSS_POSITIONS = 256  # positions whose logits supervised_loss holds at once
GPU_LOSS_TILE = (4096, 32768)  # positions x vocabulary of trl's fused output layer (trl.kernels.chunked_logprob)


class Footprint(Config):
    """Measured constants: the process without a model, and what the allocators add."""

    cpu_process_gib: float = Field(gt=0)  # interpreter, torch, transformers, trl, tokenizer
    heap_slack_share: float = Field(ge=0)  # of the activations: freed blocks of the C library's heap not found again
    cuda_gib: float = Field(gt=0)  # context, kernels and workspaces of one process on the GPU


class Trainer(Config):
    """What decides the memory of a training run."""

    device: Literal["cpu", "cuda", "mlx"]
    dtype: Literal["bfloat16", "float32", "float16"]
    quantize_4bit: bool
    lora_rank: int = Field(ge=1)
    batch_size: int = Field(ge=1)


def matrices(model: BaseModelConfig) -> list[tuple[int, int]]:
    """(inputs, outputs) of the linear layers of one block: q, k, v, o, gate, up, down."""
    hidden, inner = model.hidden_size, model.intermediate_size
    queries, keys = model.attention_heads * model.head_size, model.kv_heads * model.head_size
    mlp = [(hidden, inner), (hidden, inner), (inner, hidden)]
    return [(hidden, queries), (hidden, keys), (hidden, keys), (queries, hidden), *mlp]


def linear_weights(model: BaseModelConfig) -> int:
    """Weights of all blocks' linear layers: what NF4 quantizes."""
    return model.layers * sum(map(prod, matrices(model)))


def weights_of_shape(model: BaseModelConfig) -> int:
    """Every weight that the shape implies: blocks, norms, embeddings and an output layer of its own; no image tower."""
    norms = model.norms_per_layer * model.hidden_size + 2 * model.head_size * model.query_key_norms
    embeddings = model.vocab_size * model.hidden_size * (1 if model.tied_embeddings else 2)
    return linear_weights(model) + model.layers * norms + model.hidden_size + embeddings


def lora_weights(model: BaseModelConfig, rank: int) -> int:
    """Weights of LoRA on all linear layers: rank x (inputs + outputs) for each matrix (arXiv 2106.09685)."""
    return rank * model.layers * sum(map(sum, matrices(model)))


def saved_values(model: BaseModelConfig, rank: int) -> int:
    """Values that one block keeps for its backward pass, for each token, with every base weight frozen.

    A frozen matrix needs no copy of its input, but the LoRA factor A beside it does (shared where inputs are). Per
    block: the input of each norm and its inverse deviation; the inputs of q/k/v, o, gate/up and down; q, k, v as
    attention sees them and its log-sum-exp (the output is o's input); gate, SiLU(gate) and up; and the rank values
    between A and B of all seven adapters. Attention scores are never kept (FlashAttention, arXiv 2205.14135).
    """
    hidden, inner = model.hidden_size, model.intermediate_size
    queries, keys = model.attention_heads * model.head_size, model.kv_heads * model.head_size
    norms = model.norms_per_layer * (hidden + 1)
    query_key_norms = (queries + keys + model.attention_heads + model.kv_heads) * model.query_key_norms
    attention = hidden + queries + 2 * keys + queries + model.attention_heads  # normed input, q, k and v, output, lse
    mlp = hidden + 4 * inner  # normed input; gate, SiLU(gate), up, their product
    return norms + query_key_norms + attention + mlp + len(matrices(model)) * rank


def training_memory(
    model: BaseModelConfig, trainer: Trainer, footprint: Footprint, tokens_per_example: int
) -> dict[str, float]:
    """Bytes by component at the peak of a training step, in a batch of examples of the same length."""
    tokens = trainer.batch_size * tokens_per_example
    activations = activation_bytes(model, trainer, tokens)
    on_cpu = trainer.device == "cpu"
    return {
        "process and libraries": GIB * (footprint.cuda_gib if trainer.device == "cuda" else footprint.cpu_process_gib),
        "base weights": weight_bytes(model, trainer),
        "adapter, its gradients and Adam": adapter_bytes(model, trainer),
        "activations": activations,
        "logits of the loss": logit_bytes(model, trainer, tokens),
        "heap slack": footprint.heap_slack_share * activations if on_cpu else 0.0,
    }


def weight_bytes(model: BaseModelConfig, trainer: Trainer) -> float:
    """The frozen base. In QLoRA the blocks' matrices are NF4; embeddings, output layer, norms and images stay as is."""
    each = DTYPE_BYTES[trainer.dtype]
    quantized = linear_weights(model) if trainer.quantize_4bit else 0
    return quantized * NF4_BYTES + (model.parameters - quantized) * each


def adapter_bytes(model: BaseModelConfig, trainer: Trainer) -> float:
    """Weight, gradient and two Adam moments of every adapter weight (arXiv 1910.02054, section 3.1).

    peft keeps adapters in float32 whatever the base; trl turns those of a 4-bit base into bfloat16.
    """
    return lora_weights(model, trainer.lora_rank) * 4 * (2 if trainer.quantize_4bit else 4)


def activation_bytes(model: BaseModelConfig, trainer: Trainer, tokens: int) -> float:
    """What the forward pass leaves for the backward pass.

    On a CPU every block keeps `saved_values`. On a GPU blocks are checkpointed (arXiv 1604.06174): each keeps its
    input, and one at a time is computed again. Four bytes a value in either: under autocast the norms keep float32
    and every adapter a bfloat16 copy of its input (measured: 2.75 bytes a value), so for bfloat16 it is a bound.
    """
    block = 4.0 * saved_values(model, trainer.lora_rank)
    if trainer.device == "cpu":
        return tokens * model.layers * block
    return tokens * (model.layers * model.hidden_size * DTYPE_BYTES[trainer.dtype] + block)


def logit_bytes(model: BaseModelConfig, trainer: Trainer, tokens: int) -> float:
    """Logits that exist at once, and the gradient of the hidden states; every position counted as supervised.

    supervised_loss holds a chunk's logits and their softmax, beside the softmax of the chunk before. trl's fused
    output layer holds one tile. mlx_lm holds every position's logits and their gradient (a bound: 4 bytes a value).
    """
    gradient = 4.0 * tokens * model.hidden_size
    if trainer.device == "mlx":
        return gradient + 2 * unfused_logit_bytes(model, tokens)
    if trainer.device == "cpu":
        positions, copies = min(tokens, CPU_LOSS_POSITIONS), 2 if tokens <= CPU_LOSS_POSITIONS else 3
        return gradient + copies * positions * model.vocab_size * 4.0
    positions, width = min(tokens, GPU_LOSS_TILE[0]), min(model.vocab_size, GPU_LOSS_TILE[1])
    return gradient + positions * width * DTYPE_BYTES[trainer.dtype]


def unfused_logit_bytes(model: BaseModelConfig, tokens: int) -> float:
    """What a trainer without a fused loss would need for the logits alone: float32, every position."""
    return 4.0 * tokens * model.vocab_size


def longest_example(
    model: BaseModelConfig, trainer: Trainer, footprint: Footprint, memory_bytes: float, ceiling_tokens: int
) -> int:
    """The most tokens an example may have to train within the memory, at most the ceiling; 0 if nothing fits."""

    def total(tokens: int) -> float:
        return sum(training_memory(model, trainer, footprint, tokens).values())

    return max(0, bisect_right(range(ceiling_tokens + 1), memory_bytes, key=total) - 1)


def cache_bytes(model: BaseModelConfig, tokens: int, bytes_per_value: float) -> float:
    """Keys and values of one conversation while the model answers; layers of local attention keep their window."""
    per_token = 2 * model.kv_heads * model.head_size * bytes_per_value
    local = model.local_attention
    if local is None:
        return model.layers * tokens * per_token
    full = model.layers // local.full_every
    return (full * tokens + (model.layers - full) * min(tokens, local.window_tokens)) * per_token


def file_bytes(model: BaseModelConfig, bits_per_weight: float) -> float:
    """A quantized GGUF of the language model."""
    return (model.parameters - model.vision_parameters) * bits_per_weight / 8
