"""Training on Apple silicon, by mlx_lm.lora as a program of its own; the adapter comes back in peft's form.

The same examples and labels as elsewhere, one row an assistant turn. What mlx_lm does otherwise: its loss is a mean
over batches, not over a step's tokens; it learns one padding token after each turn's end; it clips no gradients; and
it keeps no optimizer, so a training that was killed begins again. Losses before and after are measured here, by
torch, with the same code as for every other place: an adapter that was converted wrongly would show in them.
"""

from __future__ import annotations

import json
import math
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from tunewright.chat_tokenizer import load_tokenizer
from tunewright.config import Config
from tunewright.errors import TrainingError
from tunewright.json_files import read_object
from tunewright.quiet import quiet_libraries
from tunewright.records import write_text
from tunewright.terminal import Stage
from tunewright.training.job import Event, Job, Outcome, Report
from tunewright.training.launched import follow
from tunewright.training.mlx_adapter import convert
from tunewright.training.mlx_files import lora_config, updates, warmup, write_base, write_data
from tunewright.training.progress import following
from tunewright.training.settings import Settings

COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
REPORTED = re.compile(r"^\s*([\d,]+)\s+(\d+\.\d+|nan|inf) [▼▲]\s")  # iteration and training loss, mlx_lm 0.32
OTHERWISE = "choose trainer=cpu, cuda_lora or hf_jobs"


class Mlx(Config):
    """conf/trainer/mlx.yaml, `place`."""

    kind: Literal["mlx"]
    python: str | None  # the Python that has mlx_lm; null: this one

    def check(self, settings: Settings) -> None:
        """Apple silicon, mlx_lm, and settings that it can follow."""
        machine = f"{platform.system()} {platform.machine()}"
        if machine != "Darwin arm64":
            raise TrainingError(f"trainer=mlx needs a Mac with Apple silicon, and this is {machine}; {OTHERWISE}")
        self.check_settings(settings)
        self.check_package()

    def check_settings(self, settings: Settings) -> None:
        """Refuse what mlx_lm would train otherwise than asked."""
        if settings.device != "mlx":
            raise TrainingError(f"train.adapter.device is {settings.device}, expected mlx; choose trainer=mlx whole")
        if settings.packing:
            raise TrainingError("mlx_lm packs no examples into a row; set trainer.packing=false")
        if settings.quantize_4bit:
            raise TrainingError(
                "quantize_4bit is bitsandbytes' NF4, which mlx does not have: its own 4-bit weights are other numbers, "
                "and an adapter learnt on those is not converted. Set trainer.quantize_4bit=false"
            )

    def check_package(self) -> None:
        """mlx_lm must be there for the Python that is to run it."""
        looks = "import importlib.util, sys; sys.exit(importlib.util.find_spec('mlx_lm') is None)"
        if subprocess.run([self.interpreter, "-c", looks], check=False).returncode:
            raise TrainingError(f"mlx_lm is not installed for {self.interpreter}; run: pip install -e '.[mlx]'")

    @property
    def interpreter(self) -> str:
        """The Python that runs mlx_lm."""
        return self.python or sys.executable

    def train(self, job: Job, stage: Stage, target: Path) -> Outcome:
        """Train, convert, and measure the losses."""
        with tempfile.TemporaryDirectory() as folder, following(stage) as report:
            history = self.run(job, Path(folder), report)
            convert(Path(folder) / "adapter", job.base, job.settings.lora, target)
        before, after = _losses(job, target)
        return Outcome(history, history[-1]["step"], before, after, None)

    def run(self, job: Job, folder: Path, report: Report) -> list[dict[str, Any]]:
        """Write what mlx_lm reads into `folder` and run it; its adapter is then in folder/adapter. The loss curve."""
        _check_dtype(job)
        n_rows = write_data(job.examples, load_tokenizer(job.base), job.settings, folder / "data")
        write_base(job.base, folder / "base")
        longest = max(len(e.input_ids) for e in job.examples)
        config = lora_config(job, n_rows, folder / "data", folder / "base", folder / "adapter", longest)
        write_text(folder / "lora.yaml", json.dumps(config, indent=1))  # YAML holds JSON
        history: list[dict[str, Any]] = []
        words = [self.interpreter, "-m", "mlx_lm", "lora", "--config", str(folder / "lora.yaml")]
        environment = {"HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1", "COLUMNS": "120"}
        heard = hearing(job.settings, n_rows, history, report)
        follow(words, heard, environment, "Mend it and run: dvc repro train-adapter; it begins again.")
        if not history:
            raise TrainingError(f"{' '.join(words)} reported no step; its output is not that of mlx_lm 0.32")
        return history


def _check_dtype(job: Job) -> None:
    """mlx_lm computes in the precision in which the base is stored."""
    found = read_object(job.base / "config.json", parse_constant=float)
    stored = found.get("dtype") or found.get("torch_dtype")
    if stored != job.settings.dtype:
        raise TrainingError(
            f"{job.base} is stored in {stored}; mlx_lm trains in that. train.adapter.dtype is {job.settings.dtype}. "
            f"Set trainer.dtype={stored} and run: make params"
        )


def learning_rate(step: int, steps: int, settings: Settings) -> float:
    """The rate of an optimizer step, counted from 1, under the schedule that mlx_files.schedule asks for."""
    rising = warmup(steps, settings)
    done = step - 1
    if done < rising:
        return settings.learning_rate * done / rising
    share = min(1.0, max(0, done - rising - (rising > 0)) / max(1, steps - rising))
    falling = {"cosine": (1 + math.cos(math.pi * share)) / 2, "linear": 1 - share}
    return settings.learning_rate * falling.get(settings.scheduler, 1.0)


def hearing(settings: Settings, n_rows: int, history: list[dict[str, Any]], report: Report) -> Any:
    """Takes a line of mlx_lm's output; a report of a step becomes an event, and a row of `history`."""
    steps = updates(n_rows, settings)

    def heard(line: str) -> bool:
        found = REPORTED.match(COLOURS.sub("", line))
        if not found:
            return False
        step, loss = int(found[1].replace(",", "")) // settings.gradient_accumulation, float(found[2])
        epoch = settings.epochs * step / steps
        rate = learning_rate(step, steps, settings)
        history.append({"step": step, "epoch": epoch, "loss": loss, "learning_rate": rate})
        report(Event(step, steps))
        report(Event(step, steps, loss=loss))
        return True

    return heard


def _losses(job: Job, adapter: Path) -> tuple[float | None, float | None]:
    """Validation losses of the base and of the base with the converted adapter."""
    if not job.valid:
        return None, None
    from peft import PeftModel

    from tunewright.training.tuning import load_base, validation_loss

    with quiet_libraries():
        base = load_base(job.settings, job.base)
        before = validation_loss(base, job)
        return before, validation_loss(PeftModel.from_pretrained(base, str(adapter)), job)
