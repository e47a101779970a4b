"""The adapter of a job that is done: fetched, and refused if it is not what was asked for."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tunewright.errors import TrainingError
from tunewright.json_files import read_object
from tunewright.records import write_json
from tunewright.training.hub_access import JOB
from tunewright.training.hub_worker import ADAPTER
from tunewright.training.job import Job, Outcome
from tunewright.training.settings import Settings
from tunewright.training.worker import OUTCOME, take_outcome

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
EXPONENTS = {"F32": ("<u4", 0x7F800000), "F16": ("<u2", 0x7C00), "BF16": ("<u2", 0x7F80)}  # width, bits


def stored(api: Any, repo: str, key: str) -> bool:
    """Whether a job has stored the adapter of this training."""
    with JOB.explained(f"look into {repo}"):
        return api.file_exists(repo, f"{key}/{ADAPTER}/{OUTCOME}")


def fetch_adapter(api: Any, repo: str, key: str, job: Job, target: Path) -> Outcome:
    """Write the adapter into `target`, as every other place does; its outcome. Raises TrainingError."""
    with tempfile.TemporaryDirectory() as room:
        with JOB.explained(f"fetch the adapter from {repo}"):
            api.snapshot_download(repo, allow_patterns=f"{key}/{ADAPTER}/*", local_dir=room)
        there = Path(room) / key / ADAPTER
        check_adapter(there, job.settings, repo)
        for name in (CONFIG, WEIGHTS, OUTCOME):
            shutil.copyfile(there / name, target / name)
    settings = read_object(target / CONFIG) | {"base_model_name_or_path": str(job.base)}  # not the job's folder
    write_json(target / CONFIG, settings)
    return take_outcome(target)


def check_adapter(folder: Path, settings: Settings, repo: str) -> None:
    """Raise TrainingError unless all files are there, ranks are the ones asked for, and every number is finite."""
    if missing := [name for name in (CONFIG, WEIGHTS, OUTCOME) if not (folder / name).exists()]:
        raise TrainingError(
            f"{repo}: the job is done, but {', '.join(missing)} is not there; look at the job's log, delete the folder "
            f"{folder.parent.name} of the repository, and run: dvc repro train-adapter"
        )
    found, lora = read_object(folder / CONFIG), settings.lora
    if (found.get("r"), found.get("lora_alpha")) != (lora.r, lora.alpha):
        raise _wrong(
            repo, folder, f"r {found.get('r')} and alpha {found.get('lora_alpha')}, expected {lora.r}, {lora.alpha}"
        )
    if fault := weights_fault(folder / WEIGHTS, lora.r):
        raise _wrong(repo, folder, fault)


def weights_fault(path: Path, rank: int) -> str | None:
    """What is wrong with an adapter's matrices: A is rank x inputs, B outputs x rank. Read without torch."""
    from safetensors import SafetensorError, deserialize

    try:
        matrices = deserialize(path.read_bytes())
    except SafetensorError as error:
        return f"no readable safetensors ({error})"
    if not matrices:
        return "no matrix at all"
    for name, matrix in matrices:
        shape = tuple(matrix["shape"])
        if len(shape) != 2 or shape["lora_A" not in name] != rank:
            return f"{name} of shape {shape}, expected rank {rank}"
        if matrix["dtype"] not in EXPONENTS:
            return f"{name} of type {matrix['dtype']}, expected one of {', '.join(EXPONENTS)}"
        if not finite(matrix["dtype"], bytes(matrix["data"])):
            return f"{name} with numbers that are not finite: the training diverged"
    return None


def finite(dtype: str, data: bytes) -> bool:
    """Whether no number is an infinity or a NaN: those have every bit of the exponent set (IEEE 754)."""
    width, exponent = EXPONENTS[dtype]
    return not (np.frombuffer(data, width) & exponent == exponent).any()


def _wrong(repo: str, folder: Path, what: str) -> TrainingError:
    return TrainingError(
        f"{repo}: the adapter in {folder.parent.name}/{ADAPTER} has {what}; to train again delete that folder "
        "there and run: dvc repro train-adapter"
    )
