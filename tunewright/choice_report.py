"""reports/model-choice.md: the answer first, one table of all candidates, then what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tunewright.config import Constraints
from tunewright.document import md_table
from tunewright.memory import GIB, Trainer, unfused_logit_bytes
from tunewright.model_choice import Candidate, Rules, Workload, pick
from tunewright.training_cost import flops_per_token, training_cost


@dataclass(frozen=True)
class Economics:
    """Tokens of the system prompt, of an exchange, and of each authored conversation with its prompt."""

    prompt_tokens: int
    exchange_tokens_mean: float
    exchange_tokens_p95: float
    conversation_tokens: tuple[int, ...]

    def exchanges_in(self, tokens: int) -> int:
        """Exchanges that fit, each as long as the 95th percentile, to be safe."""
        return max(0, int((tokens - self.prompt_tokens) // self.exchange_tokens_p95))


@dataclass(frozen=True)
class Choice:
    """Everything that the report says; the first candidate is the configured one."""

    domain: str
    constraints: Constraints
    rules: Rules
    economics: Economics
    trainer: Trainer
    trained_tokens: int
    memory: Mapping[str, float]
    budgets_tokens: Sequence[int]
    plan: str
    planned: Workload
    planned_tokens_max: float
    authored: Workload
    candidates: Sequence[Candidate]


def report(choice: Choice) -> str:
    """The Markdown."""
    sections = (answer, comparison, memory, lengths, costs, tokens, constraints, sources)
    return f"# Model choice: {choice.domain}\n\n" + "\n\n".join(section(choice) for section in sections) + "\n"


def answer(choice: Choice) -> str:
    """What to take, what is ruled out, and how the configured model stands."""
    first = next(iter(choice.rules.serving.bits_per_weight))
    best = pick(choice.candidates, choice.planned_tokens_max, first)
    configured = choice.candidates[0]
    state = f"ruled out: {'; '.join(configured.ruled_out)}" if configured.ruled_out else "meets every constraint"
    holds = choice.economics.exchanges_in(configured.limit_tokens)
    lines = [f"- Configured: **{configured.model.title}**, which {state}. It holds {holds} exchanges."]
    if best is None:
        lines.insert(0, "- **No candidate meets the constraints.** Relax one of them (below), or add a smaller model.")
    else:
        cost = f"{best.cost.usd:,.2f} USD on {best.cost.gpu}" if best.cost else "unknown"
        lines.insert(
            0,
            f"- Pick for the plan ({choice.plan}): **{best.model.title}**, the largest that meets every constraint as "
            f"{best.served_as}, holds {choice.economics.exchanges_in(best.limit_tokens)} exchanges, and trains with "
            f"{best.method} for about {cost}. Licence: {best.model.licence}.",
        )
    out = [c for c in choice.candidates if c.ruled_out]
    lines += [f"- Ruled out: {c.model.title}, because {'; '.join(c.ruled_out)}." for c in out]
    if not out:
        lines.append("- Ruled out: none.")
    return "\n".join(lines)


def comparison(choice: Choice) -> str:
    """One row a model."""
    methods = list(choice.rules.methods)
    head = [
        "model", "weights", "context", "vocabulary", "licence", "exchanges held", *(f"{m} GiB" for m in methods),
        "training USD", *(f"RAM as {name}" for name in choice.rules.serving.bits_per_weight), "verdict",
    ]  # fmt: skip
    rows = []
    for c in choice.candidates:
        model = c.model
        served = [f"{needed / GIB:.1f}" for needed in c.served.values()]
        trained = [f"{total(c.training[m]):.1f}" for m in methods]
        rows.append(
            [model.title, f"{model.parameters / 1e9:.2f}B", f"{model.context_tokens:,}", f"{model.vocab_size:,}",
             model.licence.split(" (")[0], choice.economics.exchanges_in(c.limit_tokens), *trained,
             f"{c.cost.usd:.2f}" if c.cost else "-", *served, "ruled out" if c.ruled_out else f"fits as {c.served_as}"]
        )  # fmt: skip
    share = choice.rules.usable_window_share
    return (
        "## The candidates\n\n"
        f"{md_table(head, rows)}\n\n"
        f"For the longest conversation that each can hold: the smaller of {choice.rules.max_tokens_per_example:,} "
        f"tokens, the practical ceiling for one example, and {share:.0%} of the context, about what works in practice. "
        "Exchanges are as long as the 95th percentile. GiB: training, one example at a time. RAM: the file and the "
        "cache of one conversation, GiB. USD: the plan below, on the cheapest GPU that fits."
    )


def memory(choice: Choice) -> str:
    """Components for the configured trainer, and for each method on a GPU."""
    configured = choice.candidates[0]
    columns = {f"{choice.trainer.device}, {choice.trained_tokens:,} tokens": choice.memory}
    columns |= {f"{m}, {configured.limit_tokens:,} tokens": parts for m, parts in configured.training.items()}
    rows = [[name, *(f"{parts[name] / GIB:.2f}" for parts in columns.values())] for name in choice.memory]
    rows.append(["**total**", *(f"**{total(parts):.2f}**" for parts in columns.values())])
    unfused = unfused_logit_bytes(configured.model, configured.limit_tokens) / GIB
    widest = max((c.model for c in choice.candidates), key=lambda m: m.vocab_size)
    return (
        f"## Memory of training {configured.model.title}, GiB\n\n"
        f"{md_table(['component', *columns], rows)}\n\n"
        f"The first column is what `dvc repro` trains with here: batch {choice.trainer.batch_size}, "
        f"{choice.trainer.dtype}, LoRA rank {choice.trainer.lora_rank}, the longest example of its preset. Its total is "
        "`predicted_peak_gib` in metrics/design-tokens.json; what the training then really took is `peak_memory_gib` "
        "in metrics/train-adapter.json. `python -m bench.memory` measures it at several lengths.\n\n"
        "On a CPU all activations are kept, in float32, and logits exist for 256 positions at a time. On a GPU blocks "
        "are checkpointed and the loss is fused. Without a fused loss the logits alone, sequence x vocabulary x 4 "
        f"bytes, would take {unfused:.1f} GiB here, and {unfused_logit_bytes(widest, 16384) / GIB:.1f} GiB for 16,384 "
        f"tokens of {widest.title} ({widest.vocab_size:,} entries)."
    )


def lengths(choice: Choice) -> str:
    """The longest example for each model, GPU and method."""
    gpus = choice.rules.gpus
    head = ["model", "method", *(f"{name} ({gpu.memory_gib:g})" for name, gpu in gpus.items())]
    rows = [
        [c.model.title, method, *(f"{n:,}" if n else "none" for n in found.values())]
        for c in choice.candidates
        for method, found in c.longest.items()
    ]
    old = [name for name, gpu in gpus.items() if not gpu.bfloat16]
    note = f" {', '.join(old)}: no bfloat16; set trainer.dtype=float16 there. Not counted as cheapest." if old else ""
    return (
        "## Longest example by GPU, tokens\n\n"
        f"{md_table(head, rows)}\n\n"
        f"GiB of each GPU in brackets; {choice.rules.gpu_headroom_share:.0%} is left free. No length goes beyond what "
        f"the model can hold.{note}"
    )


def costs(choice: Choice) -> str:
    """Hours and USD for the authored conversations and for the plan."""
    rows = []
    for c in choice.candidates:
        if c.cost is None:
            rows.append([c.model.title, "-", "-", "-", "-", "-", "-"])
            continue
        gpu = choice.rules.gpus[c.cost.gpu]
        flops = flops_per_token(c.model, choice.authored.mean_tokens) * choice.authored.tokens
        now = training_cost(flops, c.cost.gpu, gpu, choice.rules.gpu_utilisation_share)
        rows.append(
            [c.model.title, c.method, c.cost.gpu, f"{60 * now.hours:.1f}", f"{now.usd:.2f}", f"{c.cost.hours:.1f}",
             f"{c.cost.usd:.2f}"]
        )  # fmt: skip
    head = ["model", "method", "GPU", "authored: minutes", "USD", "plan: hours", "USD"]
    return (
        "## Training time and cost\n\n"
        f"{md_table(head, rows)}\n\n"
        f"Authored: the {len(choice.economics.conversation_tokens)} conversations that are there, "
        f"{choice.authored.tokens:,.0f} tokens with all epochs. Plan: {choice.plan}, at most "
        f"{choice.planned.tokens / 1e6:,.0f} million tokens in examples of {choice.planned.mean_tokens:,.0f} on average. "
        "The GPU is the cheapest on which the longest example fits. Six operations a weight and token (forward, "
        "backward through a frozen base, recomputation) and attention, at "
        f"{choice.rules.gpu_utilisation_share:.0%} of the GPU's dense 16-bit peak, which is an assumption; the model's "
        "download and QLoRA's dequantizing come on top."
    )


def tokens(choice: Choice) -> str:
    """What a conversation costs, and what a budget holds."""
    found = choice.economics
    facts = [
        ["system prompt", found.prompt_tokens],
        ["one exchange, mean", f"{found.exchange_tokens_mean:.1f}"],
        ["one exchange, 95th percentile", f"{found.exchange_tokens_p95:.1f}"],
        ["one conversation, mean", f"{fmean(found.conversation_tokens):.1f}"],
        ["one conversation, longest", f"{max(found.conversation_tokens):,}"],
    ]
    budgets = [
        [f"{n:,}", max(0, int((n - found.prompt_tokens) // found.exchange_tokens_mean)), found.exchanges_in(n)]
        for n in choice.budgets_tokens
    ]
    return (
        "## Token economics\n\n"
        f"{md_table(['what', 'tokens'], facts)}\n\n"
        f"{md_table(['tokens an example', 'exchanges, mean', 'exchanges, 95th percentile'], budgets)}\n\n"
        f"Measured on {len(found.conversation_tokens)} authored conversations with the tokenizer of "
        f"{choice.candidates[0].model.title}; the other models' counts are taken to be the same, though larger "
        "vocabularies need somewhat fewer tokens."
    )


def constraints(choice: Choice) -> str:
    """What the domain demands, and how each demand was checked."""
    wanted, serving = choice.constraints, choice.rules.serving
    usable = wanted.deployment_ram_gib * serving.ram_share
    rows = [
        ["offline", "yes" if wanted.offline else "no", "every candidate's weights are a file; hosted models are none"],
        ["open licence", "yes" if wanted.open_licence else "no", f"open: {', '.join(choice.rules.open_licences)}"],
        ["memory to serve", f"{wanted.deployment_ram_gib:g} GiB",
         f"{usable:g} GiB of it for the file and the cache of one conversation as long as the model can hold"],
        ["training budget", f"{wanted.train_budget_usd:,.0f} USD", f"{choice.plan} on the cheapest GPU that fits"],
    ]  # fmt: skip
    needs = [
        [c.model.title, "; ".join(f"{name}: {what}" for name, what in c.model.quantization.items()), c.model.note or "-"]
        for c in choice.candidates
    ]
    return (
        "## Constraints\n\n"
        f"{md_table(['constraint', 'wanted', 'checked against'], rows)}\n\n"
        "The values are `constraints` in conf/domain.\n\n"
        "## Formats and traps\n\n"
        f"{md_table(['model', 'quantized formats and what they need', 'watch out'], needs)}"
    )


def sources(choice: Choice) -> str:
    """Where the facts and the formulas come from."""
    facts = [f"- {c.model.title}: {c.model.facts_source}" for c in choice.candidates]
    return "\n".join(
        [
            "## Sources\n",
            *facts,
            "- Formulas, each with its paper: tunewright/memory.py and tunewright/training_cost.py.",
            "- GPUs, prices, allowances: `design.tokens.rules` in conf/config.yaml, each with its source and date.",
        ]
    )


def total(parts: Mapping[str, float]) -> float:
    """Sum of components in GiB."""
    return sum(parts.values()) / GIB
