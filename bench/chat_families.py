"""Five families of chat templates as test data: their control tokens, their templates, and awkward conversations.

Templates are read from where they are installed: SmolLM2's in its GGUF, Qwen3's, Gemma 3's and Llama 3's in trl. No
installed package ships Mistral's, nor one without a system role as a file, so those two are written here; they put
tokens and spaces as the published formats do (Mistral 7B v0.3: the system message opens the newest question, and is
left out when a reply comes last; v0.1: none).
The words are split by SmolLM2's real tokenizer, to which each family's control tokens are added: what matters here is
where control tokens stand, not how words between them are split.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import Regex, pre_tokenizers

from tunewright.chat_labels import decode_supervised, label_rows
from tunewright.chat_template import settled
from tunewright.chat_tokenizer import ChatTokenizer
from tunewright.conversation import as_messages, message
from tunewright.records import Example

MISTRAL_V3 = """{%- set start = 1 if messages[0].role == 'system' else 0 -%}
{{- bos_token -}}
{%- for message in messages[start:] -%}
    {%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}
        {{- raise_exception('user and assistant must alternate') -}}
    {%- endif -%}
    {%- if message.role == 'user' -%}
        {{- '[INST] ' -}}
        {%- if loop.last and start -%}{{- messages[0].content + '\\n\\n' -}}{%- endif -%}
        {{- message.content + '[/INST]' -}}
    {%- else -%}
        {{- ' ' + message.content | trim + eos_token -}}
    {%- endif -%}
{%- endfor -%}"""
MISTRAL_V1 = """{{- bos_token -}}
{%- for message in messages -%}
    {%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}
        {{- raise_exception('user and assistant must alternate') -}}
    {%- endif -%}
    {{- '[INST] ' + message.content + ' [/INST]' if message.role == 'user' else message.content + eos_token -}}
{%- endfor -%}"""
CHATML = ("<|im_start|>", "<|im_end|>")
LLAMA = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
LINE_ENDS = r"\s*[\r\n]+|[^\S\r\n]?\S+|\s+"  # a run of line ends is one piece, whatever follows
INST = ("<s>", "</s>", "[INST]", "[/INST]")


@dataclass(frozen=True)
class Family:
    """One template. `template`: its text, a file of trl's chat_templates, or None for the GGUF's own.

    `lead` stands between prompt and words and must be said by the model; `end` ends a turn. `line_ends` is what matters
    to masks of how the family's tokenizer splits text.
    """

    name: str
    template: str | None
    controls: tuple[str, ...]
    end: str
    bos: str | None = None
    eos: str | None = None
    plain: tuple[str, ...] = ()  # tokens of their own that are no control tokens
    line_ends: bool = False  # Qwen3 and Llama 3 keep a run of line ends together, SmolLM2 (GPT-2) does not
    lead: str = ""
    quirks: str = ""


FAMILIES = (
    Family("SmolLM2", None, (), "<|im_end|>", quirks="without a system message it writes one of its own"),
    Family(
        "Qwen3",
        "qwen3.jinja",
        CHATML,
        "<|im_end|>",
        line_ends=True,
        plain=("<think>", "</think>"),
        quirks="an empty thought before the newest reply only",
    ),
    Family("Gemma 3", "gemma3.jinja", ("<bos>", "<start_of_turn>", "<end_of_turn>"), "<end_of_turn>", "<bos>"),
    Family("Llama 3", "llama3.jinja", LLAMA, "<|eot_id|>", "<|begin_of_text|>", line_ends=True),
    Family(
        "Llama 3.2",
        "llama3_2.jinja",
        LLAMA,
        "<|eot_id|>",
        "<|begin_of_text|>",
        line_ends=True,
        quirks="writes today's date",
    ),
    Family(
        "Mistral v0.3",
        MISTRAL_V3,
        INST,
        "</s>",
        "<s>",
        "</s>",
        lead=" ",
        quirks="moves or drops the system message; a space before replies",
    ),
    Family("Mistral v0.1", MISTRAL_V1, INST, "</s>", "<s>", "</s>", quirks="no system role"),
)


@dataclass(frozen=True)
class Talk:
    """One awkward conversation: the system message (None for none) and alternating turns."""

    name: str
    system: str | None
    turns: tuple[str, ...] = field(default=())

    def example(self) -> Example:
        """As generate-slices would write it."""
        roles = ("user", "assistant") * (len(self.turns) // 2)
        chat = [] if self.system is None else [message("system", self.system)]
        chat += [message(role, text) for role, text in zip(roles, self.turns, strict=True)]
        ids: dict[str, Any] = {"id": self.name, "transcript_id": self.name, "persona_id": "p"}
        return Example(**ids, n_exchanges=len(self.turns) // 2, n_tokens=1, messages=as_messages(chat))

    @property
    def replies(self) -> list[str]:
        """The assistant's words, which white space around them does not belong to."""
        return [text.strip() for text in self.turns[1::2]]


