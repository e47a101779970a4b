"""Training on a Mac: what mlx_lm reads, what is heard of it, and its adapter in peft's form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stages.train.adapter import Config
from tests.model_fixtures import make_example
from tunewright.chat_labels import IGNORED, Labelled, label_example
from tunewright.config import load
from tunewright.errors import TrainingError
from tunewright.quiet import quiet_libraries
from tunewright.records import write_json
from tunewright.training.apple import Mlx, hearing, learning_rate
from tunewright.training.job import Event, Job
from tunewright.training.mlx_adapter import convert, peft_weights
from tunewright.training.mlx_files import (
    VERBATIM,
    linear_keys,
    lora_config,
    rows,
    schedule,
    turns,
    updates,
    write_base,
    write_data,
)


@pytest.fixture
def settings(project):
    changed = {"device": "mlx", "dtype": "bfloat16", "batch_size": 1, "gradient_accumulation": 4, "epochs": 2.0}
    return load("train.adapter", Config).model_copy(update=changed | {"learning_rate": 1e-3, "warmup_share": 0.1})


def test_each_assistant_turn_is_a_row_that_ends_with_it(chat) -> None:
    example = label_example(make_example(1, "Hi", "Yes?", "I lost keys.", "Which?"), chat, 999)
    first, second = rows(example, chat)
    prompt = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert [m["content"] for m in first["messages"]] == [prompt, "Yes?<|im_end|>"]
    assert second["messages"][0]["content"] == (
        prompt + "Yes?<|im_end|>\n<|im_start|>user\nI lost keys.<|im_end|>\n<|im_start|>assistant\n"
    )
    assert second["messages"][1] == {"role": "assistant", "content": "Which?<|im_end|>"}


def test_mlx_lms_own_reading_of_a_row_learns_exactly_our_labels(chat, tiny_base, tmp_path) -> None:
    """As mlx_lm's ChatDataset does it: all through the chat template, the offset from all but the last message."""
    from transformers import AutoTokenizer

    example = label_example(make_example(1, "Hé 😀", "One.\n\nTwo  ", "And?", "Three"), chat, 999)
    write_base(tiny_base, tmp_path / "base")
    tokenizer = AutoTokenizer.from_pretrained(str(tmp_path / "base"), local_files_only=True)
    learnt = [IGNORED] * len(example.input_ids)
    for row in rows(example, chat):
        messages = row["messages"]
        whole = tokenizer.apply_chat_template(messages, return_dict=False)
        offset = len(tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True, return_dict=False))
        assert whole == example.input_ids[: len(whole)]
        learnt[offset : len(whole)] = whole[offset:]
    assert learnt == example.labels
    assert chat.template != VERBATIM  # the base itself is as it was


def test_the_turns_are_the_runs_of_labels() -> None:
    one = Labelled("a", [1, 2, 3, 4, 5, 6], [IGNORED, 2, 3, IGNORED, IGNORED, 6])
    assert turns(one) == [(1, 3), (5, 6)]


def test_tokens_that_their_own_text_does_not_give_back_are_refused(chat) -> None:
    whole = chat.encode("I lost keys")
    split = [*chat.encode("I"), *chat.encode(" lo"), *chat.encode("st keys")]
    assert split != whole and chat.decode(split) == "I lost keys"
    with pytest.raises(TrainingError, match="example a, tokens 1 to .*does not read its own text back"):
        rows(Labelled("a", split, [IGNORED, *split[1:]]), chat)


def test_the_config_to_the_letter(settings, tiny_base) -> None:
    job = Job(settings, [], [], tiny_base, Path("points"))
    found = lora_config(job, 10, Path("data"), Path("base"), Path("out"), longest_tokens=65)
    assert found == {
        "model": "base",
        "train": True,
        "data": "data",
        "adapter_path": "out",
        "fine_tune_type": "lora",
        "num_layers": -1,
        "lora_parameters": {
            "rank": 16,
            "scale": 2.0,  # alpha 32 / r 16
            "dropout": 0.0,
            "keys": [
                *("mlp.down_proj", "mlp.gate_proj", "mlp.up_proj"),
                *("self_attn.k_proj", "self_attn.o_proj", "self_attn.q_proj", "self_attn.v_proj"),
            ],
        },
        "mask_prompt": True,
        "batch_size": 1,
        "grad_accumulation_steps": 4,
        "iters": 24,  # 10 rows / 4 a step = 3 steps an epoch, 2 epochs, 4 batches a step
        "learning_rate": 1e-3,
        "lr_schedule": {"name": "cosine_decay", "arguments": [1e-3, 5], "warmup": 1},
        "optimizer": "adamw",
        "optimizer_config": {
            "adamw": {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0, "bias_correction": True}
        },
        "max_seq_length": 97,  # 65 tokens padded to 96, and one
        "grad_checkpoint": True,
        "steps_per_report": 4,
        "save_every": 24,
        "seed": settings.seed,
    }


