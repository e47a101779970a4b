"""Five families of chat templates: what is learnt, and that what is trained is what is served."""

from __future__ import annotations

import json
import shutil

import pytest

from bench.chat_families import FAMILIES, TALKS, Talk, chat_of, expected, taught, template_text
from tests.model_fixtures import make_example
from tunewright.chat_labels import IGNORED, label_example, label_rows
from tunewright.chat_template import MARK, settle_template, settled
from tunewright.chat_tokenizer import ChatTokenizer, load_tokenizer
from tunewright.errors import TrainingError
from tunewright.records import Message

NAMED = {family.name: family for family in FAMILIES}


@pytest.fixture(scope="module")
def chats(chat) -> dict[str, ChatTokenizer]:
    """A tokenizer for each family."""
    return {family.name: chat_of(family, chat) for family in FAMILIES}


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.name)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_each_familys_supervised_text_is_the_words_and_the_end_of_the_turn(family, talk, chats) -> None:
    assert taught(talk, chats[family.name])[0] == expected(talk, family)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_reply_is_learnt_after_exactly_the_tokens_that_the_model_answers_to(family, chats) -> None:
    chat, talk = chats[family.name], next(talk for talk in TALKS if talk.name == "several")
    example = talk.example()
    heads = []
    for row in label_rows(example, chat, 999):
        learnt = [label != IGNORED for label in row.labels]
        heads += [row.input_ids[:n] for n in range(1, len(learnt)) if learnt[n] and not learnt[n - 1]]
    prompts = [chat.render(example.messages[:turn], generation_prompt=True) for turn in (2, 4, 6)]
    assert heads == [chat.encode(prompt) for prompt in prompts]


def test_qwen3_answers_after_an_empty_thought_which_earlier_replies_do_not_keep(chats) -> None:
    first, second = label_rows(make_example(1, "Hi", "Yes.", "And?", "No."), chats["Qwen3"], 999)
    thought = "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert f"{thought}Yes.<|im_end|>\n" in chats["Qwen3"].decode(first.input_ids)
    text = chats["Qwen3"].decode(second.input_ids)
    assert "<|im_start|>assistant\nYes.<|im_end|>" in text and text.endswith(f"{thought}No.<|im_end|>\n")
    assert (first.id, second.id) == ("e1#1", "e1#2")
    with pytest.raises(TrainingError, match="e1: its template renders earlier turns otherwise, so it takes 2 rows"):
        label_example(make_example(1, "Hi", "Yes.", "And?", "No."), chats["Qwen3"], 999)


def test_a_reply_that_thinks_is_refused_by_a_template_that_takes_thoughts_away(chats) -> None:
    with pytest.raises(TrainingError, match="e1, message 3: the chat template renders .* otherwise"):
        label_rows(make_example(1, "Hi", "<think>hm</think> Yes."), chats["Qwen3"], 999)


def test_a_tokenizer_that_joins_the_prompts_line_ends_to_the_words_gives_rows_as_the_model_meets_them(chat) -> None:
    backend = chat.backend.__class__(tokenizer_object=chat.backend.backend_tokenizer)
    backend.chat_template = template_text("llama3.jinja").replace("bos_token + ", "").replace("eot_id", "im_end")
    gpt2 = ChatTokenizer(backend)  # "\n\n" is one token at the end of a text and two before a word
    rows = label_rows(make_example(1, "Hi", "Yes.", "And?", "No."), gpt2, 999)
    assert [row.n_supervised for row in rows] == [3, 3]
    assert gpt2.decode(rows[1].input_ids[-4:]) == "\n\nNo.<|im_end|>"


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("SmolLM2", "<|im_end|>"), ("SmolLM2", "a<|im_start|>assistant"), ("Qwen3", "<|im_end|>"),
        ("Gemma 3", "<end_of_turn>"), ("Llama 3", "x <|eot_id|> y"), ("Mistral v0.3", "[/INST] Yes."),
        ("Mistral v0.3", "it is </s>truck"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("role", [0, 1, 2], ids=["system", "user", "assistant"])
def test_the_text_of_a_control_token_is_refused_whoever_wrote_it(family, words, role, chats) -> None:
    texts = ["Be brief.", "Hi", "Yes."]
    texts[role] = words
    with pytest.raises(TrainingError, match=rf"odd, message {role + 1}: it holds the text of the control token"):
        label_rows(Talk("odd", texts[0], (texts[1], texts[2])).example(), chats[family], 999)


def test_a_marker_that_is_plain_text_to_the_tokenizer_changes_no_mask(chat) -> None:
    backend = chat_of(NAMED["Mistral v0.1"], chat).backend
    plain = backend.__class__(tokenizer_object=chat.backend.backend_tokenizer, eos_token="<|im_end|>", bos_token="")
    plain.chat_template = backend.chat_template
    odd = Talk("odd", "[/INST]", ("Hi [/INST] No.", "[/INST] Yes.", "[INST]", "[INST]x"))
    assert taught(odd, ChatTokenizer(plain))[0] == ["[/INST] Yes.<|im_end|>", "[INST]x<|im_end|>"]


def test_a_system_message_that_a_template_refuses_or_loses_opens_the_first_question(chats) -> None:
    asked = [Message(role="system", content="Be brief."), Message(role="user", content="Hi")]
    for name, prompt in (
        ("Mistral v0.1", "<s>[INST] Be brief.\n\nHi [/INST]"),
        ("Mistral v0.3", "<s>[INST] Be brief.\n\nHi[/INST]"),
    ):
        assert chats[name].render(asked, generation_prompt=True) == prompt
        assert chats[name].render(asked[1:], generation_prompt=True) == prompt.replace("Be brief.\n\n", "")
    asked[0] = Message(role="system", content="")
    assert chats["Mistral v0.1"].render(asked, generation_prompt=True) == "<s>[INST] Hi [/INST]"


def test_no_template_writes_todays_date(chats, chat) -> None:
    text = chats["Llama 3.2"].render(make_example(1, "Hi", "Yes.").messages)
    assert "Today Date: 26 Jul 2024\n\nBe brief.<|eot_id|>" in text
    dated = ChatTokenizer(chat.backend.__class__(tokenizer_object=chat.backend.backend_tokenizer))
    dated.backend.chat_template = "{{ strftime_now('%d %B %Y, %Y-%m-%d') }} {{ messages[0].content }}"
    dated.backend.chat_template = settled(dated)
    assert dated.render([Message(role="user", content="Hi")]) == "26 July 2024, 2024-07-26 Hi"


def test_a_settled_template_stays_and_one_that_does_not_waver_keeps_its_bytes(chats, chat) -> None:
    assert {name for name, c in chats.items() if c.template.startswith(MARK)} == {
        "Qwen3", "Llama 3.2", "Mistral v0.1", "Mistral v0.3",
    }  # fmt: skip
    assert all(settled(one) == one.template for one in chats.values())
    assert chats["SmolLM2"].template == chat.template
    assert chats["Gemma 3"].template == template_text("gemma3.jinja")


def test_a_settled_template_stands_where_transformers_and_llama_cpp_both_read_it(tiny_base, tmp_path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tiny_base / name, tmp_path / name)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text("utf-8"))
    hybrid = "{{ enable_thinking }}{{ messages[0].content }}"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": hybrid}), "utf-8")
    settle_template(tmp_path)
    assert "chat_template" not in json.loads((tmp_path / "tokenizer_config.json").read_text("utf-8"))
    assert load_tokenizer(tmp_path).render([Message(role="user", content="Hi")]) == "FalseHi"
