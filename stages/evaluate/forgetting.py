"""evaluate-forgetting: how far the tuned model has moved from what the base model says by itself.

The base model's own replies to probes that have nothing to do with the domain are read by both models, token by token:
how probable the tuned model still finds them (NLL), and how far its predictions lie from the base's over the whole
vocabulary (KL). A model that only learnt a manner for its domain moves little here. Greedy replies are the base's
likeliest words, so its own perplexity on them is low by construction; the change is what counts.

Reads data/evaluate/capabilities/base.jsonl, data/probes/, models/base/, models/merged/.
Writes data/evaluate/forgetting.json (everything) and metrics/evaluate-forgetting.json.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from tunewright.chat_labels import IGNORED, Labelled, label_example
from tunewright.chat_tokenizer import ChatTokenizer, load_tokenizer
from tunewright.config import Config as BaseConfig
from tunewright.config import load
from tunewright.divergence import Divergence, States, divergences, read_states
from tunewright.errors import MissingInputError, TrainingError, run_main
from tunewright.probes import Answered, Probe, load_probes
from tunewright.quiet import quiet_libraries
from tunewright.records import Example, Message, read_jsonl, stable_unit, write_json
from tunewright.rounding import as_json
from tunewright.statistics import clustered_mean
from tunewright.terminal import Stage, bar

BASE, TUNED = Path("models/base"), Path("models/merged")
HEADLINE = ("kl", "base_perplexity", "tuned_perplexity", "relative_change", "agreement")
MOST_CHANGED = 3


class Config(BaseConfig):
    """Params section evaluate.forgetting."""

    categories: tuple[str, ...] = Field(min_length=1)
    replies: int = Field(ge=2)
    batch_size: int = Field(ge=1)
    max_tokens: int = Field(ge=1)
    confidence: float = Field(gt=0, lt=1)
    seed: int


def chosen_replies(answers: Sequence[Answered], config: Config) -> tuple[list[Answered], int]:
    """At most `replies` non-empty replies of the categories, by stable hash, and how many are left out."""
    there = [a for a in answers if a.category in config.categories and a.reply.strip()]
    ranked = sorted(there, key=lambda a: stable_unit("forgetting", config.seed, a.probe))[: config.replies]
    return sorted(ranked, key=lambda a: a.probe), len(there) - len(ranked)


def labelled_reply(answer: Answered, probe: Probe, tokenizer: ChatTokenizer, max_tokens: int) -> Labelled:
    """The reply's tokens, and the one that ends the turn where the base model came to an end by itself."""
    said = [Message.model_validate(m) for m in probe.messages]
    messages = (*said, Message(role="assistant", content=answer.reply.strip()))
    fields: dict[str, Any] = {"id": answer.probe, "transcript_id": answer.probe, "persona_id": answer.probe}
    example = Example(**fields, n_exchanges=len(messages) // 2, n_tokens=1, messages=messages)
    labelled = label_example(example, tokenizer, max_tokens)
    return without_last_token(labelled) if answer.finish_reason == "length" else labelled


def without_last_token(labelled: Labelled) -> Labelled:
    """Without the end of the turn, which a model that was cut off did not say."""
    labels = list(labelled.labels)
    last = max(i for i, label in enumerate(labels) if label != IGNORED)
    labels[last] = IGNORED
    return replace(labelled, labels=labels)


def read_model(folder: Path, labelled: Sequence[Labelled], batch_size: int) -> States:
    """One model's states on the replies, in float32 on a CPU as in evaluate-perplexity; the model itself is let go."""
    import torch
    from transformers import AutoModelForCausalLM

    if not folder.exists():
        raise MissingInputError(f"{folder}: no such directory; make it with: dvc repro train-merge")
    device, dtype = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=dtype, local_files_only=True, use_safetensors=True
    )
    model.to(device)
    with bar(f"reading with {folder}", len(labelled)) as progress:
        return read_states(model, labelled, batch_size, progress.advance)


