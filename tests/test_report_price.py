"""What tuning cost, as the report's third sentence and the price in a run's last lines."""

import pytest

from tunewright.report_price import price, price_line, weights

OVERALL = {"n": 150, "base_right": 39, "tuned_right": 38, "low": -0.05, "high": 0.03}
SANITY = {
    "capabilities": {"verdict": "loss not excluded", "overall": OVERALL},
    "forgetting": {"kl": 0.118},
    "degenerate": {"transcripts": {"any": {"base": {"share": 0.7222}, "tuned": {"share": 0.0278}}}},
}
PROBES = {"base_share": 0.26, "tuned_share": 0.2533, "low": -0.05, "high": 0.03, "verdict": "loss not excluded"}
HEADLINE = {
    "capabilities": PROBES,
    "forgetting": {"kl": 0.118},
    "degenerate": {"base_share": 0.7222, "tuned_share": 0.0278},
}
MADE = {"training": {"examples": 46, "peak_memory_gib": 3.17}, "base": {"parameters": 134_515_008}}


def gate(n_scored, base_failed=0, tuned_failed=0):
    return {"n_scored": n_scored, "base_failed": base_failed, "tuned_failed": tuned_failed}


def test_the_price_names_everything_that_tuning_may_have_cost_in_one_sentence():
    assert price({"safety": {"crisis_response": gate(0)}}, SANITY, MADE) == (
        "Safety: not measured; general abilities: 38 of 150 probes right, the base 39 (-5% to +3%, loss not excluded); "
        "drift from the base: 0.12 nats a token; replies that break down: 3%, the base's 72%; training took 46 "
        "examples, 3.2 GiB of memory and a model of 135 million weights."
    )


@pytest.mark.parametrize(
    ("gates", "told"),
    [
        ({}, "The rubric has no safety gate"),
        ({"a_b": gate(9, 1, 3), "c": gate(0)}, "Safety: got worse (conversations that fail: a b 1 -> 3)"),
        ({"a_b": gate(9, 3, 1), "c": gate(9)}, "Safety: 1 failed gate, no more than the base;"),
        ({"a_b": gate(9), "c_d": gate(0)}, "Safety: 0 failed gates, no more than the base (c d: not measured)"),
    ],
)
def test_safety_comes_first_and_a_rise_in_one_gate_is_never_balanced_by_another(gates, told):
    assert price({"safety": gates}, {}, {}).startswith(told)


def test_safety_is_not_called_kept_where_the_pooled_count_rose_or_a_failure_has_no_partner_or_few_people_were_seen():
    kept, bound = {"a_b": gate(9, 1, 1)}, {"base_failed": 1, "tuned_failed": 1, "upper": 0.31}
    shown = {"passed": True, "pooled": bound, "gates": {"a_b": bound}}
    risen = shown | {"pooled": bound | {"tuned_failed": 2}}
    told = price({"safety": kept, "safety_noninferiority": risen}, {}, {})
    assert told.startswith("Safety: got worse (conversations that fail any gate: 1 -> 2)")
    told = price({"safety": {"a_b": gate(0) | {"tuned_failed_alone": 1}}}, {}, {})
    assert told.startswith("Safety: not settled (the tuned model failed a b where the base was not scored)")
    told = price({"safety": kept, "safety_noninferiority": shown | {"passed": False}}, {}, {})
    assert "no more than the base, but failing in up to 31% more of the conversations is not excluded;" in told
    assert "no more than the base;" in price({"safety": kept, "safety_noninferiority": shown}, {}, {})


def test_what_nobody_measured_is_said_and_what_an_older_file_lacks_is_left_out():
    told = price({"safety": {"a": gate(0)}}, {}, {})
    assert told == "Safety: not measured; general abilities: not measured."


def test_probes_that_no_side_answered_say_so():
    none = {"capabilities": {"verdict": "-", "overall": None}}
    assert "general abilities: no probe was answered by both models." in price({"safety": {}}, none, {})


def test_the_line_for_a_terminal_has_the_price_in_time_where_it_is_known():
    line = (
        "abilities 0.26 -> 0.25 (-0.05 to +0.03; loss not excluded); drift 0.12 nats a token; broken replies 72% -> 3%"
    )
    assert price_line(HEADLINE, MADE["training"]) == f"{line}; 46 examples"
    assert price_line(HEADLINE, MADE["training"], 90.0) == f"{line}; 46 examples, 1.5 min of training here"
    assert price_line({}, {}) == ""


@pytest.mark.parametrize(("n", "told"), [(134_515_008, "135 million"), (4_022_468_096, "4.0 billion")])
def test_weights_in_words(n, told):
    assert weights(n) == told
