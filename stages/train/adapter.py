"""train-adapter: tune a LoRA (or QLoRA) adapter on the training conversations, with trl and peft.

Only the assistant's words are learnt; labels are built and checked here by tunewright.chat_labels, wherever the
training then runs (`trainer.place`, not tracked: tunewright.training). A run that was killed goes on from its newest
complete checkpoint, which lies in the cache: outputs are written whole, at the end.

Reads data/generate/{train,valid}.jsonl, models/base/. Writes models/adapter/, metrics/train-adapter.json and the loss
curve plots/train-adapter.json. `peak_memory_gib` in the metrics is a measurement, so it differs a little from run to
run: the process's resident memory, or on a GPU what torch reserved there. design-tokens predicts it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tunewright.chat_labels import Labelled, decode_supervised, label_rows
from tunewright.chat_tokenizer import ChatTokenizer, load_tokenizer
from tunewright.checkpoints import training_dir
from tunewright.config import load
from tunewright.errors import TrainingError, run_main
from tunewright.folders import whole_folder
from tunewright.records import Example, read_jsonl, write_json
from tunewright.terminal import Stage
from tunewright.training.job import Job, Outcome
from tunewright.training.places import configured_trainer
from tunewright.training.settings import Settings as Config
from tunewright.weights import folder_digest

TRAIN, VALID = Path("data/generate/train.jsonl"), Path("data/generate/valid.jsonl")
BASE, OUTPUT = Path("models/base"), Path("models/adapter")
METRICS, PLOT = Path("metrics/train-adapter.json"), Path("plots/train-adapter.json")


def labelled(path: Path, tokenizer: ChatTokenizer, max_tokens: int) -> list[Labelled]:
    """The examples of a file as tokens and labels, every one checked before training begins."""
    examples = read_jsonl(path, Example, made_by="generate-slices")
    return [row for example in examples for row in label_rows(example, tokenizer, max_tokens)]


def curve(outcome: Outcome) -> list[dict[str, Any]]:
    """The loss curve; validation loss stands at its two ends."""
    rows = [dict(row) for row in outcome.history]
    if rows and outcome.loss_before is not None and outcome.loss_after is not None:
        rows[0]["validation_loss"], rows[-1]["validation_loss"] = outcome.loss_before, outcome.loss_after
    return rows


def measured(job: Job, outcome: Outcome) -> dict[str, Any]:
    """The stage's metrics; losses in nats a token."""
    return {
        "examples": len(job.examples),
        "tokens": sum(len(e.input_ids) for e in job.examples),
        "longest_tokens": max(len(e.input_ids) for e in job.examples),
        "supervised_tokens": sum(e.n_supervised for e in job.examples),
        "steps": outcome.steps,
        "epochs": job.settings.epochs,
        "train_loss_first": outcome.history[0]["loss"],
        "train_loss_last": outcome.history[-1]["loss"],
        "validation_examples": len(job.valid),
        "validation_loss_before": outcome.loss_before,
        "validation_loss_after": outcome.loss_after,
        "peak_memory_gib": outcome.peak_gib,
    }


def job_of(config: Config, tokenizer: ChatTokenizer) -> Job:
    """Every example labelled, and the folder of this training: of its settings, its data and its base alone."""
    examples, valid = (labelled(path, tokenizer, config.max_tokens) for path in (TRAIN, VALID))
    if not examples:
        raise TrainingError(f"{TRAIN}: no example to train on; look at reports and run: dvc repro generate-slices")
    tokens = [[e.id, e.input_ids, e.labels] for e in examples]
    folder = training_dir(config.model_dump(mode="json"), tokens, folder_digest(BASE))
    return Job(config, examples, valid, BASE, folder)


def said(metrics: dict[str, Any]) -> str:
    """One line on how it went."""
    before, after = metrics["validation_loss_before"], metrics["validation_loss_after"]
    change = f", validation loss {before:.3f} -> {after:.3f}" if before is not None and after is not None else ""
    losses = f"{metrics['train_loss_first']:.3f} -> {metrics['train_loss_last']:.3f}"
    return f"{metrics['steps']} steps, train loss {losses}{change}; {OUTPUT}"


def main() -> None:
    """Label, train or go on training, write."""
    config, stage, trainer = load("train.adapter", Config), Stage("train-adapter"), configured_trainer()
    tokenizer = load_tokenizer(BASE)
    job = job_of(config, tokenizer)
    tokens, supervised = (sum(n) for n in zip(*((len(e.input_ids), e.n_supervised) for e in job.examples), strict=True))
    stage.start(f"{len(job.examples)} examples, {tokens:,} tokens, {supervised:,} to learn")
    stage.note(f"learns, for example: {decode_supervised(job.examples[0], tokenizer)[0][:160]!r}")
    trainer.check(config)
    with whole_folder(OUTPUT) as draft:
        outcome = trainer.train(job, stage, draft)
    write_json(PLOT, curve(outcome))
    metrics = measured(job, outcome)
    write_json(METRICS, metrics)
    shutil.rmtree(job.folder, ignore_errors=True)
    stage.end(said(metrics))


if __name__ == "__main__":
    run_main(main)
