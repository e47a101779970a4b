"""train-adapter: tune a LoRA (or QLoRA) adapter on the training conversations, with trl and peft.

Only the assistant's words are learnt; labels are built and checked by tunewright.chat_labels. A run that was killed
goes on from its newest complete checkpoint, which lies in the cache: outputs are written whole, at the end.

Reads data/generate/{train,valid}.jsonl, models/base/. Writes models/adapter/, metrics/train-adapter.json and the loss
curve plots/train-adapter.json. `peak_memory_gib` in the metrics is a measurement, so it differs a little from run to
run: the process's resident memory, or on a GPU what torch reserved there. design-tokens predicts it.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tunewright.chat_labels import Labelled, decode_supervised, label_example
from tunewright.chat_tokenizer import ChatTokenizer, load_tokenizer
from tunewright.checkpoints import mark_complete, newest_complete, step_of, steps_between, training_dir
from tunewright.config import Config as BaseConfig
from tunewright.config import load
from tunewright.errors import TrainingError, run_main
from tunewright.folders import whole_folder
from tunewright.likelihood import likelihoods, pooled_loss
from tunewright.quiet import quiet_libraries
from tunewright.records import Example, read_jsonl, write_json
from tunewright.resident import peak_bytes
from tunewright.terminal import Stage, bar
from tunewright.weights import folder_digest

TRAIN, VALID = Path("data/generate/train.jsonl"), Path("data/generate/valid.jsonl")
BASE, OUTPUT = Path("models/base"), Path("models/adapter")
METRICS, PLOT = Path("metrics/train-adapter.json"), Path("plots/train-adapter.json")
POINTS = 400  # at most so many points on the loss curve


class Lora(BaseConfig):
    """peft's names; `alpha` is lora_alpha. The update is scaled by alpha / r."""

    r: int = Field(ge=1)
    alpha: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    target_modules: str | tuple[str, ...]  # all-linear, a regular expression, or names


class Config(BaseConfig):
    """Params section train.adapter."""

    device: Literal["cpu", "cuda"]
    lora: Lora
    dtype: Literal["bfloat16", "float32", "float16"]
    epochs: float = Field(gt=0)
    learning_rate: float = Field(gt=0)
    batch_size: int = Field(ge=1)
    gradient_accumulation: int = Field(ge=1)
    warmup_share: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    scheduler: str
    max_tokens: int = Field(ge=1)
    checkpoints_per_epoch: int = Field(ge=1)
    quantize_4bit: bool
    seed: int


def check_device(config: Config, cuda: bool) -> None:
    """Refuse a trainer that needs what is not here: it would train for days, or not at all."""
    if config.device == "cuda" and not cuda:
        raise TrainingError(
            "this trainer needs an NVIDIA GPU, and torch finds none here; choose trainer=cpu, or another machine"
        )
    if config.quantize_4bit and config.device != "cuda":
        raise TrainingError("quantize_4bit works on an NVIDIA GPU only: choose trainer=cuda_qlora, or trainer=cpu")


def labelled(path: Path, tokenizer: ChatTokenizer, max_tokens: int) -> list[Labelled]:
    """The examples of a file as tokens and labels, every one checked before training begins."""
    return [label_example(e, tokenizer, max_tokens) for e in read_jsonl(path, Example, made_by="generate-slices")]


def steps_per_epoch(n_examples: int, config: Config) -> int:
    """Optimizer steps in one pass over the data; the last, smaller group of batches is a step too."""
    return math.ceil(math.ceil(n_examples / config.batch_size) / config.gradient_accumulation)


def load_base(config: Config) -> Any:
    """The base model, in 4-bit NF4 where asked."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype = getattr(torch, config.dtype)
    settings: dict[str, Any] = {"dtype": dtype, "local_files_only": True}
    if config.quantize_4bit:
        settings["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
    if config.device == "cuda":
        settings["device_map"] = {"": 0}
    return AutoModelForCausalLM.from_pretrained(str(BASE), **settings)


def trainer_settings(config: Config, n_examples: int, folder: Path) -> dict[str, Any]:
    """SFTConfig's arguments. Nothing is truncated (label_example refuses), and like lengths share a batch."""
    epoch_steps = steps_per_epoch(n_examples, config)
    return {
        "output_dir": str(folder),
        "num_train_epochs": config.epochs,
        "learning_rate": config.learning_rate,
        "per_device_train_batch_size": config.batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation,
        "warmup_steps": config.warmup_share,  # below 1 it is a share of all steps
        "weight_decay": config.weight_decay,
        "lr_scheduler_type": config.scheduler,
        "train_sampling_strategy": "group_by_length" if config.batch_size > 1 else "random",
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "save_steps": steps_between(epoch_steps, config.checkpoints_per_epoch),
        "save_total_limit": 2,
        "logging_steps": max(1, math.ceil(epoch_steps * config.epochs / POINTS)),
        "use_cpu": config.device == "cpu",
        "bf16": config.dtype == "bfloat16",
        "fp16": config.dtype == "float16" and config.device == "cuda",
        "activation_checkpointing": config.device == "cuda",
        "dataloader_pin_memory": config.device == "cuda",
        "seed": config.seed,
        "disable_tqdm": True,
        "report_to": "none",
    }


