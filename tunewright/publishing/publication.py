"""What is to be published: the facts, the parcels, and the cards for given addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tunewright.publishing.dataset_card import dataset_card
from tunewright.publishing.dataset_files import dataset_parcel
from tunewright.publishing.facts import Evaluated, Facts, read_evaluated, read_facts
from tunewright.publishing.model_card import model_card
from tunewright.publishing.model_files import model_parcel
from tunewright.publishing.parcel import PARTS, Files, Kind, Parcel, Part

Addresses = Mapping[Kind, str | None]  # of both repositories; None where one is not published
CHOICES: dict[str, tuple[Part, ...]] = {
    "all": PARTS,
    "dataset": ("dataset",),
    "model": ("adapter", "merged", "gguf"),
    "adapter": ("adapter",),
    "merged": ("merged",),
    "gguf": ("gguf",),
}


@dataclass(frozen=True)
class Publication:
    """Everything that goes to the Hub, and what its cards are written from."""

    facts: Facts
    found: Evaluated | None  # None: no model is published
    parcels: tuple[Parcel, ...]  # the dataset first: the model's card names it

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts of all parcels."""
        return tuple(part for parcel in self.parcels for part in parcel.parts)

    @property
    def sources(self) -> list[Path]:
        """Files on disk that go along as they are."""
        uploads = (upload for parcel in self.parcels for upload in parcel.uploads)
        return [upload.source for upload in uploads if isinstance(upload.source, Path)]

    def card(self, parcel: Parcel, files: Files, addresses: Addresses) -> str:
        """A parcel's card. `files`: all that will lie beside it; an address is None where nothing is published."""
        dataset, model = addresses["dataset"], addresses["model"]
        if parcel.kind == "dataset":
            return dataset_card(self.facts, files, str(dataset), model)
        assert self.found is not None
        return model_card(self.facts, self.found, files, str(model), dataset)


def prepare(parts: Sequence[Part], include_imported: bool) -> Publication:
    """Read all that is needed. Raises MissingInputError, ConfigError, RecordError or PublishError for what is not."""
    facts = read_facts(include_imported)
    of_model: list[Part] = [part for part in parts if part != "dataset"]
    found = read_evaluated() if of_model else None
    parcels = []
    if "dataset" in parts:
        parcels.append(dataset_parcel(facts.settings.dataset, facts.domain, facts.examples, facts.people))
    if found is not None:
        with_report = include_imported or not found.quotes_imported
        parcels.append(model_parcel(facts.settings.model, of_model, facts.base, facts.hub_base, with_report))
    return Publication(facts, found, tuple(parcels))
