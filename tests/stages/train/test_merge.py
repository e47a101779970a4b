"""train-merge: base plus update, in full precision."""

from __future__ import annotations

import pytest

from stages.train import adapter, merge
from tests.model_fixtures import metrics
from tunewright.errors import MissingInputError


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


def test_the_tokenizer_is_copied_byte_for_byte(project) -> None:
    adapter.main()
    merge.main()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (project / "models/merged" / name).read_bytes() == (project / "models/base" / name).read_bytes()


def test_a_missing_adapter_names_the_command_that_makes_it(project) -> None:
    with pytest.raises(MissingInputError, match="dvc repro train-adapter"):
        merge.main()