def pooled(found: Sequence[Divergence]) -> dict[str, Any]:
    """Token-weighted means over some replies."""
    n = sum(one.n_tokens for one in found)
    return {
        "n_replies": len(found),
        "n_tokens": n,
        "kl": math.fsum(one.kl for one in found) / n,
        "base_nll": math.fsum(one.base_nll for one in found) / n,
        "tuned_nll": math.fsum(one.tuned_nll for one in found) / n,
        "agreement": sum(one.n_agree for one in found) / n,
    }


def numbers(found: Sequence[Divergence], category_of: Mapping[str, str], confidence: float) -> dict[str, Any]:
    """Everything that is said about forgetting; intervals over replies, each of which counts once. nats a token."""
    whole = pooled(found)
    base, tuned = math.exp(whole["base_nll"]), math.exp(whole["tuned_nll"])
    perplexities = {"base_perplexity": base, "tuned_perplexity": tuned, "relative_change": tuned / base - 1}
    names = [one.id for one in found]
    kl = [one.kl / one.n_tokens for one in found]
    change = [(one.tuned_nll - one.base_nll) / one.n_tokens for one in found]
    rows = [
        {"id": one.id, "category": category_of[one.id], "kl": mean}
        | {"base_nll": one.base_nll / one.n_tokens, "tuned_nll": one.tuned_nll / one.n_tokens}
        for mean, one in sorted(zip(kl, found, strict=True), key=lambda both: (-both[0], both[1].id))
    ]
    categories = sorted({category_of[name] for name in names})
    parts = {c: pooled([one for one in found if category_of[one.id] == c]) for c in categories}
    intervals = _interval("kl", kl, names, confidence) | _interval("nll_change", change, names, confidence)
    rest = {"confidence": confidence, "by_category": parts, "most_changed": rows[:MOST_CHANGED]}
    return whole | perplexities | intervals | rest


def _interval(name: str, values: Sequence[float], names: Sequence[str], confidence: float) -> dict[str, float]:
    found = clustered_mean(values, names, confidence)
    return {f"{name}_mean": found.mean, f"{name}_low": found.low, f"{name}_high": found.high}


def main() -> None:
    """Read the base's replies with both models, compare, write."""
    config, stage = load("evaluate.forgetting", Config), Stage("evaluate-forgetting")
    answers = read_jsonl("data/evaluate/capabilities/base.jsonl", Answered, "evaluate-capabilities@base")
    picked, left_out = chosen_replies(answers, config)
    if len(picked) < 2:
        raise TrainingError(
            f"data/evaluate/capabilities/base.jsonl: {len(picked)} replies of {', '.join(config.categories)}, at least "
            "2 are needed; raise preset.capability_probes or evaluate.forgetting.categories in conf/"
        )
    probes = {probe.id: probe for category in load_probes().values() for probe in category.probes}
    tokenizer = load_tokenizer(BASE)
    labelled = [labelled_reply(one, probes[one.probe], tokenizer, config.max_tokens) for one in picked]
    n_tokens = sum(one.n_supervised for one in labelled)
    stage.start(f"{len(labelled)} replies of the base model, {n_tokens:,} tokens, 2 models")
    with quiet_libraries():
        base, tuned = (read_model(folder, labelled, config.batch_size) for folder in (BASE, TUNED))
        found = numbers(divergences(base, tuned), {one.probe: one.category for one in picked}, config.confidence)
    result = as_json(found | {"categories": list(config.categories), "left_out": left_out})
    write_json("data/evaluate/forgetting.json", result)
    write_json("metrics/evaluate-forgetting.json", {key: result[key] for key in HEADLINE})
    stage.end(
        f"KL {found['kl']:.3f} nats a token, perplexity {found['base_perplexity']:.2f} -> "
        f"{found['tuned_perplexity']:.2f}, same first choice at {found['agreement']:.0%} of the places"
    )


if __name__ == "__main__":
    run_main(main)
