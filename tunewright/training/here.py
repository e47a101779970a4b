"""Training in this process: on the CPU, or on one NVIDIA GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tunewright.config import Config
from tunewright.quiet import quiet_libraries
from tunewright.terminal import Stage
from tunewright.training.job import Job, Outcome
from tunewright.training.progress import following
from tunewright.training.settings import Settings, check_device, check_quantization


class Here(Config):
    """conf/trainer/{cpu,cuda_lora,cuda_qlora}.yaml, `place`."""

    kind: Literal["here"]

    def check(self, settings: Settings) -> None:
        """The GPU must be there if one is asked for, and bitsandbytes for a 4-bit base."""
        import torch

        check_device(settings, torch.cuda.is_available())
        check_quantization(settings)

    def train(self, job: Job, stage: Stage, target: Path) -> Outcome:
        """Train in this process."""
        from tunewright.training.tuning import tune

        with quiet_libraries(), following(stage) as report:
            return tune(job, report, target)
