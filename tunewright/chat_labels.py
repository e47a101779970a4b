"""Which tokens of a conversation are learnt: the assistant's words and the token that ends its turn, nothing else.

Built here and not by the trainer's `assistant_only_loss`, which needs `{% generation %}` in the template (llama.cpp
may not parse that) and refuses several models. Every assistant turn is located by rendering the conversation up to
it: that text must be a prefix of the whole, in characters and in tokens, or the model would be trained on something
that it never sees when it answers. Training and held-out perplexity use the same code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tunewright.chat_tokenizer import ChatTokenizer
from tunewright.errors import TrainingError
from tunewright.records import Example, Message

IGNORED = -100  # the label that torch's cross entropy leaves out
EMPTY_THOUGHT = re.compile(r"\s*<think>\s*</think>\s*")  # what Qwen3's template puts before a final answer

Span = tuple[int, int]  # characters, end exclusive


@dataclass(frozen=True)
class Labelled:
    """One example as the trainer takes it; both lists have one entry a token."""

    id: str
    input_ids: list[int]
    labels: list[int]

    @property
    def n_supervised(self) -> int:
        """Tokens that count in the loss. The first token of a sequence is never predicted, hence never counts."""
        return sum(label != IGNORED for label in self.labels[1:])


def label_example(example: Example, tokenizer: ChatTokenizer, max_tokens: int) -> Labelled:
    """Tokens and labels of one example.

    Raises TrainingError (naming the example) when it is too long, has nothing to learn, or its template does not
    render prefixes as prefixes.
    """
    text = tokenizer.render(example.messages)
    ids, spans = tokenizer.encode_with_spans(text)
    if len(ids) > max_tokens:
        raise TrainingError(
            f"example {example.id}: {len(ids)} tokens, at most {max_tokens} are allowed (max_tokens); nothing is cut "
            "off silently: raise max_tokens_per_example in conf/preset, or make shorter slices"
        )
    labels = [IGNORED] * len(ids)
    for turn in (i for i, message in enumerate(example.messages) if message.role == "assistant"):
        start, words_end = _turn_span(example, turn, text, ids, tokenizer)
        for position in _turn_positions(example, turn, text, (start, words_end), ids, spans, tokenizer):
            labels[position] = ids[position]
    labelled = Labelled(example.id, ids, labels)
    if labelled.n_supervised == 0:
        raise TrainingError(f"example {example.id}: no assistant token to learn among {len(ids)} tokens")
    return labelled


def _turn_span(example: Example, turn: int, text: str, ids: Sequence[int], tokenizer: ChatTokenizer) -> Span:
    """Where an assistant turn's words lie in the rendered text, its prompt checked to be a prefix of the whole."""
    prompt = tokenizer.render(example.messages[:turn], generation_prompt=True)
    head = tokenizer.encode(prompt)
    where = f"example {example.id}, message {turn + 1}"
    if not text.startswith(prompt) or list(ids[: len(head)]) != head:
        raise TrainingError(
            f"{where}: the chat template renders the conversation up to this reply otherwise than the whole one (first "
            f"difference at character {_first_difference(text, prompt)}); this base model cannot be trained on it"
        )
    words = example.messages[turn].content.strip()
    found = text.find(words, len(prompt)) if words else -1
    gap = text[len(prompt) : found] if found >= 0 else ""
    if found < 0 or (gap.strip() and not EMPTY_THOUGHT.fullmatch(gap)):
        raise TrainingError(f"{where}: the rendered conversation does not hold this reply's words after its prompt")
    return (found if gap.strip() else len(prompt)), found + len(words)


def _turn_positions(
    example: Example,
    turn: int,
    text: str,
    words: Span,
    ids: Sequence[int],
    spans: Sequence[Span],
    tokenizer: ChatTokenizer,
) -> list[int]:
    """Token positions of a reply's words and of the first control token after them, which ends the turn."""
    start, words_end = words
    positions = []
    for position, (left, right) in enumerate(spans):
        if left < start:
            continue
        if left >= words_end and ids[position] in tokenizer.special_ids:
            if text[words_end:left].strip():
                break
            return [*positions, position]
        if right <= words_end or text[words_end:right].isspace():
            positions.append(position)
    raise TrainingError(
        f"example {example.id}, message {turn + 1}: no control token ends this reply in the rendered text; the model "
        "would never learn to stop"
    )


def _first_difference(text: str, other: str) -> int:
    """The first index at which two texts differ."""
    pairs = zip(text, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(text), len(other)))


def decode_supervised(labelled: Labelled, tokenizer: ChatTokenizer) -> list[str]:
    """The text of each supervised run of tokens: what the model is taught to say, for a person to look at."""
    runs: list[list[int]] = []
    previous = IGNORED
    for label in labelled.labels:
        if label != IGNORED:
            if previous == IGNORED:
                runs.append([])
            runs[-1].append(label)
        previous = label
    return [tokenizer.decode(run) for run in runs]


def prompt_messages(example: Example) -> tuple[Message, ...]:
    """The conversation up to its last reply."""
    last = max(i for i, message in enumerate(example.messages) if message.role == "assistant")
    return example.messages[:last]
