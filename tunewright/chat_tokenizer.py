"""A model's own tokenizer and chat template, without torch.

Slices, token economics, labels and export parity must all count the tokens that the trained model really sees, so
they share this one way of rendering. transformers' tokenizers load in about a second and need no torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from tunewright.errors import MissingInputError, TrainingError
from tunewright.records import Message

SHOWN_CHARS = 200  # of what a template or a library says


@dataclass(frozen=True)
class ChatTokenizer:
    """A fast transformers tokenizer that has a chat template."""

    backend: Any  # transformers.PreTrainedTokenizerFast

    def render(self, messages: Sequence[Message], generation_prompt: bool = False) -> str:
        """The conversation as the model's template writes it, special tokens included.

        Raises TrainingError when the template refuses the conversation (Gemma, for one, wants alternating turns).
        """
        plain = [message.model_dump() for message in messages]
        try:
            return self.backend.apply_chat_template(plain, tokenize=False, add_generation_prompt=generation_prompt)
        except Exception as error:  # a template raises whatever Jinja makes of its raise_exception()
            raise TrainingError(
                f"the chat template of {self.backend.name_or_path or 'the tokenizer'} cannot render a conversation of "
                f"{len(plain)} messages (found {type(error).__name__}: {str(error)[:SHOWN_CHARS]}), expected its text; "
                "choose another base_model, or mend its chat_template.jinja"
            ) from None

    def encode(self, text: str) -> list[int]:
        """Token ids of a rendered text; the template has already written BOS, so none is added."""
        return list(self.backend(text, add_special_tokens=False)["input_ids"])

    def encode_with_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids, and for each token the characters of `text` (start, end) that it stands for."""
        encoded = self.backend(text, add_special_tokens=False, return_offsets_mapping=True)
        return list(encoded["input_ids"]), [(int(start), int(end)) for start, end in encoded["offset_mapping"]]

    def count(self, messages: Sequence[Message], generation_prompt: bool = False) -> int:
        """Tokens of a rendered conversation."""
        return len(self.encode(self.render(messages, generation_prompt)))

    def prefix_counters(self, conversations: Sequence[Sequence[Message]]) -> list[Callable[[int], int]]:
        """For each conversation a function that gives `count(messages[:end])` for any end.

        All are encoded together, once, on all cores. The first `end` messages then have as many tokens as lie before
        the place where their own rendering ends, if a control token begins there: text is split at control tokens
        before anything else, so what follows one changes no token before it. Anything else is counted by itself.
        """
        texts = [self.render(messages) for messages in conversations]
        encodings = self.backend(texts, add_special_tokens=False).encodings
        return [
            partial(self._count_prefix, messages, text, encoding)
            for messages, text, encoding in zip(conversations, texts, encodings, strict=True)
        ]

    def _count_prefix(self, messages: Sequence[Message], text: str, encoding: Any, end: int) -> int:
        if end == len(messages):
            return len(encoding)
        rendered = self.render(messages[:end])
        following = encoding.char_to_token(len(rendered)) if text.startswith(rendered) else None
        if following is None or encoding.token_to_chars(following)[0] != len(rendered):
            return len(self.encode(rendered))
        return following if encoding.ids[following] in self.special_ids else len(self.encode(rendered))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens shown, nothing tidied."""
        return str(self.backend.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Ids of control tokens, among them the one that ends a turn."""
        added = self.backend.added_tokens_decoder.items()
        return frozenset(int(number) for number, token in added if token.special)

    @cached_property
    def _controls(self) -> tuple[str, ...]:
        added = self.backend.added_tokens_decoder.items()
        return tuple(token.content for _, token in sorted(added) if token.special)

    def control_text(self, content: str) -> str | None:
        """The first control token whose text a message holds, or None.

        Encoding makes the token itself of such text, here and in llama.cpp and vLLM alike, whoever wrote it.
        """
        return next((token for token in self._controls if token in content), None)

    @property
    def template(self) -> str:
        """The chat template's source."""
        return str(self.backend.chat_template or "")


def load_tokenizer(base_dir: Path | str) -> ChatTokenizer:
    """The tokenizer that lies in a model directory; raises MissingInputError when the stage before has not run."""
    if not (Path(base_dir) / "tokenizer_config.json").exists():
        raise MissingInputError(f"{base_dir}: no tokenizer there; make it with: dvc repro train-base")
    quiet = "TRANSFORMERS_VERBOSITY"
    os.environ.setdefault(quiet, "error")  # else a notice that torch is missing, where none is needed
    from transformers import AutoTokenizer

    try:
        tokenizer = ChatTokenizer(AutoTokenizer.from_pretrained(str(base_dir), local_files_only=True))
    except Exception as error:  # tokenizers raises Exception itself, transformers what comes up
        raise TrainingError(
            f"{base_dir}: found no readable tokenizer ({type(error).__name__}: {str(error)[:SHOWN_CHARS]}), expected "
            "tokenizer.json and tokenizer_config.json; make them again with: dvc repro -f train-base"
        ) from None
    if not tokenizer.template:
        raise TrainingError(
            f"{base_dir}: found a tokenizer without chat template, expected one; choose an instruction-tuned base_model"
        )
    return tokenizer
