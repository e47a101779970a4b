"""A conversation with one or several models at once, each with its own replies as history.

The system prompt, sampling and endpoints are those of the evaluation, so that what one sees is what was measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunewright.config import Config, Domain
from tunewright.conversation import assistant_variables, message
from tunewright.errors import MissingInputError
from tunewright.items import ItemFailure
from tunewright.llm import Client
from tunewright.models import EMBEDDED, ModelSpec
from tunewright.prompts import ChatMessage, render


class Candidates(Config):
    """Params section llm.candidates: what evaluation compares."""

    base: ModelSpec
    tuned: ModelSpec

    def chosen(self, which: str) -> dict[str, ModelSpec]:
        """One model by its name, or `both`; raises MissingInputError where an embedded one has not been made."""
        specs = {name: spec for name, spec in (("base", self.base), ("tuned", self.tuned)) if which in (name, "both")}
        for name, spec in specs.items():
            path = spec.weights.path if spec.weights and spec.provider == EMBEDDED else None
            if path and not Path(path).exists():
                raise MissingInputError(f"{path}: no such file; make it with: dvc repro train-export@{name}")
        return specs


class NothingKept:
    """A store of replies that keeps none: what is said in a chat stays between the person and the models."""

    path = Path()

    def get(self, key: str) -> dict[str, Any] | None:
        """Never there."""
        return None

    def ready(self) -> None:
        """Nothing to store."""

    def put(self, key: str, model: str, reply: dict[str, Any], item: str = "") -> dict[str, Any]:
        """Not kept."""
        return reply

    def note_use(self, key: str, item: str) -> None:
        """Not noted."""

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class Said:
    """What one model answered; `fault` is why it did not."""

    text: str
    seconds: float
    cut: bool = False  # max_tokens ran out
    fault: str = ""


@dataclass
class Session:
    """The conversation so far, one history a model. Begin again with `reset`."""

    client: Client
    models: Mapping[str, ModelSpec]
    domain: Domain
    histories: dict[str, list[ChatMessage]] = field(default_factory=dict)
    asked: int = 0

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was said."""
        prompt = render(Path(self.domain.prompts) / "system.md", **assistant_variables(self.domain))
        self.histories = {name: list(prompt) for name in self.models}

    async def ask(self, text: str) -> dict[str, Said]:
        """Every model's answer, in the order of the models. One that gives none keeps its history as it was."""
        self.asked += 1
        answers = await asyncio.gather(*(self._answer(name, text) for name in self.models))
        for name, said in zip(self.models, answers, strict=True):
            if not said.fault:
                self.histories[name] += [message("user", text), message("assistant", said.text)]
        return dict(zip(self.models, answers, strict=True))

    async def _answer(self, name: str, text: str) -> Said:
        started = time.monotonic()
        messages: Sequence[ChatMessage] = [*self.histories[name], message("user", text)]
        try:
            reply = await self.client.complete(self.models[name], messages, sample=self.asked)
        except ItemFailure as failure:
            return Said("", time.monotonic() - started, fault=str(failure))
        return Said(reply.text.strip(), time.monotonic() - started, reply.is_cut)
