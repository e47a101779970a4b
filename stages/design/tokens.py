"""design-tokens: which base model this domain can be trained on and served with, and what a conversation costs.

Token economics measured on the domain's authored conversations with the configured model's own tokenizer; memory,
training time, cost and serving of every model in conf/base_model, held against the domain's constraints.

Reads models/base (its tokenizer), conf/base_model/, the planned preset, the domain's authored conversations, prompts.
Writes reports/model-choice.md and metrics/design-tokens.json. Calls no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, quantiles

from pydantic import BaseModel, Field

from tunewright.base_models import BaseModelConfig
from tunewright.chat_tokenizer import ChatTokenizer, load_tokenizer
from tunewright.choice_report import Choice, Economics, report
from tunewright.config import Bounds, load, load_domain, load_file
from tunewright.config import Config as BaseConfig
from tunewright.conversation import as_messages, assistant_variables, history
from tunewright.errors import ConfigError, RecordError, run_main
from tunewright.memory import GIB, Trainer, training_memory
from tunewright.model_choice import Rules, Workload, candidate, limit_tokens
from tunewright.own_talk import own_conversations
from tunewright.prompts import render
from tunewright.records import Transcript, write_json, write_text
from tunewright.terminal import Stage
from tunewright.token_count import count_tokens

CANDIDATES = Path("conf/base_model")
BASE, REPORT, METRICS = Path("models/base"), Path("reports/model-choice.md"), Path("metrics/design-tokens.json")


class Config(BaseConfig):
    """Params section design.tokens."""

    base_model: BaseModelConfig
    trainer: Trainer
    trained_tokens: int = Field(ge=1)  # the preset's limit for one training example
    epochs: float = Field(gt=0)
    plan: str
    budgets_tokens: tuple[int, ...]
    rules: Rules


class Plan(BaseModel):
    """What a preset says of the data it makes; its other keys are not this stage's."""

    simulated_personas: int
    exchanges: Bounds
    slices_per_transcript: int
    max_tokens_per_example: int
    epochs: float
    shares: dict[str, float]


def economics(prompt_tokens: int, conversations: list[list[int]]) -> Economics:
    """Tokens of a conversation, from the tokens of each exchange of each conversation."""
    exchanges = [n for c in conversations for n in c]
    if len(exchanges) < 2:
        raise RecordError(
            f"{len(exchanges)} authored exchanges are too few to measure; add conversations to the domain's authored "
            "transcripts and run: dvc repro design-tokens"
        )
    totals = [prompt_tokens + sum(c) for c in conversations]
    return Economics(
        prompt_tokens=prompt_tokens,
        exchange_tokens_mean=fmean(exchanges),
        exchange_tokens_p95=quantiles(exchanges, n=20)[-1],
        conversation_tokens=tuple(totals),
    )


def authored_work(found: Economics, trained_tokens: int, epochs: float) -> Workload:
    """The authored conversations as they are, one example each, shortened to what may be trained on."""
    examples = [min(n, trained_tokens) for n in found.conversation_tokens]
    return Workload(tokens=epochs * sum(examples), mean_tokens=fmean(examples))


def planned_work(found: Economics, plan: Plan) -> Workload:
    """A plan's training at most: every conversation passes, and gives as many slices as it may.

    A conversation has the middle of the planned number of exchanges; its slices all begin at the first exchange and
    end evenly spread, so that the mean one holds (slices + 1) / (2 slices) of it.
    """
    low, high = plan.exchanges.min or 0, plan.exchanges.max or 0
    spread = (plan.slices_per_transcript + 1) / (2 * plan.slices_per_transcript)
    mean = found.prompt_tokens + (low + high) / 2 * spread * found.exchange_tokens_mean
    mean = min(mean, plan.max_tokens_per_example)
    examples = plan.simulated_personas * plan.shares["train"] * plan.slices_per_transcript
    return Workload(tokens=plan.epochs * examples * mean, mean_tokens=mean)


def wide_vocabulary_ratio(transcripts: Sequence[Transcript], tokenizer: ChatTokenizer) -> float:
    """Tokens of tiktoken's cl100k for each token of this tokenizer, over the words alone."""
    texts = [text for t in transcripts for e in t.exchanges for text in (e.user, e.assistant)]
    return sum(map(count_tokens, texts)) / sum(len(tokenizer.encode(text)) for text in texts)


def models(configured: BaseModelConfig, folder: Path) -> list[BaseModelConfig]:
    """The configured model, then every other one of the folder by size."""
    others = [load_file(path, BaseModelConfig) for path in sorted(folder.glob("*.yaml"))]
    if not others:
        raise ConfigError(f"{folder}: no base model to compare with; restore its files from the repository")
    return [configured, *sorted((m for m in others if m.id != configured.id), key=lambda m: m.parameters)]


def main() -> None:
    """Measure, compare and report."""
    stage = Stage("design-tokens")
    config, domain = load("design.tokens", Config), load_domain()
    transcripts = own_conversations(domain)
    compared = models(config.base_model, CANDIDATES)
    stage.start(f"{len(compared)} base models, {len(transcripts)} conversations")
    tokenizer = load_tokenizer(BASE)
    system = as_messages(render(Path(domain.prompts) / "system.md", **assistant_variables(domain)))
    prompt_tokens = tokenizer.count(system)
    found = economics(
        prompt_tokens,
        [
            [tokenizer.count([*system, *as_messages(history([e]))]) - prompt_tokens for e in t.exchanges]
            for t in transcripts
        ],
    )
    plan = load_file(config.plan, Plan)
    work = planned_work(found, plan)
    trained = min(config.trained_tokens, max(found.conversation_tokens))
    memory = training_memory(config.base_model, config.trainer, config.rules.footprint, trained)
    choice = Choice(
        domain=domain.title,
        constraints=domain.constraints,
        rules=config.rules,
        economics=found,
        trainer=config.trainer,
        trained_tokens=trained,
        memory=memory,
        budgets_tokens=config.budgets_tokens,
        plan=config.plan,
        planned=work,
        planned_tokens_max=found.prompt_tokens + (plan.exchanges.max or 0) * found.exchange_tokens_mean,
        authored=authored_work(found, config.trained_tokens, config.epochs),
        wide_vocabulary_ratio=wide_vocabulary_ratio(transcripts, tokenizer),
        candidates=tuple(candidate(m, config.rules, domain.constraints, work) for m in compared),
    )
    write_text(REPORT, report(choice))
    limit = limit_tokens(config.base_model, config.rules)
    metrics = {
        "exchange_tokens_mean": round(found.exchange_tokens_mean, 1),
        "conversation_tokens_mean": round(fmean(found.conversation_tokens), 1),
        "limit_tokens": limit,
        "exchanges_in_limit": found.exchanges_in(limit),
        "predicted_peak_gib": round(sum(memory.values()) / GIB, 2),
        "models_compared": len(compared),
        "models_ruled_out": sum(bool(c.ruled_out) for c in choice.candidates),
    }
    write_json(METRICS, metrics)
    stage.end(
        f"{metrics['exchange_tokens_mean']} tokens an exchange, {metrics['models_ruled_out']} of {len(compared)} "
        f"models ruled out; {REPORT}"
    )


if __name__ == "__main__":
    run_main(main)
