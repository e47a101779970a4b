"""The keys of one provider, taken in turn. A refused one is dropped; one that has had enough rests."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tunewright.errors import ModelSetupError

NO_KEY = "no-key-needed"  # what a local server is sent: litellm wants some text


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
        self.secrets = [os.environ[name] for name in self.names]
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
