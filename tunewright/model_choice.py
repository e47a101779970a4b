"""Which base models this domain can train, pay for and serve: every candidate measured against the same constraints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from tunewright.base_models import BaseModelConfig
from tunewright.config import Config, Constraints
from tunewright.memory import GIB, Footprint, Trainer, cache_bytes, file_bytes, longest_example, training_memory
from tunewright.training_cost import Cost, Gpu, flops_per_token, training_cost


class Serving(Config):
    """How the tuned model is served on the machine of whoever uses it."""

    ram_share: float = Field(gt=0, le=1)  # of the machine's memory; the rest is the system's and the runtime's
    bits_per_weight: dict[str, float]  # GGUF formats, the preferred one first
    cache_bytes_per_value: float = Field(gt=0)


class Rules(Config):
    """The numbers by which candidates are compared (a part of params section design.tokens)."""

    max_tokens_per_example: int = Field(ge=1)  # the method's ceiling
    usable_window_share: float = Field(gt=0, le=1)
    methods: dict[str, Trainer]  # on a GPU, the preferred one first
    footprint: Footprint
    gpus: dict[str, Gpu]
    gpu_headroom_share: float = Field(ge=0, lt=1)
    gpu_utilisation_share: float = Field(gt=0, le=1)
    serving: Serving
    open_licences: tuple[str, ...]


@dataclass(frozen=True)
class Workload:
    """What a training has to get through: tokens over all epochs, in examples of a mean length."""

    tokens: float
    mean_tokens: float


@dataclass(frozen=True)
class Candidate:
    """One base model against the constraints. Memory in bytes, lengths in tokens."""

    model: BaseModelConfig
    limit_tokens: int  # the longest conversation to train and to serve: ceiling or usable window
    training: Mapping[str, Mapping[str, float]]  # method: components at limit_tokens
    longest: Mapping[str, Mapping[str, int]]  # method: GPU: longest example that fits
    method: str | None  # of the cheapest training that fits
    cost: Cost | None
    served: Mapping[str, float]  # GGUF format: file and cache at limit_tokens
    served_as: str | None  # the preferred format that fits
    ruled_out: tuple[str, ...]  # reasons; none: it can be used


def limit_tokens(model: BaseModelConfig, rules: Rules) -> int:
    """The smaller of the ceiling for one example and the part of the window that works in practice."""
    return min(rules.max_tokens_per_example, int(model.context_tokens * rules.usable_window_share))


def candidate(model: BaseModelConfig, rules: Rules, wanted: Constraints, work: Workload) -> Candidate:
    """A model's memory, cost and serving, and what rules it out."""
    limit = limit_tokens(model, rules)
    longest = {name: gpu_lengths(model, trainer, rules, limit) for name, trainer in rules.methods.items()}
    method, cost = cheapest(model, rules, longest, work, limit)
    served = {
        name: file_bytes(model, bits) + cache_bytes(model, limit, rules.serving.cache_bytes_per_value)
        for name, bits in rules.serving.bits_per_weight.items()
    }
    ram_bytes = GIB * wanted.deployment_ram_gib * rules.serving.ram_share
    return Candidate(
        model=model,
        limit_tokens=limit,
        training={n: training_memory(model, t, rules.footprint, limit) for n, t in rules.methods.items()},
        longest=longest,
        method=method,
        cost=cost,
        served=served,
        served_as=next((name for name, needed in served.items() if needed <= ram_bytes), None),
        ruled_out=tuple(reasons(model, rules, wanted, served, cost, limit)),
    )


def gpu_lengths(model: BaseModelConfig, trainer: Trainer, rules: Rules, limit: int) -> dict[str, int]:
    """The longest example that fits each GPU, at most `limit`; 0 where nothing fits."""
    usable = 1 - rules.gpu_headroom_share
    return {
        name: longest_example(model, trainer, rules.footprint, GIB * gpu.memory_gib * usable, limit)
        for name, gpu in rules.gpus.items()
    }


def cheapest(
    model: BaseModelConfig, rules: Rules, longest: Mapping[str, Mapping[str, int]], work: Workload, limit: int
) -> tuple[str | None, Cost | None]:
    """The cheapest GPU on which examples of `limit` tokens fit; the preferred method of those that fit on it."""
    flops = flops_per_token(model, work.mean_tokens) * work.tokens
    options = []
    for name, gpu in rules.gpus.items():
        methods = [
            method
            for method, trainer in rules.methods.items()
            if longest[method][name] >= limit and (gpu.bfloat16 or trainer.dtype != "bfloat16")
        ]
        if methods:
            options.append((methods[0], training_cost(flops, name, gpu, rules.gpu_utilisation_share)))
    return min(options, key=lambda option: option[1].usd, default=(None, None))


def reasons(
    model: BaseModelConfig,
    rules: Rules,
    wanted: Constraints,
    served: Mapping[str, float],
    cost: Cost | None,
    limit: int,
) -> list[str]:
    """Why a model cannot be used under the constraints. Weights are files here, so being offline excludes none."""
    found = []
    if wanted.open_licence and model.licence not in rules.open_licences:
        found.append(f"its licence ({model.licence}) is not an open one")
    usable, (smallest, needed) = (
        wanted.deployment_ram_gib * rules.serving.ram_share,
        min(served.items(), key=lambda item: item[1]),
    )
    if needed > GIB * usable:
        found.append(
            f"{smallest} with its cache for {limit:,} tokens takes {needed / GIB:.1f} GiB of memory, {usable:.1f} may "
            "be used"
        )
    if cost is None:
        found.append(f"examples of {limit:,} tokens fit none of the GPUs listed")
    elif cost.usd > wanted.train_budget_usd:
        found.append(f"training costs {cost.usd:,.0f} USD, the budget is {wanted.train_budget_usd:,.0f}")
    return found


def pick(candidates: Sequence[Candidate], wanted_tokens: float, preferred_format: str) -> Candidate | None:
    """The largest model that nothing rules out, of those served in the preferred format that hold `wanted_tokens`.

    Either condition is dropped, the length first, when it leaves none.
    """
    usable = [c for c in candidates if not c.ruled_out]
    served = [c for c in usable if c.served_as == preferred_format]
    long_enough = [c for c in served if c.limit_tokens >= wanted_tokens]
    return max(long_enough or served or usable, key=lambda c: c.model.parameters, default=None)
