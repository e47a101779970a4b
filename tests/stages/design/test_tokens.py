"""Token economics and memory by hand; the stage itself on a tokenizer that counts words."""

import pytest
import yaml

from stages.design import tokens as stage
from stages.design.tokens import Config, economics, lora_weights, memory_gib, report
from tests.conftest import ROOT, persona, transcript
from tunewright.base_models import BaseModelConfig
from tunewright.errors import MissingInputError

SHIPPED = BaseModelConfig.model_validate(yaml.safe_load((ROOT / "conf/base_model/smollm2_135m.yaml").read_text()))
SMALL = SHIPPED.model_copy(
    update={
        "hidden_size": 8, "intermediate_size": 16, "attention_heads": 4, "kv_heads": 2, "layers": 3,
        "parameters": 2**30, "vocab_size": 100, "context_tokens": 400,
    }
)  # fmt: skip


def config(model=SMALL, **rest):
    fields = {
        "base_model": model, "max_tokens_per_example": 120, "usable_window_share": 0.5, "lora_rank": 2,
        "bytes_per_weight": 2, "gpus_gib": {"small": 2, "large": 16},
    }  # fmt: skip
    return Config.model_validate(fields | rest)


def test_economics_by_hand():
    found = economics(10, [[20, 20, 20], [20, 20]], 90)
    assert (found.exchange_tokens_mean, found.exchange_tokens_p95) == (20, 20)
    assert (found.conversation_tokens_mean, found.conversation_tokens_max) == (60, 70)
    assert found.exchanges_in_limit == 4  # (90 - 10) / 20


def test_what_fits_goes_by_the_95th_percentile_and_not_by_the_mean():
    # 1 to 19: the 95th percentile by the exclusive method is at 0.95 * 20 = the 19th value
    found = economics(0, [list(range(1, 20))], 40)
    assert (found.exchange_tokens_mean, found.exchange_tokens_p95, found.exchanges_in_limit) == (10, 19, 2)


def test_one_token_less_than_another_exchange_needs_fits_one_less():
    assert [economics(10, [[20, 20]], limit).exchanges_in_limit for limit in (69, 70)] == [2, 3]


def test_a_prompt_longer_than_the_limit_leaves_room_for_no_exchange():
    assert economics(100, [[20, 20]], 90).exchanges_in_limit == 0


def test_lora_weights_by_hand():
    # head size 2. q and o: 2 * (8 + 8) = 32; k and v: 2 * (8 + 4) = 24; gate, up, down: 3 * (8 + 16) = 72
    assert lora_weights(SMALL, 1) == 3 * (32 + 24 + 72)
    assert lora_weights(SMALL, 16) == 16 * lora_weights(SMALL, 1)


def test_lora_weights_of_smollm2_are_what_peft_counts():
    # 30 layers of q 576>576, k and v 576>192, o 576>576, gate and up 576>1536, down 1536>576, rank 16
    assert lora_weights(SHIPPED, 16) == 16 * 30 * (2 * 1152 + 2 * 768 + 3 * 2112)


def test_memory_by_hand():
    found = memory_gib(SMALL, config(), 1000)
    assert found["weights"] == 2.0  # 2**30 weights of 2 bytes
    adapter, activations, logits = 2 * 3 * 128 * 16, 34 * 1000 * 8 * 3, 4 * 1000 * 100
    assert found["total"] == round(2 + (adapter + activations + logits) / 2**30, 3)
    assert memory_gib(SHIPPED, config(SHIPPED, lora_rank=16), 5461)["logits (unfused loss)"] == 1.0  # 5461 * 49152 * 4


def test_the_report_names_the_gpus_on_which_it_fits_with_a_tenth_to_spare():
    found = economics(10, [[20, 20]], 90)
    memory = {"weights": 1.0, "total": 1.8}
    assert "on: small (2 GiB), large (16 GiB)." in report(config(), found, memory)
    assert "on: large (16 GiB)." in report(config(), found, memory | {"total": 1.81})
    assert "on: none of those listed." in report(config(), found, memory | {"total": 99.0})


@pytest.fixture
def ready(workspace):
    talks = [transcript("t1", n=2), transcript("t2", n=3, user="Hello there", assistant="Oh")]
    workspace.write_authored([persona()], talks)
    workspace.write_params("design.tokens", config().model_dump())
    return workspace


def test_the_stage_counts_the_words_of_the_authored_talks(ready, word_model):
    (ready.folder / "models").mkdir()
    (ready.folder / "models/base").symlink_to(word_model)
    stage.main()
    found = ready.metrics("design-tokens")
    prompt = 1 + len((ROOT / "prompts/therapy/system.md").read_text().split())  # one for the role
    # t1: "user My cat is ill again 1 assistant Which cat is it 1" = 13, twice; t2: 4 and 3 words, three times
    assert found["exchange_tokens_mean"] == pytest.approx((13 * 2 + 7 * 3) / 5, abs=0.05)
    assert found["limit_tokens"] == 120  # the ceiling, below half the window of 400
    assert found["lora_memory_gib"] >= 2.0  # the weights alone
    report = (ready.folder / "reports/model-choice.md").read_text()
    assert f"| system prompt | {prompt} |" in report
    assert f"| one conversation, longest | {prompt + 26} |" in report
    assert "| weights | 2.00 |" in report


def test_without_a_base_model_the_stage_to_run_is_named(ready):
    with pytest.raises(MissingInputError, match="dvc repro train-base"):
        stage.main()
