"""train-export: a GGUF that answers, and reads conversations as training did."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from stages.train import export
from tests.conftest import persona, transcript
from tests.model_fixtures import ROOT, make_example, metrics
from tunewright.config import Domain
from tunewright.errors import ConfigError, TrainingError
from tunewright.export_checks import conversations, pick
from tunewright.gguf_export import check_parity, check_stored_template, check_template, convert, first_difference
from tunewright.records import read_json
from tunewright.serving import serve


def test_the_first_difference_of_two_token_lists_is_found() -> None:
    assert first_difference([1, 2, 3], [1, 9, 3]) == 1
    assert first_difference([1, 2], [1, 2, 3]) == 2
    assert first_difference([1, 2], [1, 2]) is None


def test_a_template_with_a_generation_block_is_refused(tmp_path) -> None:
    check_template("{% if add_generation_prompt %}x{% endif %}", tmp_path)
    for block in ("{% generation %}", "{%- generation -%}"):
        with pytest.raises(TrainingError, match="generation"):
            check_template(f"a{block}b", tmp_path)


def test_an_unknown_variant_is_refused() -> None:
    assert export.variant_of(["tuned"]) == "tuned"
    with pytest.raises(ConfigError, match="found merged"):
        export.variant_of(["merged"])


def test_the_choice_of_conversations_does_not_depend_on_their_order() -> None:
    examples = [make_example(i, "Hi", "Yes.") for i in range(9)]
    assert pick(examples, 4) == pick(examples[::-1], 4)
    assert len(pick(examples, 4)) == 4
    assert len(pick(examples, 99)) == 9


def test_a_domain_without_authored_conversations_is_compared_on_its_calibration_examples(workspace) -> None:
    domain = Domain.model_validate(workspace.params["domain"])
    talk = {"exchanges": [{"user": "Hi", "assistant": "Yes?"}], "label": "pass", "reason": "It is as it is."}
    Path(domain.calibration).write_text(yaml.safe_dump({"examples": {"a": [talk], "b": [talk]}, "worked": []}))
    workspace.write_authored([], [])
    (found,) = conversations(domain)  # one conversation, though two criteria use it
    assert found.id == "example-1" and [m.role for m in found.messages] == ["system", "user", "assistant"]
    workspace.write_authored([persona()], [transcript("t1", n=2)])
    assert [(e.id, len(e.messages)) for e in conversations(domain)] == [("t1", 5)]


@pytest.mark.slow
def test_the_exported_model_tokenizes_conversations_as_transformers_does(project, chat) -> None:
    convert(project / "models/base", project / "tiny.gguf", "q8_0")
    endpoint = serve(project / "tiny.gguf", slots=1, context_tokens_per_slot=512, threads=2)
    messages = make_example(1, "At 3:45 I'd\n\n1. naïve 😀", "Ok.", "  And?").messages
    check_parity("e1", messages, chat, endpoint)
    chat.backend.chat_template, kept = chat.template.replace("<|im_start|>", "<|im_start|> "), chat.template
    try:
        with pytest.raises(TrainingError, match=r"e1: .* from token \d+"):
            check_parity("e1", messages, chat, endpoint)
    finally:
        chat.backend.chat_template = kept


def of_random_weights(project: Path) -> None:
    """Params in which random weights pass: near ties everywhere, so that 16 bits and no bound on agreement."""
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["train"]["export"]["agreement"]["good_min"] = 0.0
    params["train"]["export"]["quantization"] = "f16"
    (project / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.mark.slow
def test_a_model_that_says_nothing_is_not_exported_in_silence(project, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["export", "base"])
    for path in ("data/authored", "prompts", "conf/domain"):
        shutil.copytree(ROOT / path, project / path)
    monkeypatch.setattr(export, "answer", lambda *_: "An answer.")  # the tiny model is random
    of_random_weights(project)
    export.main()
    found = metrics(project, "train-export/base")
    assert (found["parity_checked"], found["parity_equal"]) == (20, 20)
    assert found["bytes"] == (project / "models/gguf/base.gguf").stat().st_size
    facts = read_json("data/train/export/base.json")
    assert (facts["asked"], facts["quantization"], facts["told"]) == ("f16", "f16", "")
    assert facts["agreement"]["positions"] == 48 and facts["agreement"]["top1"] > 0.9
    assert facts["modelfile"] == {"file": "base.Modelfile", "instructions": 12, "template_equal": 20}
    with pytest.raises(TrainingError, match="found another chat template, expected that of .* from character 0"):
        check_stored_template(project / "models/gguf/base.gguf", project / "models/base", "x")
    monkeypatch.undo()
    from tunewright import gguf_export

    monkeypatch.setattr(gguf_export, "post", lambda *_: {"choices": [{"message": {"content": " \n"}}]})
    with pytest.raises(TrainingError, match="answers nothing"):
        gguf_export.answer(None, "Hello?", 5)  # type: ignore[arg-type]
