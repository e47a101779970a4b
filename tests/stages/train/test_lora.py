"""train-lora: the adapter by itself, as a file that llama.cpp adds to the base."""

from __future__ import annotations

import pytest

from stages.train import lora
from tunewright.errors import MissingInputError, TrainingError

PLAIN = {"peft_type": "LORA", "r": 16, "lora_alpha": 32, "bias": "none", "alpha_pattern": {}, "modules_to_save": None}


def test_plain_lora_can_be_written_and_what_a_gguf_adapter_cannot_hold_is_refused() -> None:
    lora.refuse_unwritable(PLAIN)
    for key, value in (("use_rslora", True), ("modules_to_save", ["lm_head"]), ("alpha_pattern", {"q_proj": 8})):
        with pytest.raises(TrainingError, match=f"{key} is .*expected"):
            lora.refuse_unwritable(PLAIN | {key: value})


def test_a_missing_file_names_the_stage_that_makes_it(project) -> None:
    with pytest.raises(MissingInputError, match="models/adapter: .* dvc repro train-adapter"):
        lora.main()
