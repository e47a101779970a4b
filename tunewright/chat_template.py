"""The chat template that a base model is trained, exported and served with: its publisher's, settled where it wavers.

A template may render one conversation in several ways: with today's date (Llama 3.2; llama.cpp gives its date to Llama
3.1 as well), with or without room for a thought (Qwen3), not at all when there is a system message (Gemma 2, Mistral
v0.1; llama.cpp then joins it to the question in a manner of its own), or without that message once a reply ends the
conversation (Mistral v0.3, which else moves it to the newest question). What is trained must be what is served. So
`train-base` settles these in a few Jinja statements before the publisher's text, which stays as it is. They travel with
the model through training, merging and GGUF, and transformers, llama.cpp and vLLM all obey them, since a variable that
a template sets hides the one that it is given. A template that does not waver keeps its bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tunewright.chat_tokenizer import ChatTokenizer, load_tokenizer
from tunewright.errors import TrainingError
from tunewright.json_files import read_object
from tunewright.records import Message, write_text

MARK = "{#- Settled for training and serving alike; what the publisher wrote follows. #}"
NO_THOUGHT = "{%- set enable_thinking = false %}"
DATE = '{%- set date_string = "26 Jul 2024" %}'  # what Llama 3.1's template says when it is told no date
CLOCK = (  # for templates that ask for the date in a form of their own; the same day
    "{%- macro strftime_now(form) %}{{- form | replace('%d', '26') | replace('%b', 'Jul') | replace('%B', 'July') "
    "| replace('%m', '07') | replace('%Y', '2024') }}{%- endmacro %}"
)
FOLD = (  # the system message opens the first question, as Gemma 3's and Mistral's templates write it
    "{%- if messages | length > 1 and messages[0].role == 'system' and messages[1].role == 'user' %}"
    "{%- set messages = [{'role': 'user', 'content': (messages[0].content ~ '\\n\\n' ~ messages[1].content) | trim}] "
    "+ messages[2:] %}{%- endif %}"
)
ASKED = (Message(role="system", content="Qqsystem"), Message(role="user", content="Qquser"))
ANSWERED = (*ASKED, Message(role="assistant", content="Qqreply"))


def settled(tokenizer: ChatTokenizer) -> str:
    """The template of a tokenizer with what it needs before it; the same text where it needs nothing."""
    template = tokenizer.template
    if template.startswith(MARK):
        return template
    needed = [NO_THOUGHT] if "enable_thinking" in template else []
    needed += [DATE] if "date_string" in template else [CLOCK] if "strftime_now" in template else []
    needed += [] if takes_system(tokenizer) else [FOLD]
    return "".join([MARK, *needed, template]) if needed else template


def takes_system(tokenizer: ChatTokenizer) -> bool:
    """Whether the template renders a system message before a reply is there and after.

    Some refuse one, some leave it out without a word, Mistral v0.3's does so as soon as a reply ends the conversation.
    Raises TrainingError for a template that cannot even render a question.
    """
    tokenizer.render(ASKED[1:], generation_prompt=True)
    try:
        rendered = tokenizer.render(ASKED, generation_prompt=True), tokenizer.render(ANSWERED)
    except TrainingError:
        return False
    return all(ASKED[0].content in text for text in rendered)


def settle_template(folder: Path) -> None:
    """Settle the template of a model directory, in the one file where all readers find it.

    llama.cpp's converter reads the template in tokenizer_config.json before chat_template.jinja, transformers the
    other way round: where one is settled, or both are there, only chat_template.jinja stays.
    """
    tokenizer, path = load_tokenizer(folder), folder / "chat_template.jinja"
    template = settled(tokenizer)
    config_path = folder / "tokenizer_config.json"
    config: dict[str, Any] = dict(read_object(config_path, "train-base"))
    if template == tokenizer.template and not (path.exists() and "chat_template" in config):
        return
    write_text(path, template)
    if config.pop("chat_template", None) is not None:
        write_text(config_path, json.dumps(config, indent=2, ensure_ascii=False) + "\n")
