"""Cost by hand, and what rules a model out."""

from __future__ import annotations

from tests.test_memory import FOOTPRINT, LINEAR, LORA, QLORA, SMALL
from tunewright.config import Constraints
from tunewright.memory import GIB, cache_bytes, file_bytes, training_memory
from tunewright.model_choice import Rules, Workload, candidate, limit_tokens, pick
from tunewright.training_cost import Gpu, flops_per_token, training_cost

WANTED = Constraints(offline=True, open_licence=False, deployment_ram_gib=1, train_budget_usd=10)
WORK = Workload(tokens=1e9, mean_tokens=100)


def gpu(**rest) -> dict:
    return {"memory_gib": 80, "tflops": 100, "bfloat16": True, "usd_per_hour": 2} | rest


def rules(**rest) -> Rules:
    fields = {
        "max_tokens_per_example": 120, "usable_window_share": 0.5, "methods": {"LoRA": LORA, "QLoRA": QLORA},
        "footprint": FOOTPRINT, "gpus": {"big": gpu()}, "gpu_headroom_share": 0.1, "gpu_utilisation_share": 0.5,
        "serving": {"ram_share": 0.5, "bits_per_weight": {"q8_0": 8.5, "q4_k_m": 4.5}, "cache_bytes_per_value": 2},
        "open_licences": ["Apache-2.0"],
    }  # fmt: skip
    return Rules.model_validate(fields | rest)


def sized(parameters: int, **rest):
    return SMALL.model_copy(update={"parameters": parameters} | rest)


def test_operations_a_token_by_hand() -> None:
    attention = 2 * 3 * 100 * 12  # 2 x layers x context x width of the queries
    assert flops_per_token(SMALL, 100) == 6 * (LINEAR + 100 * 8) + 4 * attention


def test_hours_and_price_by_hand() -> None:
    found = training_cost(3600 * 50e12, "big", Gpu.model_validate(gpu()), 0.5)  # an hour at half of 100 TFLOPS
    assert (found.hours, found.usd) == (1, 2)


def test_the_limit_is_the_ceiling_or_half_the_window() -> None:
    assert limit_tokens(SMALL, rules()) == 120
    assert limit_tokens(SMALL, rules(max_tokens_per_example=16384)) == 200


def test_a_small_model_meets_everything() -> None:
    found = candidate(SMALL, rules(), WANTED, WORK)
    assert (found.ruled_out, found.served_as, found.method) == ((), "q8_0", "LoRA")
    assert found.served["q8_0"] == file_bytes(SMALL, 8.5) + cache_bytes(SMALL, 120, 2)


def test_a_file_that_fits_only_in_4_bits_is_served_in_4_bits() -> None:
    assert candidate(sized(GIB * 3 // 4), rules(), WANTED, WORK).served_as == "q4_k_m"  # half a GiB may be used


def test_too_much_memory_money_or_licence_rules_a_model_out_each_with_its_reason() -> None:
    heavy = candidate(sized(2 * GIB), rules(), WANTED, WORK)
    assert heavy.ruled_out == ("q4_k_m with its cache for 120 tokens takes 1.1 GiB of memory, 0.5 may be used",)
    dear = candidate(SMALL, rules(gpus={"big": gpu(usd_per_hour=1e6)}), WANTED, WORK)
    assert dear.cost is not None
    assert dear.ruled_out == (f"training costs {dear.cost.usd:,.0f} USD, the budget is 10",)
    strict = WANTED.model_copy(update={"open_licence": True})
    assert candidate(SMALL, rules(), strict, WORK).ruled_out == ()
    assert candidate(sized(5000, licence="Some terms"), rules(), strict, WORK).ruled_out == (
        "its licence (Some terms) is not an open one",
    )
    nowhere = candidate(SMALL, rules(gpus={"tiny": gpu(memory_gib=1)}), WANTED, WORK)
    assert nowhere.ruled_out == ("examples of 120 tokens fit none of the GPUs listed",)


def test_the_cheapest_gpu_is_the_one_of_the_lowest_bill_and_has_bfloat16() -> None:
    gpus = {
        "old": gpu(bfloat16=False, usd_per_hour=0.1),
        "slow": gpu(tflops=10, usd_per_hour=1),
        "fast": gpu(tflops=100, usd_per_hour=2),
    }
    found = candidate(SMALL, rules(gpus=gpus), WANTED, WORK).cost
    assert found is not None
    assert found.gpu == "fast"


def test_qlora_is_taken_where_lora_does_not_fit() -> None:
    model = sized(GIB + LINEAR, layers=3, hidden_size=4096, intermediate_size=8192)
    linear_alone = model.model_copy(update={"parameters": 3 * (2 * 4096 * 12 + 2 * 4096 * 6 + 3 * 4096 * 8192)})
    lora, qlora = (sum(training_memory(linear_alone, m, FOOTPRINT, 120).values()) / GIB for m in (LORA, QLORA))
    assert qlora < lora
    between = {"mid": gpu(memory_gib=(lora + qlora) / 2 / 0.9)}
    found = candidate(linear_alone, rules(gpus=between), WANTED, WORK)
    assert found.method == "QLoRA"
    assert (found.longest["LoRA"]["mid"] < 120, found.longest["QLoRA"]["mid"]) == (True, 120)


def test_the_pick_is_the_largest_that_is_served_as_wanted_and_holds_the_plan() -> None:
    small, mid = candidate(SMALL, rules(), WANTED, WORK), candidate(sized(6000), rules(), WANTED, WORK)
    short = candidate(sized(7000, context_tokens=100), rules(), WANTED, WORK)  # holds 50 tokens
    four_bit = candidate(sized(GIB * 3 // 4), rules(), WANTED, WORK)
    out = candidate(sized(2 * GIB), rules(), WANTED, WORK)
    everyone = [small, mid, short, four_bit, out]
    assert pick(everyone, 100, "q8_0") is mid
    assert pick(everyone, 999, "q8_0") is short  # nobody holds so much: the length is let go
    assert pick([four_bit, out], 100, "q8_0") is four_bit
    assert pick([out], 100, "q8_0") is None


def test_a_budget_met_to_the_cent_is_met() -> None:
    found = candidate(SMALL, rules(), WANTED, WORK).cost
    assert found is not None
    exact = WANTED.model_copy(update={"train_budget_usd": found.usd})
    assert candidate(SMALL, rules(), exact, WORK).ruled_out == ()
    less = WANTED.model_copy(update={"train_budget_usd": found.usd * 0.999})
    assert len(candidate(SMALL, rules(), less, WORK).ruled_out) == 1
