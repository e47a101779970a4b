"""The keys of one provider, taken in turn, and how they are kept out of what others say.

A refused key is dropped; one that has had enough rests.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from tunewright.errors import ModelSetupError

NO_KEY = "no-key-needed"  # what a local server is sent: litellm wants some text
HIDDEN = "(key)"
KEY_CHARS_MIN = 16  # a shorter one, such as "ollama" for a local server, is a word that a reply may hold
REASON_CHARS_MAX = 40  # of a finish reason: "stop", "length", "content_filter"
UNPAIRED = re.compile("[\ud800-\udfff]")  # halves of a character that a model broke off: UTF-8 cannot hold them
ONE_WORD = re.compile(r"[!-~]+")  # printable ASCII without spaces: what an HTTP header takes


def hide(text: str, secrets: Sequence[str]) -> str:
    """A text without these keys, whole or cut short: their first half and what follows it is taken out too."""
    for secret in filter(None, secrets):
        text = text.replace(secret, HIDDEN)
        if len(secret) >= KEY_CHARS_MIN:
            half = secret[: (len(secret) + 1) // 2]
            text = re.sub(re.escape(half) + r"[\w.+/=~-]*", HIDDEN, text) if half in text else text
    return text


def hide_in_reply(text: str, secrets: Sequence[str]) -> str:
    """A model's words as they can be stored: without the key that it was called with, since a server behind a wrong
    address may send back anything, and with U+FFFD for each half of a character, whatever carried them."""
    text = UNPAIRED.sub("\ufffd", text)
    for secret in secrets:
        if len(secret) >= KEY_CHARS_MIN and secret != NO_KEY:
            text = hide(text, [secret]) if len(secret) >= 2 * KEY_CHARS_MIN else text.replace(secret, HIDDEN)
    return text


def hide_in_reason(reason: str | None, secrets: Sequence[str]) -> str | None:
    """Why a reply ended, in the server's words: as `hide_in_reply`, and no longer than the word that it should be."""
    return reason and hide_in_reply(reason, secrets)[:REASON_CHARS_MAX]


class Keys:
    """The values of some environment variables, by their names."""

    def __init__(self, names: Sequence[str], model: str) -> None:
        """Raises ModelSetupError when one of the variables is not set."""
        self.names = tuple(names)
        for name in self.names:
            if not os.environ.get(name):
                raise ModelSetupError(
                    f"{model}: ${name} is not set; export it, or use the embedded model: dvc exp run -S llm=embedded"
                )
            if not ONE_WORD.fullmatch(os.environ[name]):
                raise ModelSetupError(
                    f"{model}: ${name} holds a space, a line end or a sign that no key has (its value is not shown); "
                    "export it again, without quotes inside"
                )
        self._usable = dict.fromkeys(self.names, 0.0)  # until when each rests, the next one first

    def __len__(self) -> int:
        return len(self._usable)

    def take(self, now: float) -> tuple[str | None, str]:
        """Name and value of the next key: in turn, those that rest last."""
        if not self._usable:
            return None, NO_KEY
        name = next((n for n, until in self._usable.items() if until <= now), None)
        name = name or min(self._usable, key=lambda n: self._usable[n])
        self._usable[name] = self._usable.pop(name)  # to the end
        return name, os.environ[name]

    def drop(self, name: str | None) -> bool:
        """Use a key no more; whether another is left."""
        left = [n for n in self._usable if n != name]
        if left and name in self._usable:
            del self._usable[name]
        return bool(left)

    def rest(self, name: str | None, until: float, now: float) -> bool:
        """Let a key rest; whether another can be used at once."""
        if name in self._usable:
            self._usable[name] = until
        return any(u <= now for u in self._usable.values())
