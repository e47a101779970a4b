"""Training and serving memory by hand, and against what torch really keeps."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT
from tunewright.base_models import BaseModelConfig, LocalAttention
from tunewright.config import load_file
from tunewright.memory import (
    CPU_LOSS_POSITIONS,
    GIB,
    GPU_LOSS_TILE,
    Footprint,
    Trainer,
    activation_bytes,
    adapter_bytes,
    cache_bytes,
    file_bytes,
    logit_bytes,
    longest_example,
    lora_weights,
    saved_values,
    training_memory,
    unfused_logit_bytes,
    weight_bytes,
    weights_of_shape,
)
from tunewright.quiet import quiet_libraries

SHIPPED = load_file(ROOT / "conf/base_model/smollm2_135m.yaml", BaseModelConfig)
SHAPE = {
    "hidden_size": 8, "intermediate_size": 16, "attention_heads": 4, "kv_heads": 2, "head_size": 3, "layers": 3,
    "parameters": 5000, "vocab_size": 100, "context_tokens": 400, "norms_per_layer": 2, "query_key_norms": False,
}  # fmt: skip
SMALL = SHIPPED.model_copy(update=SHAPE)  # queries 4 x 3 = 12 wide, keys and values 2 x 3 = 6
LINEAR = 3 * (2 * 8 * 12 + 2 * 8 * 6 + 3 * 8 * 16)  # 3 layers of q and o, k and v, gate, up and down
FOOTPRINT = Footprint(cpu_process_gib=1, heap_slack_share=0.5, cuda_gib=2)


def trainer(**rest) -> Trainer:
    fields = {"device": "cpu", "dtype": "float32", "quantize_4bit": False, "lora_rank": 2, "batch_size": 1}
    return Trainer.model_validate(fields | rest)


LORA = trainer(device="cuda", dtype="bfloat16")
QLORA = trainer(device="cuda", dtype="bfloat16", quantize_4bit=True)


@pytest.mark.parametrize("path", sorted((ROOT / "conf/base_model").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_stated_parameters_are_exactly_those_of_the_stated_shape(path) -> None:
    model = load_file(path, BaseModelConfig)
    assert weights_of_shape(model) == model.parameters - model.vision_parameters


def test_mlx_holds_the_logits_of_every_position_and_checkpoints_its_blocks_as_a_gpu_does() -> None:
    mlx = trainer(device="mlx", dtype="bfloat16")
    assert logit_bytes(SMALL, mlx, 10) == 4 * 10 * 8 + 2 * 4 * 10 * SMALL.vocab_size
    assert activation_bytes(SMALL, mlx, 100) == activation_bytes(SMALL, LORA, 100)
    found = training_memory(SMALL, mlx, FOOTPRINT, 100)
    assert (found["process and libraries"], found["heap slack"]) == (GIB, 0)


def test_lora_weights_by_hand() -> None:
    # q and o: 2 * (8 + 12) = 40; k and v: 2 * (8 + 6) = 28; gate, up, down: 3 * (8 + 16) = 72
    assert lora_weights(SMALL, 1) == 3 * (40 + 28 + 72)
    assert lora_weights(SMALL, 16) == 16 * lora_weights(SMALL, 1)


def test_lora_weights_of_smollm2_are_what_peft_counts() -> None:
    # 30 layers of q 576>576, k and v 576>192, o 576>576, gate and up 576>1536, down 1536>576, rank 16
    assert lora_weights(SHIPPED, 16) == 16 * 30 * (2 * 1152 + 2 * 768 + 3 * 2112)


def test_kept_values_by_hand() -> None:
    # norms 2 * 9; normed 8, q 12, k and v 12, attention's output 12 and its 4 log-sum-exps; normed 8, 4 * 16; 7 * rank
    assert saved_values(SMALL, 2) == 18 + (8 + 12 + 12 + 12 + 4) + (8 + 64) + 14
    norms_on_queries_and_keys = SMALL.model_copy(update={"query_key_norms": True})
    assert saved_values(norms_on_queries_and_keys, 2) - saved_values(SMALL, 2) == 12 + 6 + 4 + 2


def test_kept_values_are_what_torch_keeps_for_the_backward_pass(tiny_base) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(str(tiny_base), dtype=torch.float32)
    with quiet_libraries():
        model = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no address is used twice
        return tensor

    tokens = 128
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.get_base_model().get_decoder()(input_ids=torch.arange(tokens)[None] + 100, use_cache=False)
    shape = {"hidden_size": 64, "intermediate_size": 128, "attention_heads": 4, "kv_heads": 2, "head_size": 16}
    tiny = SHIPPED.model_copy(update=shape | {"layers": 2})
    found = sum(size for size, _ in kept.values()) / 4
    outside_blocks = tokens * (2 * 64 + 2 * 16 + 1)  # the last norm's input and output, cosines and sines
    assert found == pytest.approx(tokens * 2 * saved_values(tiny, 4), abs=outside_blocks)


def test_the_base_by_precision() -> None:
    assert weight_bytes(SMALL, trainer()) == 4 * 5000
    assert weight_bytes(SMALL, LORA) == 2 * 5000
    # 4 bits and 0.127 bits of constants for each weight of the blocks; the rest stays in bfloat16
    assert weight_bytes(SMALL, QLORA) == pytest.approx(LINEAR * 4.127 / 8 + 2 * (5000 - LINEAR), rel=1e-4)


def test_adapters_are_float32_but_for_a_4_bit_base() -> None:
    assert adapter_bytes(SMALL, trainer()) == adapter_bytes(SMALL, LORA) == 16 * lora_weights(SMALL, 2)
    assert adapter_bytes(SMALL, QLORA) == 8 * lora_weights(SMALL, 2)


def test_a_gpu_keeps_each_blocks_input_and_computes_one_block_again() -> None:
    block = 4 * saved_values(SMALL, 2)
    assert activation_bytes(SMALL, trainer(), 100) == 100 * 3 * block
    assert activation_bytes(SMALL, LORA, 100) == 100 * (3 * 8 * 2 + block)


def test_logits_stop_growing_at_a_chunk_or_a_tile() -> None:
    def without_gradient(who, n):
        return logit_bytes(SMALL, who, n) - 4 * n * 8

    assert without_gradient(trainer(), 256) == 2 * 256 * 100 * 4
    assert without_gradient(trainer(), 257) == without_gradient(trainer(), 9000) == 3 * 256 * 100 * 4
    assert without_gradient(LORA, 4096) == without_gradient(LORA, 9000) == 4096 * 100 * 2
    wide = SMALL.model_copy(update={"vocab_size": 262144})
    assert logit_bytes(wide, LORA, 10) - 4 * 10 * 8 == 10 * 32768 * 2
    assert unfused_logit_bytes(wide, 1024) == GIB  # Gemma 3: a GiB for 1,024 tokens


def test_the_losses_hold_as_many_positions_as_is_counted_here() -> None:
    from trl.kernels import chunked_logprob
    from trl.trainer import utils

    from tunewright import supervised_loss

    assert supervised_loss.CHUNK == CPU_LOSS_POSITIONS
    assert (chunked_logprob.TOKEN_CHUNK_SIZE, utils._CHUNKED_LOGPROB_CHUNK_SIZE) == GPU_LOSS_TILE


def test_components_of_a_batch() -> None:
    found = training_memory(SMALL, trainer(batch_size=3), FOOTPRINT, 100)
    assert found["process and libraries"] == GIB
    assert found["activations"] == activation_bytes(SMALL, trainer(), 300)
    assert found["heap slack"] == found["activations"] / 2
    on_gpu = training_memory(SMALL, LORA, FOOTPRINT, 100)
    assert (on_gpu["process and libraries"], on_gpu["heap slack"]) == (2 * GIB, 0)


def test_the_longest_example_fits_and_one_token_more_does_not() -> None:
    def needed(n):
        return sum(training_memory(SMALL, LORA, FOOTPRINT, n).values())

    assert longest_example(SMALL, LORA, FOOTPRINT, needed(77), 400) == 77
    assert longest_example(SMALL, LORA, FOOTPRINT, needed(77) - 1, 400) == 76
    assert longest_example(SMALL, LORA, FOOTPRINT, needed(999), 400) == 400
    assert longest_example(SMALL, LORA, FOOTPRINT, needed(0) - 1, 400) == 0


def test_the_cache_of_a_conversation_and_of_local_attention() -> None:
    assert (
        cache_bytes(SMALL, 1000, 2) == 3 * 1000 * 2 * 2 * 3 * 2
    )  # layers, tokens, keys and values, heads, size, bytes
    local = SMALL.model_copy(update={"local_attention": LocalAttention(window_tokens=10, full_every=3)})
    assert cache_bytes(local, 1000, 2) == (1000 + 2 * 10) * 2 * 2 * 3 * 2
    assert cache_bytes(local, 5, 2) == cache_bytes(SMALL, 5, 2)


def test_a_file_holds_the_language_model_alone() -> None:
    assert file_bytes(SMALL.model_copy(update={"vision_parameters": 1000}), 8.5) == 4000 * 8.5 / 8
