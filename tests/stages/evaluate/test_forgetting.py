"""evaluate-forgetting: the base's own replies under both models, KL over the whole vocabulary, by hand and by torch."""

from __future__ import annotations

import math
import shutil

import pytest

from stages.evaluate import forgetting as stage
from tests.conftest import ROOT
from tests.model_fixtures import make_example, metrics
from tunewright.chat_labels import label_example
from tunewright.divergence import Divergence, divergences, read_states
from tunewright.errors import MissingInputError, TrainingError
from tunewright.probes import Answered, load_probes
from tunewright.records import read_json, write_jsonl


def answered(probe, category="facts", reply="Paris.", end="stop"):
    return Answered(
        probe=probe, category=category, ask="?", reply=reply, finish_reason=end, passed=True, fault=None
    )  # fmt: skip


def config(**rest):
    fields = {"categories": ["chat", "facts"], "replies": 9, "batch_size": 2, "max_tokens": 200, "confidence": 0.95}
    return stage.Config.model_validate(fields | {"seed": 1} | rest)


@pytest.fixture(scope="module")
def models(tiny_base):
    """The tiny base, and the same with every weight of its first layer moved a little."""
    import torch
    from transformers import AutoModelForCausalLM

    pair = [AutoModelForCausalLM.from_pretrained(str(tiny_base), dtype=torch.float32) for _ in range(2)]
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in pair[1].model.layers[0].parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return pair


def test_divergences_equal_torchs_own_whatever_the_batch(models, chat):
    import torch

    replies = ("Yes.", "A longer reply than that one.")
    examples = [label_example(make_example(i, "Hi", reply), chat, 99) for i, reply in enumerate(replies)]
    found = divergences(*(read_states(model, examples, 2) for model in models))
    for one, example in zip(found, examples, strict=True):
        ids, labels = torch.tensor([example.input_ids]), torch.tensor(example.labels[1:])
        keep = labels != -100
        with torch.no_grad():
            p, q = (model(input_ids=ids).logits[0, :-1][keep].log_softmax(-1) for model in models)
        expected = torch.nn.functional.kl_div(q, p, reduction="sum", log_target=True).item()
        assert one.kl == pytest.approx(expected, rel=1e-3) and one.kl > 0
        assert one.tuned_nll == pytest.approx(-q.gather(1, labels[keep][:, None]).sum().item(), rel=1e-4)
        assert one.n_agree == int((p.argmax(-1) == q.argmax(-1)).sum())
        assert one.n_tokens == example.n_supervised


def test_a_model_does_not_diverge_from_itself(models, chat):
    examples = [label_example(make_example(0, "Hi", "Yes."), chat, 99)]
    (found,) = divergences(*(read_states(models[0], examples, 1) for _ in range(2)))
    assert (found.kl, found.n_agree) == (pytest.approx(0, abs=1e-6), found.n_tokens)
    assert found.base_nll == found.tuned_nll


def test_the_numbers_by_hand():
    """KL a token: 0.1 and 0.3 by reply, (1 + 9) / 40 over tokens. NLL a token from 0.5 to 1: perplexity e^0.5 to e."""
    found = [Divergence("a", 10, 1.0, 5.0, 10.0, 10), Divergence("b", 30, 9.0, 15.0, 30.0, 15)]
    numbers = stage.numbers(found, {"a": "chat", "b": "facts"}, 0.95)
    assert (numbers["kl"], numbers["kl_mean"], numbers["agreement"]) == pytest.approx((0.25, 0.2, 0.625))
    assert numbers["relative_change"] == pytest.approx(math.exp(0.5) - 1)
    assert numbers["nll_change_mean"] == pytest.approx(0.5)
    # two replies: SE = 0.1414 / sqrt(2) = 0.1, t(0.975, 1 df) = 12.7062
    assert numbers["kl_high"] == pytest.approx(0.2 + 0.1 * 12.7062, rel=1e-4)
    assert numbers["by_category"]["facts"]["kl"] == pytest.approx(0.3)
    assert [row["id"] for row in numbers["most_changed"]] == ["b", "a"]


def test_replies_are_drawn_from_the_categories_and_empty_ones_are_left_out():
    answers = [answered(f"f{n}") for n in range(4)] + [answered("x", "format"), answered("e", reply=" ")]
    picked, left_out = stage.chosen_replies(answers, config(replies=3))
    assert len(picked) == 3 and left_out == 1 and all(one.category == "facts" for one in picked)
    assert [one.probe for one in picked] == sorted(one.probe for one in picked)


def test_a_reply_that_was_cut_off_has_no_end_of_turn_to_predict(chat):
    probe = load_probes(ROOT / "data/probes")["facts"].probes[0]
    whole, cut = (stage.labelled_reply(answered(probe.id, end=end), probe, chat, 200) for end in ("stop", "length"))
    assert whole.n_supervised == cut.n_supervised + 1
    assert chat.decode([label for label in whole.labels if label != -100]) == "Paris.<|im_end|>"
    assert chat.decode([label for label in cut.labels if label != -100]) == "Paris."


def test_equal_models_forget_nothing(project):
    shutil.copytree("models/base", "models/merged")
    shutil.copytree(ROOT / "data/probes", "data/probes")
    write_jsonl("data/evaluate/capabilities/base.jsonl", [answered("facts-france"), answered("facts-japan")])
    stage.main()
    found = read_json("data/evaluate/forgetting.json")
    assert (found["kl"], found["relative_change"], found["agreement"], found["n_replies"]) == (0.0, 0.0, 1.0, 2)
    assert found["categories"] == ["chat", "facts"] and found["left_out"] == 0
    assert metrics(project, "evaluate-forgetting")["kl"] == 0.0


def test_too_few_replies_and_a_missing_model_are_told_with_what_to_do(project):
    shutil.copytree(ROOT / "data/probes", "data/probes")
    write_jsonl("data/evaluate/capabilities/base.jsonl", [answered("facts-france")])
    with pytest.raises(TrainingError, match="1 replies of chat, facts, at least 2 are needed"):
        stage.main()
    write_jsonl("data/evaluate/capabilities/base.jsonl", [answered("facts-france"), answered("facts-japan")])
    with pytest.raises(MissingInputError, match="models/merged: no such directory"):
        stage.main()
