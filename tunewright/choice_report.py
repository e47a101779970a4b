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
    wide_vocabulary_ratio: float
    candidates: Sequence[Candidate]


def report(choice: Choice) -> str:
    """The Markdown."""
    sections = (answer, comparison, memory, lengths, costs, tokens, constraints, formats, sources)
    return f"# Model choice: {choice.domain}\n\n" + "\n\n".join(section(choice) for section in sections) + "\n"


def answer(choice: Choice) -> str:
    """What to take, what is ruled out, and how the configured model stands."""
    first = next(iter(choice.rules.serving.bits_per_weight))
    best = pick(choice.candidates, choice.planned_tokens_max, first)
    configured = choice.candidates[0]
    state = f"ruled out: {'; '.join(configured.ruled_out)}" if configured.ruled_out else "meets every constraint"
    holds = choice.economics.exchanges_in(configured.limit_tokens)
    if best is None:
        lines = ["- **No candidate meets the constraints.** Relax one of them (below), or add a smaller model."]
    else:
        lines = [f"- Pick for the plan ({choice.plan}): **{best.model.title}**, {_why(best, choice)}"]
        open_only = [c for c in choice.candidates if c.model.licence in choice.rules.open_licences]
        free = pick(open_only, choice.planned_tokens_max, first)
        if free is not None and free is not best:
            lines.append(f"- With an open licence: **{free.model.title}**, {_why(free, choice)}")
    lines.append(f"- Configured: **{configured.model.title}**, which {state}; it holds {holds} exchanges.")
    out = [c for c in choice.candidates if c.ruled_out]
    lines += [f"- Ruled out: {c.model.title}, because {'; '.join(c.ruled_out)}." for c in out]
    if not out:
        lines.append("- Ruled out: none.")
    return "\n".join(lines)


def _why(best: Candidate, choice: Choice) -> str:
    cost = f"{best.cost.usd:,.2f} USD on one {best.cost.gpu}" if best.cost else "an unknown price"
    holds = "holds" if best.limit_tokens >= choice.planned_tokens_max else "does not hold"
    return (
        f"the largest that meets every constraint as {best.served_as} ({best.served[best.served_as or ''] / GIB:.1f} "
        f"GiB of memory); it {holds} the longest planned conversation, and trains with {best.method} for about {cost}. "
        f"Licence: {best.model.licence}."
    )


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
        f"{choice.trainer.dtype}, LoRA rank {choice.trainer.lora_rank}, the longest example of its preset. Its total "
        "is `predicted_peak_gib` in metrics/design-tokens.json; what the training then took is `peak_memory_gib` in "
        "metrics/train-adapter.json. `python -m bench.memory` measures it at several lengths.\n\n"
        "On a CPU all activations are kept, in float32, and logits exist for 256 positions at a time. On a GPU blocks "
        "are checkpointed and the loss is fused. Without a fused loss the logits alone, sequence x vocabulary x 4 "
        f"bytes, would take {unfused:.1f} GiB here, and {unfused_logit_bytes(widest, 16384) / GIB:.1f} GiB for 16,384 "
        f"tokens of {widest.title} ({widest.vocab_size:,} entries)."
    )


def lengths(choice: Choice) -> str:
    """The longest example for each model and GPU, by method."""
    gpus = choice.rules.gpus
    head = ["model", "it can hold", *(f"{name} ({gpu.memory_gib:g})" for name, gpu in gpus.items())]
    rows = [
        [
            c.model.title,
            f"{c.limit_tokens:,}",
            *(" / ".join(_fit(found[gpu], c.limit_tokens) for found in c.longest.values()) for gpu in gpus),
        ]
        for c in choice.candidates
    ]
    old = [name for name, gpu in gpus.items() if not gpu.bfloat16]
    note = f" {', '.join(old)}: no bfloat16, so never the cheapest; set trainer.dtype=float16 there." if old else ""
    return (
        f"## Longest example by GPU, tokens: {' / '.join(choice.rules.methods)}\n\n"
        f"{md_table(head, rows)}\n\n"
        f'GiB of each GPU in brackets, of which {choice.rules.gpu_headroom_share:.0%} is left free. "all": as long as '
        f"the model can hold.{note}"
    )


def _fit(tokens: int, limit: int) -> str:
    return "all" if tokens >= limit else f"{tokens:,}" if tokens else "none"


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
            [c.model.title, c.method, c.cost.gpu, f"{3600 * now.hours:.0f}", f"{now.usd:.2f}", f"{c.cost.hours:.1f}",
             f"{c.cost.usd:.2f}"]
        )  # fmt: skip
    head = ["model", "method", "GPU", "authored: seconds", "USD", "plan: hours", "USD"]
    return (
        "## Training time and cost\n\n"
        f"{md_table(head, rows)}\n\n"
        f"Authored: the {len(choice.economics.conversation_tokens)} conversations that are there, "
        f"{choice.authored.tokens:,.0f} tokens with all epochs. Plan: {choice.plan}, at most "
        f"{choice.planned.tokens / 1e6:,.0f} million tokens, {choice.planned.mean_tokens:,.0f} an example on average. "
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
        f"{choice.candidates[0].model.title}, and taken to be the same for the other models. How much that can be off: "
        "tiktoken's cl100k (100,277 entries, not many fewer than Llama 3 has) writes the same words in "
        f"{choice.wide_vocabulary_ratio:.0%} of the tokens."
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
    return (
        "## Constraints\n\n"
        f"{md_table(['constraint', 'wanted', 'checked against'], rows)}\n\n"
        "The values are `constraints` in conf/domain."
    )


def formats(choice: Choice) -> str:
    """Quantized formats, those that all have named once, and what to watch out for."""
    shared = set.intersection(*(set(c.model.quantization.items()) for c in choice.candidates))
    everywhere = [item for item in choice.candidates[0].model.quantization.items() if item in shared]
    rows = [
        [c.model.title, "; ".join(f"{n}: {what}" for n, what in c.model.quantization.items() if (n, what) not in shared)
         or "-", c.model.note or "-"]
        for c in choice.candidates
    ]  # fmt: skip
    return (
        "## Formats and traps\n\n"
        + "\n".join(f"- {name}, every model: {what}." for name, what in everywhere)
        + f"\n\n{md_table(['model', 'other formats', 'watch out'], rows)}"
    )


def sources(choice: Choice) -> str:
    """Where the facts and the formulas come from."""
    stated: dict[str, list[str]] = {}
    for c in choice.candidates:
        stated.setdefault(c.model.facts_source, []).append(c.model.title)
    lines = [f"- {', '.join(titles)}: {source}." for source, titles in stated.items()]
    return "\n".join(
        [
            "## Sources\n",
            *lines,
            "- Formulas, each with its paper: tunewright/memory.py and tunewright/training_cost.py.",
            "- GPUs, prices, allowances: `design.tokens.rules` in conf/config.yaml, each with its source and date.",
        ]
    )


def total(parts: Mapping[str, float]) -> float:
    """Sum of components in GiB."""
    return sum(parts.values()) / GIB