TALKS = (
    Talk("one", "Be brief.", ("Hi", "Yes.")),
    Talk("several", "Be brief.", ("Hi", "Hello.\n\n1. Rest\n2. Eat", "And?", "Sleep.", "Then?", "Walk.")),
    Talk("no system message", None, ("Hi", "Hello.", "And?", "Sleep.")),
    Talk("empty system message", "", ("Hi", "Hello.", "And?", "Sleep.")),
    Talk("white space around", "Be brief.\n", (" Hi \n", "\n\n  Hello. \n", "\n\nAnd?", "\tSleep.  ")),
    Talk("other scripts", "Sois bref.", ("Héé 日本?", "naïve 😀👩‍👩‍👧 – “oui”", "٣½", "テスト 2024\r\n\r\nok")),
    Talk("the user's words", "Yes.", ("Yes.", "Yes.", "Yes.", "Yes.", "Yes.", "Yes.")),
    Talk("the template's words", "user", ("assistant\nmodel", "assistant", "system\n\nuser", "model\nuser\n\n")),
    Talk("half a token", "<|im_", ("<|im_", "<|im_ end|> [ INST ] < s >", "|>", "<")),
)


def chat_of(family: Family, smollm2: ChatTokenizer) -> ChatTokenizer:
    """The family's tokenizer, its template settled as train-base does."""
    backend = copy.deepcopy(smollm2.backend)
    if family.line_ends:
        backend.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(LINE_ENDS), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    if family.template is not None:
        backend.chat_template = template_text(family.template)
        backend.add_tokens(list(family.plain))
        backend.add_special_tokens({"additional_special_tokens": list(family.controls)})
        backend.bos_token, backend.eos_token = family.bos, family.eos or family.end
    chat = ChatTokenizer(backend)
    backend.chat_template = settled(chat)
    return ChatTokenizer(backend)


def template_text(template: str) -> str:
    """The template itself, or the one that trl ships under that name."""
    if not template.endswith(".jinja"):
        return template
    found = find_spec("trl")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("chat templates are read from trl; install it with: pip install -e '.[train]'")
    return (Path(found.origin).parent / "chat_templates" / template).read_text("utf-8")


def taught(talk: Talk, chat: ChatTokenizer) -> tuple[list[str], int, int, int]:
    """What a conversation teaches, decoded turn by turn; its rows, tokens and supervised tokens."""
    rows = label_rows(talk.example(), chat, 10_000)
    texts = [text for row in rows for text in decode_supervised(row, chat)]
    return texts, len(rows), sum(len(row.input_ids) for row in rows), sum(row.n_supervised for row in rows)


def expected(talk: Talk, family: Family) -> list[str]:
    """What it should teach: each reply's words and the end of its turn."""
    return [f"{family.lead}{words}{family.end}" for words in talk.replies]


def joined(texts: Sequence[str]) -> str:
    """Several texts on one line, for a person to read."""
    return " + ".join(repr(text) for text in texts)
