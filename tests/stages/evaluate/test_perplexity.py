"""evaluate-perplexity: held-out perplexity, token-weighted, paired, clustered on persona."""

from __future__ import annotations

import math
import shutil

import pytest

from stages.evaluate import perplexity
from tests.model_fixtures import make_example, metrics
from tunewright.chat_labels import label_example
from tunewright.likelihood import Likelihood, batches, likelihoods, pooled_loss
from tunewright.records import read_json


def test_the_pooled_loss_weighs_tokens_and_not_conversations() -> None:
    assert pooled_loss([Likelihood("a", 3.0, 1), Likelihood("b", 9.0, 9)]) == pytest.approx(
        1.2
    )  # 12 / 10, not (3 + 1) / 2


def test_perplexities_and_the_paired_interval_by_hand() -> None:
    base = [Likelihood("a", 20.0, 10), Likelihood("b", 30.0, 10)]
    tuned = [Likelihood("a", 10.0, 10), Likelihood("b", 10.0, 10)]
    found = perplexity.compare(base, tuned, ["p", "q"], 0.95)
    assert found["base_perplexity"] == pytest.approx(math.exp(2.5))
    assert found["tuned_perplexity"] == pytest.approx(math.e)
    assert found["relative_change"] == pytest.approx(math.exp(-1.5) - 1)
    assert found["log_ratio_mean"] == pytest.approx(-1.5)  # of -1 and -2
    # C = n = 2: SE = sqrt(2 * (0.25 + 0.25)) / 2 = 0.5, and t(0.975, 1 df) = 12.7062
    assert found["log_ratio_high"] - found["log_ratio_mean"] == pytest.approx(0.5 * 12.7062, rel=1e-4)
    assert found["p_value"] == pytest.approx(0.2048, abs=1e-4)  # t = -3 with 1 df: 1 - 2 atan(3) / pi
    assert (found["n_worse"], found["n_better"]) == (0, 2)


def test_each_conversation_has_a_row_with_both_perplexities() -> None:
    rows = perplexity.by_conversation(
        [Likelihood("e1", 20.0, 10)], [Likelihood("e1", 10.0, 10)], [make_example(1, "Hi", "Yes.")]
    )
    assert rows == [{"id": "t1", "persona": "p1", "n_tokens": 10, "base": math.exp(2), "tuned": math.e}]


def test_one_person_gives_no_interval() -> None:
    one = [Likelihood("a", 20.0, 10)]
    found = perplexity.compare(one, one, ["p"], 0.95)
    assert found["log_ratio_low"] is found["p_value"] is None


def test_only_the_longest_slice_of_a_conversation_counts() -> None:
    short, long = make_example(1, "Hi", "Yes."), make_example(1, "Hi", "Yes.", "And?", "No.")
    other = make_example(0, "Hi", "Yes.")
    assert perplexity.longest_per_transcript([short, long, other]) == [other, long]


def test_likelihoods_do_not_depend_on_the_batch_and_equal_a_plain_forward(tiny_base, chat) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(tiny_base), dtype=torch.float32)
    replies = ("Yes.", "A longer reply than that one.", "No")
    examples = [label_example(make_example(i, "Hi", reply), chat, 99) for i, reply in enumerate(replies)]
    alone, together = likelihoods(model, examples, 1), likelihoods(model, examples, 3)
    for one, many, example in zip(alone, together, examples, strict=True):
        ids, labels = torch.tensor([example.input_ids]), torch.tensor([example.labels])
        expected = model(input_ids=ids, labels=labels).loss.item()
        assert one.mean == pytest.approx(expected, rel=1e-4)
        assert many.nll == pytest.approx(one.nll, rel=1e-4)
        assert one.n_tokens == example.n_supervised
    assert [len(batch) for batch in batches(examples, 2)] == [2, 1]


def test_equal_models_have_equal_perplexity(project) -> None:
    shutil.copytree("models/base", "models/merged")
    perplexity.main()
    found = read_json("data/evaluate/perplexity.json")
    assert (found["n_conversations"], found["n_personas"], found["relative_change"]) == (3, 3, 0.0)
    assert (found["n_worse"], found["n_better"], found["p_value"]) == (0, 0, None)
    assert [row["id"] for row in found["conversations"]] == ["t0", "t1", "t2"]
    assert found["base_perplexity"] == pytest.approx(49152, rel=0.2)  # a random model is near uniform
    assert metrics(project, "evaluate-perplexity") == {
        key: found[key] for key in ("base_perplexity", "tuned_perplexity", "relative_change")
    }
