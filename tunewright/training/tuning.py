"""The training itself, with trl and peft: the same code in this process, under `accelerate launch` and in a job.

Only labelled tokens are learnt; nothing is truncated. A run that was killed goes on from its newest complete checkpoint
in the job's folder.
"""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

from tunewright.chat_tokenizer import load_tokenizer
from tunewright.checkpoints import mark_complete, newest_complete, step_of, steps_between
from tunewright.likelihood import likelihoods, pooled_loss
from tunewright.records import write_json
from tunewright.resident import peak_bytes
from tunewright.training import processes
from tunewright.training.job import Event, Job, Outcome, Report
from tunewright.training.packing import check_apart, pack, packed
from tunewright.training.settings import Settings

POINTS = 400  # at most so many points on the loss curve


def tune(job: Job, report: Report, target: Path) -> Outcome:
    """Train or go on training, and write the adapter into `target`."""
    trainer = make_trainer(job)
    train = partial(_train, trainer, job.folder, report)
    if processes.count() > 1:
        before, steps, after = processes.losses_around(trainer, job.valid, job.folder / "loss_before.json", train)
    else:
        before, steps, after = validation_loss(trainer.model, job), train(), validation_loss(trainer.model, job)
    weights = processes.whole_weights(trainer) if processes.count() > 1 else None
    if processes.first():
        save_adapter(trainer.model, target, weights)
    history = [_row(row) for row in trainer.state.log_history if "loss" in row]
    return Outcome(history, steps, before, after, round(peak_gib(job.settings.device), 2))


def validation_loss(model: Any, job: Job) -> float | None:
    """Token-weighted loss on the validation examples, nats a token; None without any."""
    return pooled_loss(likelihoods(model, job.valid, job.settings.batch_size)) if job.valid else None


def steps_per_epoch(n_rows: int, settings: Settings) -> int:
    """Optimizer steps in one pass over the data; the last, smaller group of batches is a step too."""
    return math.ceil(math.ceil(n_rows / settings.batch_size) / settings.gradient_accumulation)


def load_base(settings: Settings, base: Path) -> Any:
    """The base model, in 4-bit NF4 where asked; packed as `dtype`, for FSDP and ZeRO-3 shard no bytes."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype = getattr(torch, settings.dtype)
    arguments: dict[str, Any] = {"dtype": dtype, "local_files_only": True, "use_safetensors": True}
    if settings.quantize_4bit:
        arguments["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
            **({"bnb_4bit_quant_storage": dtype} if processes.sharded() else {}),
        )
    if settings.device == "cuda" and not processes.sharded():
        arguments["device_map"] = {"": processes.local()}
    return AutoModelForCausalLM.from_pretrained(str(base), **arguments)


def trainer_arguments(settings: Settings, n_rows: int, folder: Path) -> dict[str, Any]:
    """SFTConfig's arguments. Nothing is truncated (label_example refuses), and like lengths share a batch."""
    epoch_steps = steps_per_epoch(n_rows, settings)
    return {
        "output_dir": str(folder),
        "num_train_epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "per_device_train_batch_size": settings.batch_size,
        "gradient_accumulation_steps": processes.accumulation_of_each(
            settings.gradient_accumulation, processes.count()
        ),
        "warmup_steps": settings.warmup_share,  # below 1 it is a share of all steps
        "weight_decay": settings.weight_decay,
        "lr_scheduler_type": settings.scheduler,
        "train_sampling_strategy": "group_by_length" if settings.batch_size > 1 and not settings.packing else "random",
        "packing": settings.packing,  # the padding-free collator; the rows are made by tunewright.training.packing
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "save_steps": steps_between(epoch_steps, settings.checkpoints_per_epoch),
        "save_total_limit": 2,
        "logging_steps": max(1, math.ceil(epoch_steps * settings.epochs / POINTS)),
        "use_cpu": settings.device == "cpu",
        "bf16": settings.dtype == "bfloat16",
        "fp16": settings.dtype == "float16" and settings.device == "cuda",
        "activation_checkpointing": settings.device == "cuda",
        "dataloader_pin_memory": settings.device == "cuda",
        "ddp_find_unused_parameters": False,
        "seed": settings.seed,
        "disable_tqdm": True,
        "report_to": "none",
    }


