"""Counting the tokens of a conversation's beginnings from one encoding: always what counting each by itself gives."""

import pytest

from tunewright.chat_tokenizer import load_tokenizer
from tunewright.records import Message

TEXTS = [
    "Hi ",
    " it's 12:30\n",
    "",
    "<|im_start|>user\nwell<|im_end|>",
    "\n\n1. caf\u00e9 \U0001f642",
    "  ",
    "x" * 50,
    "end?",
]


def talks():
    """Conversations with spaces, line ends and control tokens at the edges of messages."""
    roles = ["user", "assistant"] * 4
    for shift in range(len(TEXTS)):
        texts = TEXTS[shift:] + TEXTS[:shift]
        yield [Message(role=role, content=text) for role, text in zip(roles, texts, strict=True)]


def test_prefixes_of_the_real_template_have_the_tokens_that_they_have_alone(chat):
    conversations = list(talks())
    for messages, count in zip(conversations, chat.prefix_counters(conversations), strict=True):
        assert [count(end) for end in range(1, 9)] == [chat.count(messages[:end]) for end in range(1, 9)]


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m.role }} {{ m.content }} {% endfor %}",  # no control tokens between messages
        "{{ messages | length }}{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}",  # not a prefix
        "{% for m in messages %}{{ m.content }}{% if not loop.last %}<|im_end|>{% endif %}{% endfor %}",
    ],
)
def test_where_a_template_gives_no_control_token_there_each_is_counted_alone(chat, tiny_base, template):
    other = load_tokenizer(tiny_base)
    other.backend.chat_template = template
    conversations = list(talks())
    for messages, count in zip(conversations, other.prefix_counters(conversations), strict=True):
        assert [count(end) for end in range(1, 9)] == [other.count(messages[:end]) for end in range(1, 9)]
