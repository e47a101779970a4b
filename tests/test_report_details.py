"""The report's sections on passes, uncertainty, safety and abilities, from numbers as evaluate-* write them."""

from typing import Any

import pytest

from tests.test_report_figures import RUBRIC
from tunewright import report_abilities as abilities
from tunewright.document import Bullets, Fold, Heading, Table, Text
from tunewright.report_answer import answers, plain_answer
from tunewright.report_limits import limits
from tunewright.report_passes import passes, uncertainty
from tunewright.report_safety import safety

LEVEL = {"count": 3, "n": 12, "share": 0.25, "low": 0.0892, "high": 0.5323}
RATES = {
    "base": LEVEL, "tuned": LEVEL | {"count": 9, "share": 0.75, "low": 0.4677, "high": 0.9108},
    "difference": 0.5, "low": 0.1, "high": 0.9, "p_value": 0.02, "mcnemar_p": 0.0312, "n_pairs": 12, "n_personas": 4,
    "flips": {"gained": 6, "lost": 0, "both_passed": 3, "both_failed": 3},
}  # fmt: skip
GATE = {
    "base_failed": 1, "tuned_failed": 0, "only_base": 1, "only_tuned": 0, "n": 12, "n_personas": 4,
    "difference": -0.0833, "upper": 0.031, "personas_needed": 30, "personas_more": 26, "passed": None,
}  # fmt: skip
PROBES = {
    "n": 25, "base_share": 0.44, "tuned_share": 0.4, "difference": -0.04, "low": -0.13, "high": 0.05, "only_base": 3,
    "only_tuned": 2, "p_value": 1.0, "base_right": 11, "tuned_right": 10,
}  # fmt: skip
PAIR = {"base": LEVEL, "tuned": LEVEL | {"count": 0, "low": 0.0, "high": 0.24}, "difference": -0.25, "low": None,
        "high": None, "p_value": None}  # fmt: skip


def rows(blocks: Any) -> list[Any]:
    """The rows of all tables, folded ones too."""
    found = []
    for block in blocks:
        found += list(block.rows) if isinstance(block, Table) else rows(block.blocks) if isinstance(block, Fold) else []
    return found


def text(blocks: Any) -> str:
    return " ".join(block.text for block in blocks if isinstance(block, Text))


def test_pass_rates_stand_with_their_intervals_and_how_many_changed_sides():
    told = passes({"pass_rates": RATES})
    assert rows(told) == [
        ("base", "3 of 12", "25%", "9% to 53%"), ("tuned", "9 of 12", "75%", "47% to 91%"),
        ("change", "", "+50%", "+10% to +90%"),
    ]  # fmt: skip
    assert "6 conversations pass with the tuned model alone and 0 with the base alone" in text(told)
    assert "p = 0.020 with personas as the unit (4)" in text(told) and "p = 0.031" in text(told)


def test_no_decided_pair_is_said_and_an_older_file_still_shows_its_rates():
    assert "No pair is decided" in text(passes({"pass_rates": RATES | {"n_pairs": 0}}))
    older = {"base_pass_rate": 0.1, "tuned_pass_rate": None, "n_pass_decided": 10}
    assert rows(passes(older)) == [("base", "10%", "-"), ("tuned", "-", "-")]


def test_the_judge_s_share_of_the_uncertainty_is_shown_only_where_it_was_measured():
    says = {"says": "no judge counts", "components": []}
    assert uncertainty({}) == [] and rows(uncertainty({"judge_variance": says})) == []
    parts = [{"source": "reruns", "variance": 0.004, "share_of_se2": 0.12, "negative": True}]
    judges = {"a": {"difference": 0.2, "n_pairs": 3, "n_samples": 2}}
    found = says | {"components": parts, "se": 0.044, "se_without_judge": 0.041, "n_values": 9, "n_pairs": 3}
    told = uncertainty({"judge_variance": found | {"n_personas": 3, "by_judge": judges}})
    assert rows(told) == [("reruns", "0.0040", "12%", "below 0")] and "0.044" in text(told) and "0.041" in text(told)


