"""Training on several GPUs of this machine, by `accelerate launch`: FSDP or DeepSpeed as an accelerate config says.

The worker of tunewright.training.worker runs once per GPU. How many there are changes no number of train.adapter: the
batches of one optimizer step are shared out, see tunewright.training.processes.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tunewright.config import Config, read_yaml
from tunewright.errors import TrainingError
from tunewright.terminal import Stage
from tunewright.training.job import Job, Outcome, Report, write_job
from tunewright.training.launched import follow
from tunewright.training.processes import accumulation_of_each
from tunewright.training.progress import following
from tunewright.training.settings import Settings, check_device, check_quantization
from tunewright.training.worker import event_of, take_outcome

MIXED = {"bfloat16": "bf16", "float16": "fp16", "float32": "no"}
AGAIN = "Mend it and run: dvc repro train-adapter; it goes on from the newest complete checkpoint."


class Accelerate(Config):
    """conf/trainer/accelerate_*.yaml, `place`."""

    kind: Literal["accelerate"]
    config: str  # an accelerate config file: conf/accelerate/*.yaml
    processes: int | None = Field(ge=2)  # null: one for each GPU here

    def check(self, settings: Settings) -> None:
        """GPUs, packages and an accelerate config that fit; and a step that can be shared out evenly."""
        import torch

        check_device(settings, torch.cuda.is_available())
        check_quantization(settings)
        if settings.packing:
            raise TrainingError(
                "packing is tried out on the whole model before the first step, and a sharded one is nowhere whole; "
                "set trainer.packing=false, and batch_size to examples"
            )
        self._check_config(read_yaml(Path(self.config)))
        gpus = torch.cuda.device_count()
        asked = self.processes or gpus
        if settings.device == "cuda" and not 2 <= asked <= gpus:
            raise TrainingError(
                f"{self.config}: {asked} processes, and torch finds {gpus} GPUs here; expected at least 2, one each. "
                "Choose trainer=cuda_lora for one GPU, or another machine"
            )
        if asked < 2:
            raise TrainingError("trainer.place.processes is null, which means one for each GPU; on a CPU name a number")
        accumulation_of_each(settings.gradient_accumulation, asked)

    def _check_config(self, found: Any) -> None:
        """DeepSpeed must be installed where it is asked for; FSDP's own activation checkpointing loses the adapter."""
        if found.get("distributed_type") == "DEEPSPEED" and find_spec("deepspeed") is None:
            raise TrainingError(
                f"{self.config} asks for DeepSpeed, which is not installed; run: pip install -e '.[deepspeed]', or "
                "choose trainer=accelerate_fsdp"
            )
        if found.get("fsdp_config", {}).get("fsdp_activation_checkpointing"):
            raise TrainingError(
                f"{self.config}: fsdp_activation_checkpointing renames modules, and peft then saves and loads an "
                "adapter without weights; take the line out: activations are checkpointed anyway"
            )

    def train(self, job: Job, stage: Stage, target: Path) -> Outcome:
        """Run the worker in as many processes as asked for."""
        import torch

        processes = self.processes or torch.cuda.device_count()
        with tempfile.TemporaryDirectory() as folder, following(stage) as report:
            write_job(job, Path(folder))
            words = command(self.config, processes, job, Path(folder), target)
            follow(words, hearing(report), {"PYTHONUNBUFFERED": "1"}, AGAIN)
        return take_outcome(target)


def command(config: str, processes: int, job: Job, folder: Path, target: Path) -> list[str]:
    """`accelerate launch` of the worker, in the Python that runs us.

    FSDP and DeepSpeed store checkpoints in pieces of their own, DeepSpeed one a process: none goes on from another's.
    """
    checkpoints = job.folder / f"{Path(config).stem}-{processes}"
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", config]
    shape = ["--num_machines", "1", "--num_processes", str(processes), "--mixed_precision", MIXED[job.settings.dtype]]
    paths = [str(path) for path in (folder, job.base, checkpoints, target)]
    return [*launch, *shape, "--module", "tunewright.training.worker", *paths]


def hearing(report: Report) -> Any:
    """Takes a line of the workers' output, and passes on the event that it holds."""

    def heard(line: str) -> bool:
        event = event_of(line)
        if event:
            report(event)
        return event is not None

    return heard
