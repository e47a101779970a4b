"""Ollama Modelfiles: with them `ollama create NAME -f FILE` serves a GGUF as evaluation did.

Ollama does not run a GGUF's Jinja template: it takes the Go template of TEMPLATE, or else guesses one of its own by
likeness. So TEMPLATE is written wherever the model's template puts fixed text around each turn (turn_wrapping.py), and
only after it gave the prompts of stored conversations exactly. Sampling is llama.cpp's, which evaluation was served by;
Ollama's own defaults differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from tunewright.chat_tokenizer import ChatTokenizer
from tunewright.config import Config
from tunewright.errors import ConfigError
from tunewright.records import Message
from tunewright.turn_wrapping import Wrapping, renders_as, wrapping_of

FENCE = '"""'  # Ollama has no escape for it


class ModelfileRules(Config):
    """How Ollama samples; None leaves it to Ollama."""

    temperature: float | None = Field(ge=0)
    num_predict: int | None = Field(ge=1)  # tokens a reply
    num_ctx: int | None = Field(ge=1)  # tokens of context
    top_k: int | None = Field(ge=0)
    top_p: float | None = Field(ge=0, le=1)
    min_p: float | None = Field(ge=0, le=1)
    repeat_penalty: float | None = Field(ge=0)


@dataclass(frozen=True)
class Turns:
    """A model's turns as Ollama is to write them; `wrapping` None: it is left to guess."""

    wrapping: Wrapping | None
    checked: int  # conversations whose prompts came out exactly
    stop: tuple[str, ...]


def turns_of(tokenizer: ChatTokenizer, prompts: Sequence[Sequence[Message]]) -> Turns:
    """The turns of a model, tried on stored conversations; those that come out otherwise rule TEMPLATE out."""
    wrapping = wrapping_of(tokenizer)
    if wrapping and not (
        prompts and writable(wrapping) and all(renders_as(wrapping, tokenizer, messages) for messages in prompts)
    ):
        wrapping = None
    return Turns(wrapping, len(prompts) if wrapping else 0, stop_words(tokenizer, wrapping))


def writable(wrapping: Wrapping) -> bool:
    """Whether the fixed text can stand in a Modelfile: no Go braces, no fence, nothing that Ollama's reader drops."""
    text = "".join(wrapping.texts)
    return not ("{{" in text or "}}" in text or FENCE in text or dropped(text))


def dropped(text: str) -> list[str]:
    """Characters that Ollama's reader of Modelfiles leaves out without a word: control and other unprintable ones."""
    return sorted({c for c in text if not c.isprintable() and c not in "\n\r\t"})


def stop_words(tokenizer: ChatTokenizer, wrapping: Wrapping | None) -> tuple[str, ...]:
    """Control tokens after which the model would speak for somebody else: the turn's end, and a turn's beginning."""
    text = "".join((wrapping.assistant[1], wrapping.user[0])) if wrapping else ""
    ids = [i for i in tokenizer.encode(text) if i in tokenizer.special_ids] if text else []
    words = [str(tokenizer.backend.eos_token or ""), *(tokenizer.decode([i]) for i in ids)]
    return tuple(dict.fromkeys(word for word in words if word))


def modelfile(
    source: str, system: str, turns: Turns, rules: ModelfileRules, adapter: str | None = None, about: str = ""
) -> str:
    """The text of a Modelfile; `source` and `adapter` are files beside it. ConfigError for an unwritable prompt."""
    if FENCE in system or dropped(system):
        found = repr(FENCE) if FENCE in system else repr(dropped(system)[0])
        raise ConfigError(f"the system prompt holds {found}, which no Modelfile can; change system.md in prompts/")
    lines = [f"# {about}"] if about else []
    lines += [f"FROM ./{source}", *([f"ADAPTER ./{adapter}"] if adapter else [])]
    if turns.wrapping:
        lines.append(f"TEMPLATE {FENCE}{turns.wrapping.go_template()}{FENCE}")
    else:
        lines.append("# no TEMPLATE: this model does not put fixed text around each turn; see what Ollama takes with")
        lines.append("# `ollama show --template NAME`, and compare it with tokenizer.chat_template of the GGUF")
    lines.append(f"SYSTEM {FENCE}{system}{FENCE}")
    lines += [f'PARAMETER stop "{word}"' for word in turns.stop]
    lines += [f"PARAMETER {name} {value}" for name, value in rules.model_dump().items() if value is not None]
    return "\n".join(lines) + "\n"
