"""train-adapter: it learns, it resumes, it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from stages.train import adapter
from tests.model_fixtures import ROOT, make_example, metrics
from tunewright.checkpoints import MARKER, newest_complete, steps_between
from tunewright.config import load
from tunewright.errors import TrainingError
from tunewright.records import read_json, write_jsonl
from tunewright.training.job import read_job, write_job
from tunewright.training.settings import check_device, check_quantization
from tunewright.training.worker import event_of, take_outcome


def test_training_lowers_the_loss_and_writes_whole_outputs(project) -> None:
    adapter.main()
    found = metrics(project, "train-adapter")
    assert (found["examples"], found["steps"]) == (8, 8)  # 8 examples / batch of 2 * 2 epochs
    assert found["validation_loss_after"] < found["validation_loss_before"]
    assert 0.3 < found["peak_memory_gib"] < 8  # torch alone is 0.3; a wrong unit is a thousand times off
    assert sorted(p.name for p in (project / "models/adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    rows = read_json(project / "plots/train-adapter.json")
    assert [row["step"] for row in rows] == list(range(1, 9))
    assert rows[-1]["validation_loss"] == found["validation_loss_after"]
    assert list((project / "cache/training").iterdir()) == []  # no checkpoint is left


def test_validation_may_be_empty(project) -> None:
    write_jsonl(project / "data/generate/valid.jsonl", [])
    adapter.main()
    assert metrics(project, "train-adapter")["validation_loss_after"] is None


def test_the_cpu_loss_equals_torchs_cross_entropy_and_its_gradient() -> None:
    import torch

    from tunewright.supervised_loss import FrozenHeadLoss

    torch.manual_seed(1)
    hidden, head = torch.randn(300, 8, requires_grad=True), torch.randn(50, 8)
    targets = torch.randint(0, 50, (300,))
    (FrozenHeadLoss.apply(hidden, head, targets) / 300).backward()
    ours, hidden.grad = hidden.grad, None
    expected = torch.nn.functional.cross_entropy(hidden @ head.T, targets)
    expected.backward()
    assert torch.allclose(ours, hidden.grad, atol=1e-6)
    assert FrozenHeadLoss.apply(hidden, head, targets).item() / 300 == pytest.approx(expected.item(), rel=1e-5)


def test_a_too_long_example_stops_training_before_it_begins(project) -> None:
    write_jsonl(project / "data/generate/train.jsonl", [make_example(3, "Hi", "word " * 5000)])
    with pytest.raises(TrainingError, match=r"e3: 50.. tokens, at most \d+"):
        adapter.main()


def test_a_trainer_whose_gpu_is_not_there_is_refused(project) -> None:
    on_cpu = load("train.adapter", adapter.Config)
    on_gpu = on_cpu.model_copy(update={"device": "cuda", "quantize_4bit": True})
    with pytest.raises(TrainingError, match="needs an NVIDIA GPU"):
        check_device(on_gpu, cuda=False)
    with pytest.raises(TrainingError, match="choose trainer=mlx"):
        check_device(on_cpu.model_copy(update={"device": "mlx"}), cuda=True)
    for config in (on_cpu, on_gpu):
        check_device(config, cuda=True)


def test_a_4_bit_base_without_bitsandbytes_names_what_to_install(project, monkeypatch) -> None:
    on_cpu = load("train.adapter", adapter.Config)
    monkeypatch.setattr("tunewright.training.settings.find_spec", lambda name: None)
    check_quantization(on_cpu)
    with pytest.raises(
        TrainingError, match=r"bitsandbytes, which is not installed here; run: pip install -e '.\[qlora\]'"
    ):
        check_quantization(on_cpu.model_copy(update={"quantize_4bit": True}))


def test_a_half_written_checkpoint_is_skipped_and_removed(tmp_path) -> None:
    for step, complete in ((2, True), (10, True), (12, False)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if complete:
            (tmp_path / f"checkpoint-{step}" / MARKER).touch()
    assert newest_complete(tmp_path) == tmp_path / "checkpoint-10"  # by number, not by name
    assert not (tmp_path / "checkpoint-12").exists()


def test_checkpoints_are_at_least_one_step_apart() -> None:
    assert [steps_between(12, 4), steps_between(3, 4), steps_between(9, 2)] == [3, 1, 4]


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_an_unbroken_one(project) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["train"]["adapter"]["epochs"] = 12
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    adapter.main()
    unbroken = metrics(project, "train-adapter")
    assert unbroken["steps"] == 48

    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "stages.train.adapter"]
    running = subprocess.Popen(command, cwd=project, env=env, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(project.glob("cache/training/*/checkpoint-*/complete"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    folder = next(iter(project.glob("cache/training/*")))
    (folder / "checkpoint-9999").mkdir()  # as a kill in the middle of a save would leave it

    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=True)
    assert "going on from step" in done.stderr
    resumed = metrics(project, "train-adapter")
    assert resumed["steps"] == 48
    assert [row["step"] for row in read_json(project / "plots/train-adapter.json")] == list(range(1, 49))
    assert resumed["train_loss_last"] == pytest.approx(unbroken["train_loss_last"], rel=1e-3)
    assert not folder.exists()


def test_a_worker_in_a_process_of_its_own_trains_the_same_adapter_and_says_each_step(project) -> None:
    adapter.main()
    config = load("train.adapter", adapter.Config)
    job = adapter.job_of(config, adapter.load_tokenizer(adapter.BASE))
    write_job(job, project / "job")
    assert read_job(project / "job", job.base, job.folder) == job
    (project / "out").mkdir()
    command = [sys.executable, "-m", "tunewright.training.worker", "job", str(job.base), "points", "out"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    events = [e for e in map(event_of, done.stdout.splitlines()) if e]
    assert [e.step for e in events if e.loss is None] == list(range(1, 9))
    assert take_outcome(project / "out").steps == 8
    there, here = (p / "adapter_model.safetensors" for p in (project / "out", adapter.OUTPUT))
    assert there.read_bytes() == here.read_bytes()
