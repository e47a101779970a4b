"""Several GPUs by accelerate launch: the command, the configs, and what is refused before anything is spent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stages.train.adapter import Config
from tests.model_fixtures import ROOT
from tunewright.config import load, read_yaml
from tunewright.errors import TrainingError
from tunewright.training import processes
from tunewright.training.job import Event, Job
from tunewright.training.multi import Accelerate, command, hearing


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.chdir(ROOT)
    return load("train.adapter", Config).model_copy(update={"device": "cuda", "gradient_accumulation": 8})


@pytest.fixture
def gpus(monkeypatch):
    def have(number: int) -> None:
        monkeypatch.setattr("torch.cuda.is_available", lambda: number > 0)
        monkeypatch.setattr("torch.cuda.device_count", lambda: number)

    return have


def place(config: str = "conf/accelerate/fsdp.yaml", processes: int | None = None) -> Accelerate:
    return Accelerate(kind="accelerate", config=config, processes=processes)


def test_the_launch_command_to_the_letter(settings) -> None:
    job = Job(settings.model_copy(update={"dtype": "bfloat16"}), [], [], Path("models/base"), Path("points"))
    found = command("conf/accelerate/fsdp.yaml", 4, job, Path("job"), Path("models/adapter.tmp"))
    assert found[0] == sys.executable
    assert " ".join(found[1:]) == (
        "-m accelerate.commands.launch --config_file conf/accelerate/fsdp.yaml --num_machines 1 --num_processes 4 "
        "--mixed_precision bf16 --module tunewright.training.worker job models/base points/fsdp-4 models/adapter.tmp"
    )


def test_no_way_of_sharding_goes_on_from_the_checkpoints_of_another(settings) -> None:
    job = Job(settings.model_copy(update={"dtype": "bfloat16"}), [], [], Path("models/base"), Path("points"))
    ways = [
        ("conf/accelerate/fsdp.yaml", 4),
        ("conf/accelerate/deepspeed.yaml", 4),
        ("conf/accelerate/deepspeed.yaml", 2),
    ]
    folders = [command(config, n, job, Path("job"), Path("out"))[-2] for config, n in ways]
    assert len(set(folders)) == 3 and all(Path(folder).parent == job.folder for folder in folders)


@pytest.mark.parametrize("name", ["fsdp", "deepspeed", "ddp"])
def test_accelerate_reads_the_config_as_it_is_meant(name: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    read = load_config_from_file(str(ROOT / f"conf/accelerate/{name}.yaml"))
    kind = {"fsdp": "FSDP", "deepspeed": "DEEPSPEED", "ddp": "MULTI_GPU"}[name]
    assert (str(read.distributed_type), read.use_cpu) == (f"DistributedType.{kind}", False)
    if name == "fsdp":
        assert read.fsdp_config["fsdp_version"] == 2
        assert read.fsdp_config["fsdp_state_dict_type"] == "SHARDED_STATE_DICT"
    if name == "deepspeed":
        assert read.deepspeed_config["zero_stage"] == 3


@pytest.mark.parametrize("name", ["fsdp", "deepspeed"])
def test_each_trainer_names_its_config(name: str) -> None:
    found = read_yaml(ROOT / f"conf/trainer/accelerate_{name}.yaml")["place"]
    assert found == {"kind": "accelerate", "config": f"conf/accelerate/{name}.yaml", "processes": None}
    assert (ROOT / found["config"]).exists()


def test_a_step_is_shared_out_evenly_or_refused() -> None:
    assert [processes.accumulation_of_each(8, n) for n in (1, 2, 8)] == [8, 4, 1]
    with pytest.raises(TrainingError, match="8 and cannot be shared out evenly over 3 processes"):
        processes.accumulation_of_each(8, 3)


def test_what_is_missing_is_said_before_anything_is_spent(settings, gpus, monkeypatch, tmp_path) -> None:
    gpus(4)
    place().check(settings)
    place(processes=2).check(settings)
    with pytest.raises(TrainingError, match="packing is tried out on the whole model"):
        place().check(settings.model_copy(update={"packing": True}))
    gpus(0)
    with pytest.raises(TrainingError, match="needs an NVIDIA GPU"):
        place().check(settings)
    gpus(1)
    with pytest.raises(TrainingError, match="1 processes, and torch finds 1 GPUs.*trainer=cuda_lora"):
        place().check(settings)
    gpus(3)
    with pytest.raises(TrainingError, match="over 3 processes"):
        place().check(settings)
    with pytest.raises(TrainingError, match="on a CPU name a number"):
        gpus(0)
        place("conf/accelerate/ddp.yaml").check(settings.model_copy(update={"device": "cpu"}))
    gpus(2)
    monkeypatch.setattr("tunewright.training.multi.find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=r"DeepSpeed, which is not installed; run: pip install -e '.\[deepspeed\]'"):
        place("conf/accelerate/deepspeed.yaml").check(settings)
    (tmp_path / "own.yaml").write_text("distributed_type: FSDP\nfsdp_config: {fsdp_activation_checkpointing: true}\n")
    with pytest.raises(TrainingError, match="adapter without weights; take the line out"):
        place(str(tmp_path / "own.yaml")).check(settings)


def test_events_are_passed_on_and_other_lines_are_left(capsys) -> None:
    from tunewright.training.worker import say

    say(Event(3, 9, loss=0.5))
    line = capsys.readouterr().out
    events: list[Event] = []
    heard = hearing(events.append)
    assert heard(line) and not heard("Traceback (most recent call last):\n")
    assert events == [Event(3, 9, loss=0.5)]


def test_only_the_first_process_speaks(capsys, monkeypatch) -> None:
    from tunewright.training.worker import say

    monkeypatch.setenv("RANK", "1")
    say(Event(1, 2))
    assert capsys.readouterr().out == "" and not processes.first()


def test_where_the_model_is_sharded_no_device_is_named_and_4_bit_weights_are_packed_as_floats(
    settings, monkeypatch
) -> None:
    import torch

    from tunewright.training.tuning import load_base

    asked: list[dict] = []
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", lambda base, **k: asked.append(k))
    four = settings.model_copy(update={"quantize_4bit": True, "dtype": "bfloat16"})
    monkeypatch.setenv("LOCAL_RANK", "1")
    load_base(four, Path("base"))
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    load_base(four, Path("base"))
    assert asked[0]["device_map"] == {"": 1} and "device_map" not in asked[1]
    stored = [one["quantization_config"].bnb_4bit_quant_storage for one in asked]
    assert stored == [torch.uint8, torch.bfloat16]