def make_trainer(job: Job) -> Any:
    """A trl SFTTrainer over ready-made labels; the adapter's start depends on the seed alone."""
    from peft import LoraConfig
    from transformers import PrinterCallback, set_seed
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from tunewright.supervised_loss import CpuTrainer, suits

    settings = job.settings
    set_seed(settings.seed)
    dataset = _dataset(job)
    arguments = trainer_arguments(settings, len(dataset), job.folder)
    args = SFTConfig(**arguments)  # before the model: it starts the processes' group
    model = load_base(settings, job.base)
    lora = settings.lora
    modules = lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules)
    alone = settings.device == "cpu" and processes.count() == 1  # its loss goes past the wrappers of several processes
    kind = CpuTrainer if alone and suits(model) and not settings.packing else SFTTrainer
    trainer = kind(
        model=model,
        args=args,
        train_dataset=dataset,
        processing_class=load_tokenizer(job.base).backend,
        peft_config=LoraConfig(
            r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=modules, task_type="CAUSAL_LM"
        ),
    )
    trainer.remove_callback(PrinterCallback)
    if settings.packing:
        check_apart(trainer, job.examples)
    return trainer


def _dataset(job: Job) -> Any:
    from datasets import Dataset

    if job.settings.packing:
        return Dataset.from_list([packed(row) for row in pack(job.examples, job.settings.max_tokens)])
    return Dataset.from_list([{"input_ids": e.input_ids, "labels": e.labels} for e in job.examples])


def _train(trainer: Any, folder: Path, report: Report) -> int:
    """Train to the end, from the newest complete checkpoint if there is one; the optimizer steps taken in all."""
    args = trainer.args
    loader = math.ceil(len(trainer.train_dataset) / args.per_device_train_batch_size / max(1, args.world_size))
    total = math.ceil(args.num_train_epochs * math.ceil(loader / args.gradient_accumulation_steps))
    with trainer.accelerator.main_process_first():  # it takes half-written ones away
        checkpoint = newest_complete(folder)
    if checkpoint:
        done = step_of(checkpoint)
        said = f"an interrupted training of the same data is there: going on from step {done} of {total}"
        report(Event(done, total, note=said))
    trainer.add_callback(_reporting(report, total, trainer.accelerator))
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return int(trainer.state.global_step)


def _reporting(report: Report, total: int, accelerator: Any) -> Any:
    """A callback that reports each step and each loss, and completes checkpoints."""
    from transformers import TrainerCallback

    class Reporting(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            report(Event(state.global_step, total))

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                report(Event(state.global_step, total, loss=float(logs["loss"])))

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            accelerator.wait_for_everyone()  # each process writes its own part of a checkpoint
            if processes.first():
                mark_complete(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    return Reporting()


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "step": row["step"],
        "epoch": row["epoch"],
        "loss": float(row["loss"]),
        "learning_rate": row["learning_rate"],
    }


def save_adapter(model: Any, folder: Path, weights: dict[str, Any] | None) -> None:
    """peft's own format, without the model card it drafts; target modules sorted, for they come out of a set.

    `weights` are those of a model that several processes trained; None: the model's own.
    """
    model.save_pretrained(folder, save_embedding_layers=False, state_dict=weights)
    (folder / "README.md").unlink(missing_ok=True)
    settings = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    if isinstance(settings["target_modules"], list):
        settings["target_modules"].sort()
    write_json(folder / "adapter_config.json", dict(sorted(settings.items())))


def peak_gib(device: str) -> float:
    """The most memory that this process has held so far, where it trains, in GiB."""
    import torch

    return (torch.cuda.max_memory_reserved() if device == "cuda" else peak_bytes()) / 2**30
