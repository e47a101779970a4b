"""Modelfiles for Ollama: turns found by rendering, a text that reads back, and one that would not load refused."""

from __future__ import annotations

from types import SimpleNamespace

import jinja2
import pytest

from tests.model_fixtures import make_example
from tunewright.chat_tokenizer import ChatTokenizer
from tunewright.errors import ConfigError
from tunewright.modelfile import ModelfileRules, Turns, modelfile, turns_of
from tunewright.modelfile_reading import fault_of, instructions, read_modelfile, template_fault
from tunewright.turn_wrapping import Wrapping, renders_as, wrapping_of

RULES = ModelfileRules(
    temperature=0.7, num_predict=None, num_ctx=131072, top_k=40, top_p=0.95, min_p=None, repeat_penalty=1.0
)
TALK = make_example(1, "Hi there", "Yes?", "Well").messages  # system, user, assistant, user
CHATML = (
    "{% for m in messages %}{{ '<s>' + m.role + '\n' + m.content + '<e>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<s>assistant\n' }}{% endif %}"
)
GEMMA = (  # the system's words stand in the first turn of the user
    "{% set first = '' %}{% if messages[0].role == 'system' %}{% set first = messages[0].content + '\n\n' %}"
    "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}<turn>{{ m.role }}\n"
    "{% if loop.first %}{{ first }}{% endif %}{{ m.content }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn>assistant\n{% endif %}"
)
LAST = (  # the system's words stand before the last message, wherever that is
    "{% for m in messages %}{% if m.role != 'system' %}{% if loop.last %}{{ messages[0].content }}{% endif %}"
    "[{{ m.content }}]{% endif %}{% endfor %}"
)


class Backend:
    """As much of a tokenizer as rendering needs: each character a token, `<e>` a control token."""

    bos_token, bos_token_id, eos_token, added_tokens_decoder = None, None, "<e>", {}

    def __init__(self, template):
        self.template = jinja2.Environment(keep_trailing_newline=True).from_string(template)

    def apply_chat_template(self, messages, tokenize, add_generation_prompt):
        return self.template.render(messages=messages, add_generation_prompt=add_generation_prompt)

    def __call__(self, text, **_):
        return {"input_ids": [ord(c) for c in text]}


def tokenizer(template):
    return ChatTokenizer(Backend(template))


def test_the_fixed_text_around_turns_is_found_and_gives_the_same_prompts():
    found = wrapping_of(tokenizer(CHATML))
    assert found == Wrapping(
        system=("<s>system\n", "<e>\n"),
        first_user="<s>user\n",
        user_after_system="<s>user\n",
        user=("<s>user\n", "<e>\n"),
        assistant=("<s>assistant\n", "<e>\n"),
    )
    for talk in (TALK, TALK[1:], TALK[:2]):
        assert renders_as(found, tokenizer(CHATML), talk)
    assert found.go_template() == (
        '{{ range $i, $m := .Messages }}{{ if eq $m.Role "system" }}<s>system\n{{ $m.Content }}<e>\n'
        '{{ else if eq $m.Role "user" }}<s>user\n{{ $m.Content }}<e>\n'
        '{{ else if eq $m.Role "assistant" }}<s>assistant\n{{ $m.Content }}<e>\n{{ end }}{{ end }}<s>assistant\n'
    )


def test_a_system_message_inside_the_first_turn_is_followed_by_the_user_s_words_without_a_turn_of_their_own():
    found = wrapping_of(tokenizer(GEMMA))
    assert (found.system, found.user_after_system) == (("<turn>user\n", ""), "\n\n")
    assert all(renders_as(found, tokenizer(GEMMA), talk) for talk in (TALK, TALK[1:]))
    assert "{{ if eq $i 0 }}<turn>user\n{{ else if and (eq $i 1) $.System }}\n\n{{ else }}<turn>user\n{{ end }}" in (
        found.go_template()
    )


def test_no_template_is_written_for_a_model_whose_turns_are_no_fixed_text():
    turns = turns_of(tokenizer(LAST), [TALK])
    assert (turns.wrapping, turns.checked) == (None, 0)
    text = modelfile("m.gguf", "Be brief.", turns, RULES)
    assert "\nTEMPLATE" not in text and "# no TEMPLATE" in text


