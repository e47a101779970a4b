"""Which tokens of a conversation are learnt: the assistant's words and the token that ends its turn, nothing else.

Built here and not by the trainer's `assistant_only_loss`, which needs `{% generation %}` in the template (llama.cpp
may not parse that) and refuses several models. Every reply is learnt after exactly the tokens that the model is given
when it answers: the conversation up to it, rendered, must be a prefix of what is trained on, in characters and in
tokens. A template may render earlier turns otherwise once a conversation has gone on (Qwen3 drops their empty
thoughts): such a conversation becomes several rows, each up to the newest reply that it teaches. Training and held-out
perplexity use the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunewright.chat_tokenizer import ChatTokenizer
from tunewright.errors import TrainingError
from tunewright.records import Example, Message

IGNORED = -100  # the label that torch's cross entropy leaves out

Span = tuple[int, int]  # characters, end exclusive


@dataclass(frozen=True)
class Labelled:
    """One row as the trainer takes it; both lists have one entry a token."""

    id: str
    input_ids: list[int]
    labels: list[int]

    @property
    def n_supervised(self) -> int:
        """Tokens that count in the loss. The first token of a sequence is never predicted, hence never counts."""
        return sum(label != IGNORED for label in self.labels[1:])


@dataclass(frozen=True)
class Prompt:
    """What the model is given when it answers: everything before a reply, rendered."""

    text: str
    ids: list[int]
    spans: list[Span]

    def begins(self, text: str, ids: Sequence[int]) -> bool:
        """Whether a rendered conversation starts with this prompt, in characters and in tokens."""
        return text.startswith(self.text) and list(ids[: len(self.ids)]) == self.ids


def label_rows(example: Example, tokenizer: ChatTokenizer, max_tokens: int) -> list[Labelled]:
    """Tokens and labels of one example: one row, or one for each part that the template renders otherwise later.

    Each reply is learnt in exactly one row. White space around a reply is no part of its words.

    Raises TrainingError (naming the example) when a row is too long, when there is nothing to learn, when a message
    holds the text of a control token, or when the template does not let a reply follow its prompt.
    """
    _refuse_control_text(example, tokenizer)
    messages = [_trimmed(message) for message in example.messages]
    left = [i for i, message in enumerate(messages) if message.role == "assistant"]
    if not left:
        raise TrainingError(f"example {example.id}: no assistant token to learn among {len(messages)} messages")
    prompts = {turn: _prompt(messages[:turn], tokenizer) for turn in left}
    rows: list[Labelled] = []
    end = len(messages)
    while left:
        row, left = _row(example.id, messages[:end], {turn: prompts[turn] for turn in left}, tokenizer, max_tokens)
        rows.append(row)
        end = left[-1] + 1 if left else 0
    if len(rows) == 1:
        return rows
    return [Labelled(f"{row.id}#{n}", row.input_ids, row.labels) for n, row in enumerate(reversed(rows), 1)]


def label_example(example: Example, tokenizer: ChatTokenizer, max_tokens: int) -> Labelled:
    """The one row of an example; raises TrainingError, too, where its template needs several."""
    rows = label_rows(example, tokenizer, max_tokens)
    if len(rows) > 1:
        raise TrainingError(
            f"example {example.id}: its template renders earlier turns otherwise, so it takes {len(rows)} rows; "
            "use label_rows"
        )
    return rows[0]


def _trimmed(message: Message) -> Message:
    return message.model_copy(update={"content": message.content.strip()}) if message.role == "assistant" else message


def _prompt(messages: Sequence[Message], tokenizer: ChatTokenizer) -> Prompt:
    text = tokenizer.render(messages, generation_prompt=True)
    return Prompt(text, *tokenizer.encode_with_spans(text))


def _refuse_control_text(example: Example, tokenizer: ChatTokenizer) -> None:
    """A control token's text inside a message becomes that token: its writer would end turns and begin others."""
    for number, message in enumerate(example.messages, 1):
        if found := tokenizer.control_text(message.content):
            raise TrainingError(
                f"example {example.id}, message {number}: it holds the text of the control token {found!r}, which "
                "would be read as the end or the beginning of a turn; reword it, or leave the conversation out as "
                "generate-slices does"
            )


def _row(
    name: str, messages: Sequence[Message], prompts: dict[int, Prompt], tokenizer: ChatTokenizer, max_tokens: int
) -> tuple[Labelled, list[int]]:
    """The row of `messages`, and those of the turns in `prompts` that it cannot teach."""
    text, last = tokenizer.render(messages), max(prompts)
    if not text.startswith(prompts[last].text):
        raise TrainingError(
            f"example {name}, message {last + 1}: the chat template renders the conversation up to this reply "
            f"otherwise than the whole one (first difference at character "
            f"{_first_difference(text, prompts[last].text)}); this base model cannot be trained on it"
        )
    ids, spans = _tokens(text, prompts[last], tokenizer)
    if len(ids) > max_tokens:
        raise TrainingError(
            f"example {name}: {len(ids)} tokens, at most {max_tokens} are allowed (max_tokens); nothing is cut "
            "off silently: raise max_tokens_per_example in conf/preset, or make shorter slices"
        )
    left = [turn for turn, prompt in prompts.items() if not prompt.begins(text, ids)]
    labels = [IGNORED] * len(ids)
    for turn in (turn for turn in prompts if turn not in left):
        where = f"example {name}, message {turn + 1}"
        words = _words_span(where, messages[turn].content, text, len(prompts[turn].text))
        for position in _turn_positions(where, text, words, ids, spans, tokenizer):
            labels[position] = ids[position]
    return Labelled(name, ids, labels), left


def _tokens(text: str, prompt: Prompt, tokenizer: ChatTokenizer) -> tuple[list[int], list[Span]]:
    """Tokens of a rendered text as the model meets them: those of the prompt, then those of what follows.

    Mostly that is the text's own encoding. Where the last characters of the prompt would join the first words (GPT-2
    splits the line ends before a word otherwise than at the end of a text), the two are encoded one after the other.
    """
    ids, spans = tokenizer.encode_with_spans(text)
    if prompt.begins(text, ids):
        return ids, spans
    start = len(prompt.text)
    more, more_spans = tokenizer.encode_with_spans(text[start:])
    return prompt.ids + more, prompt.spans + [(left + start, right + start) for left, right in more_spans]


def _words_span(where: str, words: str, text: str, start: int) -> Span:
    """From the end of a reply's prompt to the end of its words in the rendered text.

    White space that the template puts before the words is learnt with them: the model must say it, too.
    """
    found = text.find(words, start) if words else -1
    if found < 0 or text[start:found].strip():
        raise TrainingError(
            f"{where}: the rendered conversation does not hold this reply's words right after its prompt, but "
            f"{text[start : start + 40]!r}; this base model cannot be trained on it"
        )
    return start, found + len(words)


def _turn_positions(
    where: str, text: str, words: Span, ids: Sequence[int], spans: Sequence[Span], tokenizer: ChatTokenizer
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
        f"{where}: no control token ends this reply in the rendered text; the model would never learn to stop"
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
