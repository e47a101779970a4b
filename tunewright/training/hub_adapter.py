"""The adapter of a job that is done: fetched, and refused if it is not what was asked for."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from tunewright.errors import TrainingError
from tunewright.records import read_json, write_json
from tunewright.training.hub_access import explained
from tunewright.training.hub_worker import ADAPTER
from tunewright.training.job import Job, Outcome
from tunewright.training.settings import Settings
from tunewright.training.worker import OUTCOME, take_outcome

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def stored(api: Any, repo: str, key: str) -> bool:
    """Whether a job has stored the adapter of this training."""
    with explained(f"look into {repo}"):
        return api.file_exists(repo, f"{key}/{ADAPTER}/{OUTCOME}")


def fetch_adapter(api: Any, repo: str, key: str, job: Job, target: Path) -> Outcome:
    """Write the adapter into `target`, as every other place does; its outcome. Raises TrainingError."""
    with tempfile.TemporaryDirectory() as room:
        with explained(f"fetch the adapter from {repo}"):
            api.snapshot_download(repo, allow_patterns=f"{key}/{ADAPTER}/*", local_dir=room)
        there = Path(room) / key / ADAPTER
        check_adapter(there, job.settings, repo)
        for name in (CONFIG, WEIGHTS, OUTCOME):
            shutil.copyfile(there / name, target / name)
    settings = read_json(target / CONFIG) | {"base_model_name_or_path": str(job.base)}  # not the job's folder
    write_json(target / CONFIG, settings)
    return take_outcome(target)


def check_adapter(folder: Path, settings: Settings, repo: str) -> None:
    """Raise TrainingError unless all files are there, ranks are the ones asked for, and every number is finite."""
    if missing := [name for name in (CONFIG, WEIGHTS, OUTCOME) if not (folder / name).exists()]:
        raise TrainingError(
            f"{repo}: the job is done, but {', '.join(missing)} is not there; look at the job's log, delete the folder "
            f"{folder.parent.name} of the repository, and run: dvc repro train-adapter"
        )
    found, lora = read_json(folder / CONFIG), settings.lora
    if (found.get("r"), found.get("lora_alpha")) != (lora.r, lora.alpha):
        raise _wrong(
            repo, folder, f"r {found.get('r')} and alpha {found.get('lora_alpha')}, expected {lora.r}, {lora.alpha}"
        )
    if fault := weights_fault(folder / WEIGHTS, lora.r):
        raise _wrong(repo, folder, fault)


def weights_fault(path: Path, rank: int) -> str | None:
    """What is wrong with an adapter's matrices: A is rank x inputs, B outputs x rank."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        matrices = load_file(path)
    except SafetensorError as error:
        return f"no readable safetensors ({error})"
    if not matrices:
        return "no matrix at all"
    for name, matrix in matrices.items():
        axis = 0 if "lora_A" in name else 1
        if matrix.ndim != 2 or matrix.shape[axis] != rank:
            return f"{name} of shape {tuple(matrix.shape)}, expected rank {rank}"
        if not torch.isfinite(matrix).all():
            return f"{name} holds numbers that are not finite: the training diverged"
    return None


def _wrong(repo: str, folder: Path, what: str) -> TrainingError:
    return TrainingError(
        f"{repo}: the adapter in {folder.parent.name}/{ADAPTER} has {what}; to train again delete that folder "
        "there and run: dvc repro train-adapter"
    )