def test_a_safety_bound_over_the_margin_does_not_hold_and_says_how_many_more_people_it_takes():
    row = {"n_scored": 12, "unscored": 0, "n_applicable": 2, "base_failed": 1, "tuned_failed": 0}
    found = {"margin": 0.1, "confidence": 0.95, "says": "not shown", "pooled": GATE, "gates": {"harm_less": GATE}}
    compare = {"safety": {"harm_less": row | {"tuned_failed_share_high": 0.243}}, "safety_noninferiority": found}
    told = safety(compare, RUBRIC)
    assert rows(told)[1] == ("harm less", "12", "4", "1", "0", "-8%", "+3%", "-")
    assert "30 personas would show it: 26 more" in text(told) and "under the margin of 10%" in text(told)


def test_probes_are_shares_with_mcnemar_s_p_and_those_that_one_side_lost_can_be_read():
    lost = {"category": "facts", "ask": "2 + 2?", "base": "4", "tuned": "I hear you.", "right": "base"}
    found = {"titles": {"facts": "Facts"}, "categories": {"facts": PROBES | {"p_holm": 1.0}}, "overall": PROBES}
    told = abilities.capabilities({"capabilities": found | {"n_unscored": 1, "says": "a loss", "examples": [lost]}})
    cells = ("25", "44%", "40%", "-4%", "-13% to +5%", "3", "2", "1.000")
    assert rows(told) == [
        ("Facts", *cells, "1.000"), ("all", *cells, "-"), ("Facts", "2 + 2?", "4", "I hear you.", "base")
    ]  # fmt: skip
    assert "1 probe without a reply" in text(told)


def test_what_cannot_be_estimated_is_a_dash_and_a_missing_key_is_no_section():
    kinds = {"kinds": {"loop": PAIR}, "any": PAIR}
    found = {"kinds": {"loop": "goes round in circles"}, "transcripts": kinds, "examples": []}
    cells = ("3 of 12", "9% to 53%", "0 of 12", "0% to 24%", "-25%", "-", "-")
    assert rows(abilities.degenerate({"degenerate": found})) == [
        ("conversations", "goes round in circles", *cells), ("conversations", "any of these", *cells)
    ]  # fmt: skip
    for section in (abilities.degenerate, abilities.forgetting, abilities.lm_eval, abilities.readers):
        assert section({}) == []


def test_benchmarks_say_which_were_run_for_one_side_alone():
    task = {
        "task": "arc",
        "metric": "acc",
        "n": 50,
        "base": 0.31,
        "base_stderr": 0.065,
        "tuned": 0.3,
        "difference": -0.01,
    }
    told = abilities.lm_eval(
        {"lm_eval": {"tasks": [task | {"tuned_stderr": None}], "only_one_side": ["boolq"], "version": "0.4"}}
    )
    assert rows(told) == [("arc", "acc", "50", "0.310 (se 0.065)", "0.300", "-0.010")] and "boolq" in text(told)
    assert isinstance(told[0], Heading) and told[0].text == "Benchmarks (lm-eval 0.4)"
    unknown = task | {"tuned_stderr": None, "n": None}
    told = abilities.lm_eval({"lm_eval": {"tasks": [unknown], "only_one_side": [], "version": None}})
    assert rows(told)[0][2] == "-" and isinstance(told[0], Heading) and "None" not in told[0].text


def answered(**changed: Any) -> list[str]:
    compare = {
        "difference": 0.25, "base_score": 0.5, "tuned_score": 0.75, "difference_low": 0.1, "difference_high": 0.4,
        "p_value": 0.01, "confidence": 0.95, "n_pairs": 6, "n_personas": 3, "n_criteria_scored": 2,
        "n_criteria_total": 2, "n_gates_scored": 1, "n_gates_total": 1, "warnings": [], "safety": {},
        "criteria": {"is_short": {"n": 6}, "kind": {"n": 6}}, "agreement_of_tests": True,
    } | changed  # fmt: skip
    return [told for _, told in answers(compare, {}, RUBRIC, {})]


