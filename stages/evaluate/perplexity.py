"""evaluate-perplexity: held-out perplexity of the assistant's words, base against tuned.

Independent of any judge: did tuning make replies like the held-out ones more probable, for people whom no training
example came from? Only supervised tokens count, by the same labels as in training. The interval is on the paired
difference of log-perplexity, clustered on persona (arXiv 2411.00640).

A stage of its own, since it runs two models: a person's new preference reruns evaluate-sanity, which reads this.

Reads data/generate/holdout.jsonl, models/base/, models/merged/.
Writes data/evaluate/perplexity.json (everything) and metrics/evaluate-perplexity.json.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from tunewright.chat_labels import Labelled, label_rows
from tunewright.chat_tokenizer import load_tokenizer
from tunewright.config import Config as BaseConfig
from tunewright.config import load
from tunewright.errors import MissingInputError, TrainingError, run_main
from tunewright.likelihood import Likelihood, pooled_loss, summed_likelihoods
from tunewright.quiet import quiet_libraries
from tunewright.records import Example, read_jsonl, write_json
from tunewright.rounding import as_json
from tunewright.statistics import clustered_mean
from tunewright.terminal import Stage, bar

HOLDOUT = Path("data/generate/holdout.jsonl")
BASE, TUNED = Path("models/base"), Path("models/merged")
HEADLINE = ("base_perplexity", "tuned_perplexity", "relative_change")


class Config(BaseConfig):
    """Params section evaluate.perplexity."""

    batch_size: int = Field(ge=1)
    max_tokens: int = Field(ge=1)
    confidence: float = Field(gt=0, lt=1)


def longest_per_transcript(examples: Sequence[Example]) -> list[Example]:
    """One example a transcript: slices of one conversation repeat each other, so only the longest counts."""
    longest: dict[str, Example] = {}
    for example in examples:
        kept = longest.get(example.transcript_id)
        if kept is None or example.n_exchanges > kept.n_exchanges:
            longest[example.transcript_id] = example
    return [longest[key] for key in sorted(longest)]


def measure_model(folder: Path, labelled: Sequence[Sequence[Labelled]], batch_size: int) -> list[Likelihood]:
    """Likelihoods of conversations (a list of rows each) under the model in `folder`.

    Both models at one precision, so that they differ in weights only:
    float32 on a CPU: bfloat16 rounds small updates away (a change of -9.5% where float32 shows -11.3%), and without
    AMX it is also three times as slow (measured 2026-11-22).
    """
    import torch
    from transformers import AutoModelForCausalLM

    if not folder.exists():
        raise MissingInputError(f"{folder}: no such directory; make it with: dvc repro train-merge")
    device, dtype = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=dtype, local_files_only=True, use_safetensors=True
    )
    model.to(device)
    with bar(f"perplexity of {folder}", sum(map(len, labelled))) as progress:
        return summed_likelihoods(model, labelled, batch_size, progress.advance)


def compare(
    base: Sequence[Likelihood], tuned: Sequence[Likelihood], personas: Sequence[str], confidence: float
) -> dict[str, Any]:
    """Token-weighted perplexities, and the mean over conversations of log(tuned / base) with its clustered interval."""
    before, after = math.exp(pooled_loss(base)), math.exp(pooled_loss(tuned))
    differences = [b.mean - a.mean for a, b in zip(base, tuned, strict=True)]
    if len(set(personas)) > 1:
        ratio = clustered_mean(differences, list(personas), confidence)
        interval: dict[str, float | None] = {
            "log_ratio_mean": ratio.mean,
            "log_ratio_low": ratio.low,
            "log_ratio_high": ratio.high,
            "p_value": ratio.p if ratio.has_variation else None,
        }
    else:  # one person gives no interval
        interval = {
            "log_ratio_mean": math.fsum(differences) / len(differences),
            "log_ratio_low": None,
            "log_ratio_high": None,
            "p_value": None,
        }
    return {
        "n_conversations": len(base),
        "n_personas": len(set(personas)),
        "n_tokens": sum(one.n_tokens for one in base),
        "base_perplexity": before,
        "tuned_perplexity": after,
        "relative_change": after / before - 1,
        **interval,
        "n_worse": sum(d > 0 for d in differences),
        "n_better": sum(d < 0 for d in differences),
        "confidence": confidence,
    }


def by_conversation(
    base: Sequence[Likelihood], tuned: Sequence[Likelihood], examples: Sequence[Example]
) -> list[dict[str, Any]]:
    """One row a conversation: both models' perplexities on its assistant tokens."""
    return [
        {"id": example.transcript_id, "persona": example.persona_id, "n_tokens": one.n_tokens}
        | {"base": math.exp(one.mean), "tuned": math.exp(other.mean)}
        for one, other, example in zip(base, tuned, examples, strict=True)
    ]


def main() -> None:
    """Label, measure both models, compare, write."""
    config, stage = load("evaluate.perplexity", Config), Stage("evaluate-perplexity")
    examples = longest_per_transcript(read_jsonl(HOLDOUT, Example, made_by="generate-slices"))
    if not examples:
        raise TrainingError(
            f"{HOLDOUT}: no held-out conversation; raise generate.slices.shares.holdout in conf/config.yaml"
        )
    tokenizer = load_tokenizer(BASE)
    labelled = [label_rows(example, tokenizer, config.max_tokens) for example in examples]
    n_tokens = sum(row.n_supervised for rows in labelled for row in rows)
    stage.start(f"{len(labelled)} held-out conversations, {n_tokens:,} assistant tokens, 2 models")
    with quiet_libraries():
        base, tuned = (measure_model(folder, labelled, config.batch_size) for folder in (BASE, TUNED))
    found = compare(base, tuned, [example.persona_id for example in examples], config.confidence)
    write_json(
        "data/evaluate/perplexity.json", found | {"conversations": as_json(by_conversation(base, tuned, examples))}
    )
    write_json("metrics/evaluate-perplexity.json", {key: found[key] for key in HEADLINE})
    stage.end(
        f"perplexity {found['base_perplexity']:.2f} -> {found['tuned_perplexity']:.2f} "
        f"({found['relative_change']:+.1%}), worse on {found['n_worse']} of {found['n_conversations']} conversations"
    )


if __name__ == "__main__":
    run_main(main)
