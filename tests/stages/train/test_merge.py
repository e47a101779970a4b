"""train-merge: base plus update, in full precision."""

from __future__ import annotations

import math

import pytest

from stages.train import adapter, merge
from tests.model_fixtures import metrics
from tunewright.errors import MissingInputError, TrainingError
from tunewright.quiet import quiet_libraries
from tunewright.records import read_json


def test_merged_weights_are_base_plus_scaled_product(project) -> None:
    import torch
    from safetensors.torch import load_file

    adapter.main()
    merge.main()
    name = "model.layers.1.mlp.down_proj"
    base, merged = load_file("models/base/model.safetensors"), load_file("models/merged/model.safetensors")
    lora = load_file("models/adapter/adapter_model.safetensors")
    a, b = (lora[f"base_model.model.{name}.lora_{side}.weight"].float() for side in "AB")
    delta = 2.0 * b @ a  # alpha 32 / r 16
    assert float(delta.norm()) > 0
    assert torch.allclose(merged[f"{name}.weight"], base[f"{name}.weight"].float() + delta, atol=1e-6)
    assert merged[f"{name}.weight"].dtype == torch.float32
    found = metrics(project, "train-merge")
    assert found["matrices"] == 14  # 7 in each of 2 layers
    assert found["delta_norm"] > 0
    moved = read_json("data/train/merge.json")
    both = [moved["by_layer"][layer]["delta_norm"] for layer in ("0", "1")]
    assert math.hypot(*both) == pytest.approx(found["delta_norm"])  # squares add up
    assert moved["by_kind"]["down_proj"]["delta_norm"] > float(delta.norm())  # two layers, of which this is one
    assert moved["total"]["relative_delta"] == found["relative_delta"]


def adapt(number: float) -> None:
    """Write an adapter whose products are all `number`, or zero, without training."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    with quiet_libraries():
        base = AutoModelForCausalLM.from_pretrained("models/base")
        model = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"]))
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(weights, number)
    model.save_pretrained("models/adapter")


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0.0, "changes no weight .2 matrices looked at.; train it again with: dvc repro -f train-adapter"),
        (float("nan"), r"update of model\.layers\.0\.self_attn\.q_proj .2 of 2 matrices. holds infinite or undefined"),
    ],
)
def test_an_adapter_that_changes_nothing_or_holds_no_numbers_is_refused(project, number, told) -> None:
    adapt(number)
    with pytest.raises(TrainingError, match=told):
        merge.main()
    assert not (project / "models/merged").exists()


def test_the_tokenizer_is_copied_byte_for_byte(project) -> None:
    adapter.main()
    merge.main()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (project / "models/merged" / name).read_bytes() == (project / "models/base" / name).read_bytes()


def test_a_missing_adapter_names_the_command_that_makes_it(project) -> None:
    with pytest.raises(MissingInputError, match="dvc repro train-adapter"):
        merge.main()