def test_target_modules_mean_what_they_mean_to_peft(settings, tiny_base) -> None:
    def keys(target) -> list[str]:
        lora = settings.lora.model_copy(update={"target_modules": target})
        return linear_keys(tiny_base, settings.model_copy(update={"lora": lora}))

    assert keys(("q_proj", "v_proj")) == ["self_attn.q_proj", "self_attn.v_proj"]
    assert keys(r".*\.mlp\.up_proj") == ["mlp.up_proj"]
    for wrong in (r"model\.layers\.0\.mlp\.up_proj", ("no_proj",)):
        with pytest.raises(TrainingError, match="the same matrices in every layer"):
            keys(wrong)


def test_the_learning_rate_is_that_of_mlx_lms_schedule(settings) -> None:
    # warm-up of 1 step: 0, then lr; mlx_lm joins the cosine one step later: cos at 0, 1, 2, 3 of 5
    found = [learning_rate(step, 6, settings) for step in range(1, 7)]
    assert found == pytest.approx([0, 1e-3, 1e-3, 9.0451e-4, 6.5451e-4, 3.4549e-4], rel=1e-4)
    assert schedule(6, settings.model_copy(update={"scheduler": "linear"})) == {
        "name": "linear_schedule",
        "arguments": [1e-3, 0.0, 5],
        "warmup": 1,
    }
    with pytest.raises(TrainingError, match="scheduler 'polynomial': trainer=mlx has cosine, linear"):
        schedule(6, settings.model_copy(update={"scheduler": "polynomial"}))


def test_a_step_holds_as_many_turns_as_batch_and_accumulation_say(settings, chat, tmp_path) -> None:
    examples = [label_example(make_example(i, "Hi", "A.", "And?", "B."), chat, 999) for i in range(5)]
    assert write_data(examples, chat, settings, tmp_path) == 10
    assert len((tmp_path / "train.jsonl").read_text("utf-8").splitlines()) == 10
    assert updates(10, settings) == 6
    with pytest.raises(TrainingError, match="10 assistant turns are less than one batch of 11"):
        write_data(examples, chat, settings.model_copy(update={"batch_size": 11}), tmp_path)


SAID = (  # mlx_lm 0.32.2
    "Loading datasets\n",
    "  \x1b[1miter   train_loss     tok/s     tokens\x1b[0m\n",
    "  \x1b[38;5;244m   4\x1b[0m    \x1b[1;32m10.787 ▼\x1b[0m    \x1b[1m    0\x1b[0m    \x1b[38;5;244m  0.0k\x1b[0m\n",
    "  \x1b[38;5;244m   8\x1b[0m    \x1b[1;33m10.798 ▲\x1b[0m    \x1b[1m   12\x1b[0m    \x1b[38;5;244m  0.1k\x1b[0m\n",
    "  \x1b[1;32msave\x1b[0m  \x1b[38;5;244m0000008_adapters.safetensors\x1b[0m\n",
)


def test_reports_of_mlx_lm_are_heard_as_steps_with_their_loss(settings) -> None:
    history: list[dict] = []
    events: list[Event] = []
    heard = hearing(settings, 10, history, events.append)
    assert [heard(line) for line in SAID] == [False, False, True, True, False]
    assert [(e.step, e.total, e.loss) for e in events if e.loss] == [(1, 6, 10.787), (2, 6, 10.798)]
    assert [(row["step"], row["loss"]) for row in history] == [(1, 10.787), (2, 10.798)]
    assert history[1]["epoch"] == pytest.approx(2 / 3)  # 2 epochs in 6 steps