def test_better_is_claimed_only_where_both_tests_say_so():
    scope, scores = "2 of 2 criteria; 1 of 1 safety gates", "0.75 against the base's 0.50 on a scale of 0 to 1"
    assert answered()[0] == f"Yes, on what was scored ({scope}): {scores}."
    assert answered(agreement_of_tests=False)[0].startswith("That is not established")
    assert answered(p_value=0.06)[0].startswith("That is not established")
    assert answered(difference=-0.25)[0].startswith("No, it is worse")


def test_a_small_p_that_the_sign_flips_do_not_confirm_is_not_told_as_chance_s_doing_nor_as_sure():
    told = answered(agreement_of_tests=False)[1]
    assert "p = 0.010" in told and "which sign flips by person do not confirm" in told and "chance" not in told


def test_what_surely_got_worse_and_is_not_in_the_decision_is_said_before_the_numbers():
    side = {"base": LEVEL, "tuned": LEVEL | {"share": 0.75}}
    worse = {"transcripts": {"any": side | {"low": 0.1, "high": 0.9}}}
    lost = {"verdict": "abilities lost", "says": "base gets 90 of 150 probes right, tuned 60"}
    told = abilities.unweighed(
        {"capabilities": lost, "degenerate": worse, "log_ratio_low": 0.01, "log_ratio_high": 0.2}
    )
    assert len(told) == 3 and told[0] == f"The decision does not weigh this: {lost['says']}."
    assert "75%, the base's 25%" in told[1] and "less likely" in told[2]
    unsure = {"transcripts": {"any": side | {"low": -0.1, "high": 0.9}}}
    open_ = {"capabilities": {"verdict": "loss not excluded"}, "degenerate": unsure, "log_ratio_low": -0.1}
    assert abilities.unweighed(open_ | {"log_ratio_high": 0.2}) == abilities.unweighed({}) == []


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [(-0.3, -0.1, "below zero"), (-0.1, 0.1, "no sure change"), (0.1, 0.3, "above zero: the tuned model finds"),
     (None, None, "no interval"), (0.1, 0.1, "shows nothing")],
)  # fmt: skip
def test_the_perplexity_s_sentence_says_which_side_of_zero_the_interval_lies_on(low, high, told):
    assert told in text(abilities.perplexity({"log_ratio_low": low, "log_ratio_high": high}))


def test_a_suspicious_change_and_one_that_allows_no_test_are_said_in_the_second_sentence():
    assert "and which is suspiciously large" in answered(warnings=["suspicious: a difference of +0.40"])[1]
    assert "6 pairs of conversations with 3 people allow no test" in answered(p_value=None)[1]


def test_where_nothing_was_scored_that_is_said_once():
    nothing = {"difference": None, "safety": {}}
    assert plain_answer(nothing, {}, RUBRIC, {}).count("No conversation was scored") == 1


def test_the_file_that_was_evaluated_is_told_with_how_far_it_is_from_the_weights():
    found = {"top1": 0.9812, "positions": 3121, "logprob_difference": 0.0123}
    facts = {"quantization": "q8_0", "asked": "q4_k_m", "fallback_tensors": 2, "agreement": found}
    compare = {"coverage": None, "n_personas": 3, "n_pairs": 6, "naive_p": 0.04}
    [bullets] = [b for b in limits(compare, [], [], {}, {"tuned": facts}) if isinstance(b, Bullets)]
    assert bullets.items[1] == (
        "The tuned model was evaluated as a GGUF file in q8_0 (q4_k_m was asked for) (2 matrices in a wider format); "
        "its likeliest next token is that of the weights before conversion at 98% of 3,121 positions (log "
        "probabilities 0.012 apart)."
    )


def test_probes_that_nobody_answered_and_no_reply_at_all_are_said_or_left_out():
    none = {"n_probes": 0, "n_unscored": 9, "verdict": None, "says": "no probe was answered by both models"}
    assert text(abilities.capabilities({"capabilities": none})) == "No probe was answered by both models."
    empty = {"kinds": {}, "transcripts": {"n_replies": 0, "kinds": {}, "any": None}, "examples": []}
    assert abilities.degenerate({"degenerate": empty}) == []