def make_trainer(config: Config, examples: Sequence[Labelled], tokenizer: ChatTokenizer, folder: Path) -> Any:
    """A trl SFTTrainer over ready-made labels; the adapter's start depends on the seed alone."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import PrinterCallback, set_seed
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from tunewright.supervised_loss import CpuTrainer, suits

    set_seed(config.seed)
    model = load_base(config)
    lora = config.lora
    modules = lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules)
    kind = CpuTrainer if config.device == "cpu" and suits(model) else SFTTrainer
    trainer = kind(
        model=model,
        args=SFTConfig(**trainer_settings(config, len(examples), folder)),
        train_dataset=Dataset.from_list([{"input_ids": e.input_ids, "labels": e.labels} for e in examples]),
        processing_class=tokenizer.backend,
        peft_config=LoraConfig(
            r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=modules, task_type="CAUSAL_LM"
        ),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def progress_callback(stage: Stage, progress: Any) -> Any:
    """Moves the bar, says a line every tenth of the way where there is no bar, and completes checkpoints."""
    from transformers import TrainerCallback

    class Progress(TrainerCallback):
        said = -1

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            progress.advance()

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if not logs or "loss" not in logs:
                return
            progress.describe(f"training, loss {float(logs['loss']):.3f}")
            tenth = 10 * state.global_step // max(1, state.max_steps)
            if tenth > self.said and not sys.stderr.isatty():
                self.said = tenth
                stage.note(f"step {state.global_step}/{state.max_steps}: loss {float(logs['loss']):.3f}")

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            mark_complete(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    return Progress()


def train(trainer: Any, folder: Path, stage: Stage) -> None:
    """Train to the end, from the newest complete checkpoint if there is one."""
    total = math.ceil(trainer.args.num_train_epochs * steps_in(trainer))
    checkpoint = newest_complete(folder)
    if checkpoint:
        stage.note(
            f"an interrupted training of the same data is there: going on from step {step_of(checkpoint)} of {total}"
        )
    with bar("training", total) as progress:
        if checkpoint:
            progress.advance(step_of(checkpoint))
        trainer.add_callback(progress_callback(stage, progress))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def steps_in(trainer: Any) -> int:
    """Optimizer steps in one epoch, from the trainer's own arguments."""
    loader = math.ceil(len(trainer.train_dataset) / trainer.args.per_device_train_batch_size)
    return math.ceil(loader / trainer.args.gradient_accumulation_steps)


def curve(history: Sequence[dict[str, Any]], before: float | None, after: float | None) -> list[dict[str, float]]:
    """The loss curve; validation loss stands at its two ends."""
    rows = [
        {"step": row["step"], "epoch": row["epoch"], "loss": float(row["loss"]), "learning_rate": row["learning_rate"]}
        for row in history
        if "loss" in row
    ]
    if rows and before is not None and after is not None:
        rows[0]["validation_loss"], rows[-1]["validation_loss"] = before, after
    return rows


def save_adapter(model: Any, folder: Path) -> None:
    """peft's own format, without the model card it drafts; target modules sorted, for they come out of a set."""
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    settings = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    if isinstance(settings["target_modules"], list):
        settings["target_modules"].sort()
    write_json(folder / "adapter_config.json", dict(sorted(settings.items())))


def peak_gib(device: str) -> float:
    """The most memory that this process has held so far, where it trains, in GiB."""
    import torch

    return (torch.cuda.max_memory_reserved() if device == "cuda" else peak_bytes()) / 2**30


def main() -> None:
    """Label, train or go on training, measure, write."""
    config, stage = load("train.adapter", Config), Stage("train-adapter")
    tokenizer = load_tokenizer(BASE)
    examples, valid = (labelled(path, tokenizer, config.max_tokens) for path in (TRAIN, VALID))
    if not examples:
        raise TrainingError(f"{TRAIN}: no example to train on; look at reports and run: dvc repro generate-slices")
    supervised = sum(e.n_supervised for e in examples)
    stage.start(
        f"{len(examples)} examples, {sum(len(e.input_ids) for e in examples):,} tokens, {supervised:,} to learn"
    )
    stage.note(f"learns, for example: {decode_supervised(examples[0], tokenizer)[0][:160]!r}")
    import torch

    check_device(config, torch.cuda.is_available())
    base = folder_digest(BASE)
    folder = training_dir(config.model_dump(mode="json"), [[e.id, e.input_ids, e.labels] for e in examples], base)
    with quiet_libraries():
        trainer = make_trainer(config, examples, tokenizer, folder)
        before = pooled_loss(likelihoods(trainer.model, valid, config.batch_size)) if valid else None
        train(trainer, folder, stage)
        after = pooled_loss(likelihoods(trainer.model, valid, config.batch_size)) if valid else None
    rows = curve(trainer.state.log_history, before, after)
    with whole_folder(OUTPUT) as draft:
        save_adapter(trainer.model, draft)
    write_json(PLOT, rows)
    metrics = {
        "examples": len(examples),
        "tokens": sum(len(e.input_ids) for e in examples),
        "supervised_tokens": supervised,
        "steps": trainer.state.global_step,
        "epochs": config.epochs,
        "train_loss_first": rows[0]["loss"],
        "train_loss_last": rows[-1]["loss"],
        "validation_examples": len(valid),
        "validation_loss_before": before,
        "validation_loss_after": after,
        "peak_memory_gib": round(peak_gib(config.device), 2),
    }
    write_json(METRICS, metrics)
    shutil.rmtree(folder, ignore_errors=True)
    change = f", validation loss {before:.3f} -> {after:.3f}" if before is not None and after is not None else ""
    stage.end(f"{metrics['steps']} steps, train loss {rows[0]['loss']:.3f} -> {rows[-1]['loss']:.3f}{change}; {OUTPUT}")


if __name__ == "__main__":
    run_main(main)