def test_of_the_shipped_model_s_template_whole_conversations_come_out_and_control_tokens_stop_it(chat):
    turns = turns_of(chat, [TALK, TALK[1:]])
    assert turns.checked == 2
    assert turns.stop == ("<|im_end|>", "<|im_start|>")
    assert "named SmolLM" in turns.wrapping.first_user  # its default system prompt, where there is none


def written(folder, **rest):
    wrapping = wrapping_of(tokenizer(CHATML))
    for name in ("m.gguf", "a.gguf"):
        (folder / name).write_bytes(b"GGUF and more")
    path = folder / "Modelfile"
    given = {"source": "m.gguf", "system": 'Say "so".\n\nThen stop.', "adapter": "a.gguf", "about": "made here"} | rest
    path.write_text(modelfile(turns=Turns(wrapping, 1, ("<e>", "<s>")), rules=RULES, **given))
    return path


def test_what_is_written_reads_back_word_for_word(tmp_path):
    found = read_modelfile(written(tmp_path))
    by_name = {one.name: one.value for one in found}
    assert by_name["SYSTEM"] == 'Say "so".\n\nThen stop.'
    assert by_name["TEMPLATE"] == wrapping_of(tokenizer(CHATML)).go_template()
    assert (by_name["FROM"], by_name["ADAPTER"]) == ("./m.gguf", "./a.gguf")
    assert [one.parts for one in found if one.name == "PARAMETER"] == [
        ("stop", "<e>"), ("stop", "<s>"), ("temperature", "0.7"), ("num_ctx", "131072"), ("top_k", "40"),
        ("top_p", "0.95"), ("repeat_penalty", "1.0"),
    ]  # fmt: skip


@pytest.mark.parametrize("system", ['It says """ here', "A \u200b space"])
def test_a_system_prompt_that_no_modelfile_can_hold_is_refused(tmp_path, system):
    with pytest.raises(ConfigError, match=r"system\.md"):
        written(tmp_path, system=system)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("FROM ./m.gguf", "# nothing", "found 0 FROM"),
        ("FROM ./m.gguf", "FROM ./m.gguf\nFROM ./m.gguf", "found 2 FROM"),
        ("FROM ./m.gguf", "FROM ./x.gguf", "line 2: .*no such file"),
        ("FROM ./m.gguf", "FROM ./Modelfile", "which is no GGUF file"),
        ("FROM ./m.gguf", "FORM ./m.gguf", "line 2: found 'FORM ./m.gguf'"),
        ("temperature 0.7", "temperature warm", "temperature: found 'warm', expected a number"),
        ("num_ctx 131072", "num_ctx 4096.0", "num_ctx: found '4096.0', expected a whole number"),
        ("top_k 40", "topk 40", "unknown parameter 'topk'"),
        ('Then stop."""', "Then stop.", "value of SYSTEM that does not end"),
        ("{{ end }}{{ end }}", "{{ end }}", "leaves 1 blocks"),
    ],
)
def test_a_modelfile_that_would_not_load_is_refused_with_its_line(tmp_path, old, new, told):
    path = written(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=told):
        read_modelfile(path)


def test_templates_without_a_conversation_or_with_loose_braces_are_named():
    assert "neither .Messages nor .Prompt" in template_fault("Hello")
    assert "open or close nothing" in template_fault("{{ .Prompt }} }}")
    assert "too many" in template_fault("{{ .Prompt }}{{ end }}")
    assert template_fault("{{ if .System }}{{ .System }}{{ end }}{{ .Prompt }}") == ""


def test_messages_have_a_role_and_every_instruction_a_value(tmp_path):
    (found,) = instructions('MESSAGE robot "Hi"', "x")
    assert "the role 'robot'" in fault_of(found, tmp_path)
    assert "without a value" in fault_of(SimpleNamespace(name="SYSTEM", value=" ", line=1), tmp_path)  # type: ignore[arg-type]
