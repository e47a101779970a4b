"""design-tokens: token economics of this domain on the configured base model.

What a conversation costs in tokens, how many exchanges fit into an example and into the model's usable window, and
what LoRA training needs in memory. Measured on the domain's authored conversations with the model's own tokenizer.

Reads models/base (its tokenizer), the domain's authored conversations and prompts.
Writes reports/model-choice.md and metrics/design-tokens.json.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, quantiles

from tunewright.authored import load_authored
from tunewright.base_models import BaseModelConfig
from tunewright.chat_tokenizer import load_tokenizer
from tunewright.config import Config as BaseConfig
from tunewright.config import load, load_domain
from tunewright.conversation import as_messages, assistant_variables, history
from tunewright.errors import RecordError, run_main
from tunewright.prompts import render
from tunewright.records import write_json, write_text
from tunewright.terminal import Stage

GIB = 2**30
OPTIMISER_BYTES_PER_TRAINED_WEIGHT = 16  # fp32 weight, gradient and two Adam moments (arXiv 1910.02054, section 3.1)
ACTIVATION_BYTES_PER_TOKEN = 34  # x hidden size x layers, bf16, no checkpointing (arXiv 2205.05198, equation 2)


class Config(BaseConfig):
    """The model, the limits, and the GPUs to compare."""

    base_model: BaseModelConfig
    max_tokens_per_example: int
    usable_window_share: float
    lora_rank: int
    bytes_per_weight: float
    gpus_gib: dict[str, float]


@dataclass(frozen=True)
class Economics:
    """Tokens: of the system prompt, per exchange, per conversation, and what fits."""

    prompt_tokens: int
    exchange_tokens_mean: float
    exchange_tokens_p95: float
    conversation_tokens_mean: float
    conversation_tokens_max: int
    limit_tokens: int
    exchanges_in_limit: int


def economics(prompt_tokens: int, conversations: list[list[int]], limit_tokens: int) -> Economics:
    """From per-exchange token counts of each conversation; the fit uses the 95th percentile exchange, to be safe."""
    exchanges = [n for c in conversations for n in c]
    if len(exchanges) < 2:
        raise RecordError(
            f"{len(exchanges)} authored exchanges are too few to measure; add conversations to the domain's authored "
            "transcripts and run: dvc repro design-tokens"
        )
    totals = [prompt_tokens + sum(c) for c in conversations]
    p95 = quantiles(exchanges, n=20)[-1]
    return Economics(
        prompt_tokens=prompt_tokens,
        exchange_tokens_mean=round(fmean(exchanges), 1),
        exchange_tokens_p95=round(p95, 1),
        conversation_tokens_mean=round(fmean(totals), 1),
        conversation_tokens_max=max(totals),
        limit_tokens=limit_tokens,
        exchanges_in_limit=max(0, int((limit_tokens - prompt_tokens) // p95)),
    )


def lora_weights(model: BaseModelConfig, rank: int) -> int:
    """Trainable weights of LoRA on all linear layers of a Llama-like block: rank x (inputs + outputs) per matrix."""
    hidden, inner = model.hidden_size, model.intermediate_size
    head = hidden // model.attention_heads
    attention = 2 * (hidden + model.attention_heads * head) + 2 * (hidden + model.kv_heads * head)  # q, o and k, v
    return rank * model.layers * (attention + 3 * (hidden + inner))


def memory_gib(model: BaseModelConfig, config: Config, tokens: int) -> dict[str, float]:
    """Training memory by component in GiB, batch of one example of `tokens` tokens."""
    parts = {
        "weights": model.parameters * config.bytes_per_weight,
        "adapter and optimiser": lora_weights(model, config.lora_rank) * OPTIMISER_BYTES_PER_TRAINED_WEIGHT,
        "activations": ACTIVATION_BYTES_PER_TOKEN * tokens * model.hidden_size * model.layers,
        "logits (unfused loss)": 4.0 * tokens * model.vocab_size,
    }
    return {name: round(n / GIB, 3) for name, n in parts.items()} | {"total": round(sum(parts.values()) / GIB, 3)}


def report(config: Config, found: Economics, memory: dict[str, float]) -> str:
    """reports/model-choice.md."""
    model = config.base_model
    fits = (
        ", ".join(f"{g} ({n:g} GiB)" for g, n in config.gpus_gib.items() if memory["total"] <= 0.9 * n)
        or "none of those listed"
    )
    rows = "\n".join(f"| {name} | {gib:.2f} |" for name, gib in memory.items())
    return f"""# Model choice: {model.title}

Written by `dvc repro design-tokens`; measured on the domain's authored conversations with the model's own tokenizer.

| fact | value |
|---|---|
| licence | {model.licence} |
| parameters | {model.parameters:,} |
| context | {model.context_tokens:,} tokens; usable in practice about {config.usable_window_share:.0%} |
| vocabulary | {model.vocab_size:,} |
| facts from | {model.facts_source} |

## Tokens

| what | tokens |
|---|---|
| system prompt | {found.prompt_tokens} |
| one exchange, mean | {found.exchange_tokens_mean} |
| one exchange, 95th percentile | {found.exchange_tokens_p95} |
| one conversation, mean | {found.conversation_tokens_mean} |
| one conversation, longest | {found.conversation_tokens_max} |

An example may have {found.limit_tokens:,} tokens (the smaller of the {config.max_tokens_per_example:,}-token
ceiling and the usable window), which is {found.exchanges_in_limit} exchanges at the 95th percentile.

## Memory for LoRA training (rank {config.lora_rank}, batch 1, an example of the longest conversation)

An estimate by formula, not yet checked against a measured peak.

| component | GiB |
|---|---|
{rows}

Fits, with a tenth to spare, on: {fits}.
"""


def main() -> None:
    """Measure and report."""
    stage = Stage("design-tokens")
    config, domain = load("design.tokens", Config), load_domain()
    transcripts = load_authored(domain)[1]
    stage.start(f"{config.base_model.title}, {len(transcripts)} conversations")
    tokenizer = load_tokenizer(Path("models/base"))
    system = as_messages(render(Path(domain.prompts) / "system.md", **assistant_variables(domain)))
    prompt_tokens = tokenizer.count(system)
    counts = [
        [tokenizer.count([*system, *as_messages(history([e]))]) - prompt_tokens for e in t.exchanges]
        for t in transcripts
    ]
    limit = min(config.max_tokens_per_example, int(config.base_model.context_tokens * config.usable_window_share))
    found = economics(prompt_tokens, counts, limit)
    memory = memory_gib(config.base_model, config, found.conversation_tokens_max)
    write_text("reports/model-choice.md", report(config, found, memory))
    keys = ("exchange_tokens_mean", "conversation_tokens_mean", "limit_tokens", "exchanges_in_limit")
    headline = {key: getattr(found, key) for key in keys} | {"lora_memory_gib": memory["total"]}
    write_json("metrics/design-tokens.json", headline)
    stage.end(
        f"{found.exchange_tokens_mean} tokens an exchange, {found.exchanges_in_limit} exchanges in {limit:,} tokens"
    )


if __name__ == "__main__":
    run_main(main)
