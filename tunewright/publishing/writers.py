"""Who wrote and who judged the conversations, by the names that a reader knows, with the terms noted for each.

What a model's terms allow is not decided here: the card says which model wrote what, and where its terms stand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewright.freshness import value_at
from tunewright.models import ModelSpec
from tunewright.publishing.examples import IMPORTED, Examples

PEOPLE = {"author": "the project's authors", IMPORTED: "people, from imported logs"}
REPAIRED = ", repaired by "  # joins a writer and the model that repaired its replies
WRITING = ("generate.transcripts.user", "generate.transcripts.assistant", "generate.fixup.fixer")  # params sections
JUDGING = ("generate.verdicts.judges", "evaluate.verdicts.judges")
NOT_NOTED = "not noted in publish.terms"


@dataclass(frozen=True)
class Model:
    """A model that had a part: its name, its provider, and the line on its terms."""

    name: str
    provider: str
    terms: str


class Writers:
    """Names and terms of models, by what transcripts and verdicts call them."""

    def __init__(self, params: Mapping[str, Any], terms: Mapping[str, str]) -> None:
        self._terms = terms
        self._specs = {s.identity: s for address in WRITING for s in _specs(params, address) if _is_known(s)}
        self.judges = {judge_name: model for judge_name, model in self._judging(params)}

    def name(self, identity: str) -> str:
        """How a card calls a writer."""
        return " and ".join(PEOPLE.get(part) or self.model(part).name for part in identity.split(REPAIRED))

    def model(self, identity: str) -> Model:
        """A model by its identity; one that params no longer name is called by that."""
        spec = self._specs.get(identity)
        return self._told(spec.model if spec else identity, spec)

    def wrote(self, examples: Examples) -> dict[Model, int]:
        """Models that wrote words of what is published or was learned from, with the number of conversations."""
        found: dict[Model, int] = {}
        for origin in examples.origins.values():
            parts = {p for by in (origin.user_by, origin.assistant_by) for p in by.split(REPAIRED) if p not in PEOPLE}
            for model in {self.model(part) for part in parts}:
                found[model] = found.get(model, 0) + 1
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0].name)))

    def _judging(self, params: Mapping[str, Any]) -> Iterator[tuple[str, Model]]:
        for address in JUDGING:
            for value in value_at(params, address) or ():
                spec = ModelSpec.model_validate({k: v for k, v in value.items() if k != "name"})
                yield value["name"], self._told(spec.model, spec)

    def _told(self, name: str, spec: ModelSpec | None) -> Model:
        provider = name.split("/", 1)[0]
        pinned = spec.weights.sha256 if spec and spec.weights else None
        shown = f"{name} with weights sha256 {pinned[:12]}" if pinned else name
        return Model(shown, provider, self._terms.get(provider, NOT_NOTED))


def _specs(params: Mapping[str, Any], address: str) -> Iterator[ModelSpec]:
    value = value_at(params, address)
    if value is not None:
        yield ModelSpec.model_validate(value)


def _is_known(spec: ModelSpec) -> bool:
    """Whether a model's identity can be told: weights that lie in a path may not be there."""
    return not (spec.weights and spec.weights.path and not Path(spec.weights.path).exists())
