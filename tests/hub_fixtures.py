"""A fake Hub that the real huggingface_hub client of this process talks to, and a training job for it."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bench.fake_hub import FakeHub
from tunewright.chat_labels import Labelled
from tunewright.config import read_yaml
from tunewright.training.hub_place import HubJobs
from tunewright.training.job import Job
from tunewright.training.settings import Settings

ROOT = Path(__file__).parents[1]
RANK = 4


@pytest.fixture
def fake_hub(monkeypatch):
    """A running fake Hub; HF_ENDPOINT and HF_TOKEN name it and its writer. Set `play` before a job is submitted."""
    from huggingface_hub import constants

    with FakeHub() as hub:
        for name, value in hub.environment(hub.writer).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # another test of this process may have set it
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere/token")
        yield hub


@cache
def yaml_of(name):
    """A file of the repository."""
    return read_yaml(ROOT / name)


def hub_place(revision="0" * 40, **changes):
    """conf/trainer/hf_jobs.yaml as composed, with a base of the fake Hub, a machine without GPU, and no waiting."""
    params, place = yaml_of("params.yaml"), yaml_of("conf/trainer/hf_jobs.yaml")
    rules = params["design"]["tokens"]["rules"]
    place = place["place"] | {
        "base_model": params["train"]["base"]["base_model"]
        | {"source": {"kind": "hf", "repo": "tiny/base", "revision": revision}},
        "budget_usd": 50,
        "gpus": rules["gpus"],
        "gpu_utilisation_share": rules["gpu_utilisation_share"],
        "flavor": "cpu-basic",
        "poll_s": 0.01,
    }
    place["flavors"] = place["flavors"] | {"cpu-basic": {"gpu": None, "usd_per_hour": 0.01}}
    return HubJobs.model_validate(place | changes)


def hub_job(folder, **changes):
    """Two examples of ten tokens, for an adapter of rank 4."""
    settings = yaml_of("params.yaml")["train"]["adapter"]
    lora = {"r": RANK, "alpha": 8, "dropout": 0.0, "target_modules": "all-linear"}
    settings = Settings.model_validate(settings | {"device": "cpu", "epochs": 2, "lora": lora} | changes)
    examples = [Labelled(f"e{i}", list(range(10)), [-100, *range(1, 10)]) for i in range(2)]
    return Job(settings, examples, [], Path("models/base"), folder)


def adapter_files(rank=RANK, fill=0.5, dtype="float32"):
    """What a job leaves: an adapter of one layer, and its outcome."""
    from safetensors.numpy import save

    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"
    matrices = {"A": np.full((rank, 8), fill, dtype), "B": np.full((8, rank), fill, dtype)}
    row = {"step": 1, "epoch": 1.0, "loss": 4.0, "learning_rate": 1e-3}
    outcome = {"history": [row], "steps": 4, "loss_before": None, "loss_after": None, "peak_gib": 1.0}
    config = {"r": rank, "lora_alpha": 8, "base_model_name_or_path": "/tmp/somewhere/base"}
    return {
        "adapter_config.json": json.dumps(config).encode(),
        "adapter_model.safetensors": save({name.format(side): matrix for side, matrix in matrices.items()}),
        "outcome.json": json.dumps(outcome).encode(),
    }
