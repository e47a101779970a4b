"""Do two models go on alike: shares and differences by hand, and a file that is too unlike refused."""

from __future__ import annotations

import math

import pytest

from tunewright.continuations import AgreementRules, Step, compare, refuse_unlike, served_answer, served_steps
from tunewright.errors import TrainingError
from tunewright.serving import Endpoint

RULES = AgreementRules(conversations=2, tokens=3, likeliest=2, tie_nats=0.25, good_min=0.5)
OURS = [[Step({7: -0.5, 8: -0.6}), Step({1: -0.1, 2: -3.0})], [Step({5: -1.0, 6: -1.5})]]
THEIRS = [[Step({8: -0.5, 7: -0.7}), Step({1: -0.2, 2: -2.5, 9: -4.0})], [Step({4: -0.9, 5: -1.3})]]


def test_shares_and_differences_are_those_worked_out_by_hand() -> None:
    found = compare(OURS, THEIRS, 0.25)
    assert (found.conversations, found.positions) == (2, 3)
    assert found.top1 == pytest.approx(1 / 3)  # 7 and 8 differ, 1 is 1, 5 is not 4
    assert found.good == pytest.approx(2 / 3)  # 8 lies 0.1 nats behind 7; 4 is not among ours at all
    assert found.greedy_equal == 0
    assert found.logprob_difference == pytest.approx((0.2 + 0.1 + 0.1 + 0.5 + 0.3) / 5)
    assert found.largest_difference == pytest.approx(0.5)
    assert found.unlisted == 1  # 6


def test_equal_answers_agree_wholly() -> None:
    found = compare(OURS, OURS, 0.0)
    assert (found.top1, found.good, found.greedy_equal, found.logprob_difference) == (1.0, 1.0, 2, 0.0)


def test_of_two_equally_likely_tokens_the_lower_one_is_said_and_an_unlisted_one_is_infinitely_behind() -> None:
    assert Step({9: -1.0, 3: -1.0}).token == 3
    assert Step({3: -1.0}).lag(4) == math.inf


def test_a_file_that_goes_on_otherwise_is_refused_with_what_to_do() -> None:
    found = compare(OURS, THEIRS, 0.25)
    refuse_unlike(found, RULES, "a.gguf", "the weights")
    strict = RULES.model_copy(update={"good_min": 0.7})
    with pytest.raises(TrainingError, match=r"a.gguf: at 67% of 3 positions .* at least 70% .*quantization"):
        refuse_unlike(found, strict, "a.gguf", "the weights")


def test_a_server_is_asked_after_the_reference_s_own_words(monkeypatch) -> None:
    prompts = []

    def post(endpoint, path, body):
        prompts.append((body["prompt"], body["n_probs"]))
        listed = [{"id": len(body["prompt"]), "logprob": -0.5}, {"id": 0, "logprob": -2.0}]
        return {"completion_probabilities": [{"top_logprobs": listed}]}

    monkeypatch.setattr("tunewright.continuations.post", post)
    endpoint = Endpoint("http://127.0.0.1:1/v1", "k")
    steps = served_steps(endpoint, [40, 41], OURS[0], 2)
    assert prompts == [([40, 41], 16), ([40, 41, 7], 16)]
    assert [step.token for step in steps] == [2, 3]
    said = served_answer(endpoint, [40], 5, 2, end=2)
    assert [step.token for step in said] == [1, 2]  # 2 ends it
