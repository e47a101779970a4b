"""What a chat template writes around each turn, found by rendering, and the same as a Go template for Ollama.

A template is a program; most of them put fixed text around each message. That text is read off four renderings of
made-up words. Whether it is all that the template does is not believed: `renders_as` compares whole conversations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunewright.chat_tokenizer import ChatTokenizer
from tunewright.errors import TrainingError
from tunewright.records import Message

WORDS = {
    "system": "Zq-system-words",
    "user": "Zq-user-words",
    "assistant": "Zq-assistant-words",
    "last": "Zq-last-words",
}


@dataclass(frozen=True)
class Wrapping:
    """The fixed text before and after the words of each turn."""

    system: tuple[str, str]
    first_user: str  # before a user's words where no system message stands before them
    user_after_system: str
    user: tuple[str, str]
    assistant: tuple[str, str]

    def render(self, messages: Sequence[Message]) -> str:
        """A conversation that awaits a reply."""
        parts = []
        for place, message in enumerate(messages):
            before, after = getattr(self, message.role)
            if message.role == "user" and place == 0:
                before = self.first_user
            elif message.role == "user" and place == 1 and messages[0].role == "system":
                before = self.user_after_system
            parts += [before, message.content, after]
        return "".join([*parts, self.assistant[0]])

    @property
    def texts(self) -> tuple[str, ...]:
        """All of the fixed text, piece by piece."""
        return (*self.system, self.first_user, self.user_after_system, *self.user, *self.assistant)

    def go_template(self) -> str:
        """The same in Go's text/template, over Ollama's .Messages, which hold the system message too."""
        before = self._go_user()
        system, user, assistant = (
            f"{start}{{{{ $m.Content }}}}{end}" for start, end in (self.system, (before, self.user[1]), self.assistant)
        )
        return (
            "{{ range $i, $m := .Messages }}"
            f'{{{{ if eq $m.Role "system" }}}}{system}'
            f'{{{{ else if eq $m.Role "user" }}}}{user}'
            f'{{{{ else if eq $m.Role "assistant" }}}}{assistant}'
            f"{{{{ end }}}}{{{{ end }}}}{self.assistant[0]}"
        )

    def _go_user(self) -> str:
        first, second, later = self.first_user, self.user_after_system, self.user[0]
        if first == second == later:
            return later
        after_system = "" if second == later else f"{{{{ else if and (eq $i 1) $.System }}}}{second}"
        return f"{{{{ if eq $i 0 }}}}{first}{after_system}{{{{ else }}}}{later}{{{{ end }}}}"


def wrapping_of(tokenizer: ChatTokenizer) -> Wrapping | None:
    """What a model's template writes around turns; None where it does not put fixed text around each.

    The token that begins a text is left out: Ollama's tokenizer adds it.
    """
    words = [WORDS[role] for role in ("system", "user", "assistant", "last")]
    try:
        whole = _pieces(tokenizer, ("system", "user", "assistant", "last"), words)
        open_end = _pieces(tokenizer, ("system", "user"), words[:2], generation_prompt=False)
        answered = _pieces(tokenizer, ("system", "user", "assistant"), words[:3], generation_prompt=False)
        alone = _pieces(tokenizer, ("user",), words[1:2], generation_prompt=False)
    except TrainingError:
        return None
    after_user, after_assistant = open_end[-1], answered[-1]
    if not (whole[2].startswith(after_user) and whole[3].startswith(after_assistant)):
        return None
    user, assistant = whole[3].removeprefix(after_assistant), whole[2].removeprefix(after_user)
    if whole[4] != after_user + assistant:
        return None
    joined = bool(user) and whole[1].endswith(user)  # else the system message has no end of its own
    return Wrapping(
        system=(whole[0], whole[1].removesuffix(user) if joined else ""),
        first_user=alone[0],
        user_after_system=user if joined else whole[1],
        user=(user, after_user),
        assistant=(assistant, after_assistant),
    )


def renders_as(wrapping: Wrapping, tokenizer: ChatTokenizer, messages: Sequence[Message]) -> bool:
    """Whether the wrapping gives a conversation's prompt exactly as the model's own template does."""
    return wrapping.render(messages) == _rendered(tokenizer, messages, True)


def _rendered(tokenizer: ChatTokenizer, messages: Sequence[Message], generation_prompt: bool) -> str:
    begin = str(tokenizer.backend.bos_token or "")
    text = tokenizer.render(messages, generation_prompt)
    return text.removeprefix(begin) if adds_begin(tokenizer) else text


def adds_begin(tokenizer: ChatTokenizer) -> bool:
    """Whether the tokenizer itself puts the token that begins a text before it, as the GGUF then says."""
    ids = list(tokenizer.backend("x")["input_ids"])
    return bool(ids) and ids[0] == tokenizer.backend.bos_token_id


def _pieces(
    tokenizer: ChatTokenizer, roles: Sequence[str], words: Sequence[str], generation_prompt: bool = True
) -> list[str]:
    """A rendering cut at its words: one piece more than words. TrainingError where the words are not all there."""
    messages = [
        Message.model_validate({"role": "user" if role == "last" else role, "content": word})
        for role, word in zip(roles, words, strict=True)
    ]
    rest, pieces = _rendered(tokenizer, messages, generation_prompt), []
    for word in words:
        before, found, rest = rest.partition(word)
        if not found:
            raise TrainingError(f"the chat template leaves out {word!r}, or moves it")
        pieces.append(before)
    return [*pieces, rest]
