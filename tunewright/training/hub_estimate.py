"""What a job will take and cost, before it is submitted: arithmetic of tunewright.training_cost, prices of the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from pydantic import Field

from tunewright.base_models import BaseModelConfig
from tunewright.config import Config
from tunewright.errors import TrainingError
from tunewright.training.job import Job
from tunewright.training.settings import Settings
from tunewright.training_cost import Gpu, flops_per_token, training_cost


class Flavor(Config):
    """A machine of the Hub; `gpu` names one of design.tokens.rules.gpus, null is a machine without."""

    gpu: str | None
    usd_per_hour: float = Field(gt=0)


class Time(Config):
    """How a job's timeout comes from the estimate of its training."""

    factor: float = Field(ge=1)
    setup_s: int = Field(ge=0)  # installing packages, fetching the base, storing the adapter
    minimum_s: int = Field(ge=60)


@dataclass(frozen=True)
class Estimate:
    """Seconds and USD. `training_s` is None where no speed is known, on machines without a GPU."""

    training_s: float | None
    timeout_s: int
    usd_per_hour: float
    setup_s: int

    @property
    def usd(self) -> float | None:
        """What is expected to be paid."""
        return None if self.training_s is None else (self.training_s + self.setup_s) / 3600 * self.usd_per_hour

    @property
    def usd_max(self) -> float:
        """What is paid at most: the timeout ends the job."""
        return self.timeout_s / 3600 * self.usd_per_hour

    def __str__(self) -> str:
        most = f"at most {self.usd_max:.2f} USD (timeout {self.timeout_s / 60:.0f} min)"
        if self.usd is None or self.training_s is None:
            return f"no speed is known for this machine; {most}"
        setup, training = f"{self.setup_s / 60:.0f} min to set up", f"{self.training_s / 60:.1f} min of training"
        return f"about {self.usd:.2f} USD ({setup}, {training}, {self.usd_per_hour:.2f} USD an hour), {most}"


def estimate(
    job: Job,
    model: BaseModelConfig,
    gpu: Gpu | None,
    utilisation: float,
    usd_per_hour: float,
    time: Time,
    budget_usd: float,
) -> Estimate:
    """What a job takes; its timeout never costs more than the budget. Raises TrainingError for too small a budget."""
    training_s = None if gpu is None else seconds(job, model, gpu, utilisation)
    wanted_s = max(time.minimum_s, time.factor * (training_s or 0) + time.setup_s)
    paid_s = budget_usd / usd_per_hour * 3600
    found = Estimate(training_s, int(min(wanted_s, paid_s)), usd_per_hour, time.setup_s)
    if found.usd is not None and found.usd > budget_usd:
        raise TrainingError(
            f"the job would cost about {found.usd:.2f} USD, domain.constraints.train_budget_usd is {budget_usd:g}: "
            "choose another trainer.place.flavor, fewer examples or epochs, or raise it in conf/domain/, and run: "
            "make params"
        )
    if found.usd is None and paid_s < time.minimum_s:
        raise TrainingError(
            f"{budget_usd:g} USD (domain.constraints.train_budget_usd) pay for {paid_s / 60:.0f} minutes, "
            f"trainer.place.time.minimum_s asks for {time.minimum_s / 60:.0f}: correct one of them and run: make params"
        )
    return found


def seconds(job: Job, model: BaseModelConfig, gpu: Gpu, utilisation: float) -> float:
    """Training alone, on one GPU at a share of its peak."""
    lengths = [len(example.input_ids) for example in job.examples]
    flops = flops_per_token(model, fmean(lengths)) * sum(lengths) * job.settings.epochs
    return training_cost(flops, "", gpu, utilisation).hours * 3600


def check_flavor(settings: Settings, name: str, flavors: Mapping[str, Flavor], gpus: Mapping[str, Gpu]) -> Gpu | None:
    """The GPU of a flavor; raises TrainingError for settings that the machine cannot run, or would run for days."""
    if name not in flavors or (flavors[name].gpu is not None and flavors[name].gpu not in gpus):
        raise TrainingError(
            f"trainer.place.flavor {name!r}: no such machine, or its GPU is unknown; known: {', '.join(flavors)} "
            "(conf/trainer/hf_jobs.yaml)"
        )
    gpu = None if (kind := flavors[name].gpu) is None else gpus[kind]
    if (settings.device == "cuda") != (gpu is not None):
        raise TrainingError(
            f"trainer.device is {settings.device}, but flavor {name} has {'no GPU' if gpu is None else 'one'}: choose "
            "a flavor that fits, and run: make params"
        )
    if gpu is not None and not gpu.bfloat16 and settings.dtype == "bfloat16":
        raise TrainingError(
            f"flavor {name} has a GPU without bfloat16 ({flavors[name].gpu}): choose another flavor, or "
            "trainer.dtype=float32, and run: make params"
        )
    return gpu