def saved(folder: Path, weights: dict, **rest) -> Path:
    from safetensors.numpy import save_file

    folder.mkdir()
    write_json(folder / "adapter_config.json", {"fine_tune_type": "lora", "lora_parameters": {"scale": 2.0}} | rest)
    save_file(
        {name: np.asarray(array, dtype=np.float32) for name, array in weights.items()}, folder / "adapters.safetensors"
    )
    return folder


def test_a_converted_adapter_adds_what_mlx_adds(settings, tiny_base, tmp_path) -> None:
    """mlx: y = x W^T + scale (x A) B. Here A is (64, 1), ones at inputs 0 and 1; B (1, 64), a three at output 5."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    a, b = np.zeros((64, 1)), np.zeros((1, 64))
    a[:2, 0], b[0, 5] = 1, 3
    name = "model.layers.1.self_attn.q_proj"
    source = saved(tmp_path / "mlx", {f"{name}.lora_a": a, f"{name}.lora_b": b})
    target = tmp_path / "peft"
    target.mkdir()
    lora = settings.lora.model_copy(update={"r": 1, "alpha": 2})
    convert(source, tiny_base, lora, target)
    with quiet_libraries():
        base = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.float32)
        layer = PeftModel.from_pretrained(base, str(target)).get_submodule(f"base_model.model.{name}")
    x = torch.zeros(64)
    x[0], x[1] = 10, 100
    added = layer(x) - layer.base_layer(x)
    assert added[5].item() == pytest.approx(2 * (10 + 100) * 3)
    assert int((added.abs() > 1e-3).sum()) == 1
    said = json.loads((target / "adapter_config.json").read_text("utf-8"))
    assert (said["r"], said["lora_alpha"], said["target_modules"]) == (1, 2, [name])


def test_what_has_no_place_in_peft_is_refused_by_name(settings, tmp_path) -> None:
    factor = np.zeros((2, 1))
    with pytest.raises(TrainingError, match=r"model.layers.0.mlp.up_proj.m: no LoRA factor"):
        peft_weights({"model.layers.0.mlp.up_proj.m": factor})
    with pytest.raises(TrainingError, match=r"without their pair: base_model.model.model.layers.0.mlp.up_proj.lora_A"):
        peft_weights({"model.layers.0.mlp.up_proj.lora_a": factor})
    for change in ({"fine_tune_type": "dora"}, {"lora_parameters": {"scale": 20.0}}):
        source = saved(tmp_path / str(len(list(tmp_path.iterdir()))), {"x": factor}, **change)
        with pytest.raises(TrainingError, match="cannot be converted"):
            convert(source, Path("base"), settings.lora, tmp_path)


def test_a_base_whose_modules_mlx_may_name_otherwise_is_refused(tmp_path) -> None:
    write_json(tmp_path / "config.json", {"architectures": ["PhiForCausalLM"]})
    with pytest.raises(TrainingError, match="PhiForCausalLM; an mlx adapter is converted for LlamaForCausalLM"):
        write_base(tmp_path, tmp_path / "links")


def test_what_is_missing_is_said_with_the_next_command(settings, monkeypatch) -> None:
    place = Mlx(kind="mlx", python=None)
    with pytest.raises(TrainingError, match="a Mac with Apple silicon, and this is .*choose trainer=cpu"):
        monkeypatch.setattr("platform.machine", lambda: "x86_64")
        place.check(settings)
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    with pytest.raises(TrainingError, match="device is cpu, expected mlx"):
        place.check(settings.model_copy(update={"device": "cpu"}))
    with pytest.raises(TrainingError, match="set trainer.packing=false"):
        place.check(settings.model_copy(update={"packing": True}))
    with pytest.raises(TrainingError, match="NF4, which mlx does not have"):
        place.check(settings.model_copy(update={"quantize_4bit": True}))
    with pytest.raises(TrainingError, match=r"mlx_lm is not installed for .*; run: pip install -e '.\[mlx\]'"):
        place.check(settings)


def test_mlx_lm_trains_in_the_precision_in_which_the_base_is_stored(settings, tiny_base, tmp_path) -> None:
    job = Job(settings.model_copy(update={"dtype": "float16"}), [], [], tiny_base, tmp_path)
    with pytest.raises(TrainingError, match="stored in bfloat16.*Set trainer.dtype=bfloat16"):
        Mlx(kind="mlx", python=None).run(job, tmp_path, lambda event: None)
