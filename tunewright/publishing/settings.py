"""What `tunewright publish` is told by the params section `publish`. No stage reads it."""

from __future__ import annotations

from pydantic import Field

from tunewright.config import Config

REPO_NAME = r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?$"  # the Hub's rule, without its reserved endings


class HubLicence(Config):
    """A licence's identifier on the Hub, and how conf/base_model begins its name."""

    id: str
    named: str


class Settings(Config):
    """Where to, under which licence, and what a card says that no file of the run can know.

    `namespace` None: the token's own account. `dataset_licence` None: not chosen, so nothing of the dataset can be
    published. `base_models`: the Hub's repository of base models that were obtained elsewhere, by id. `terms`: a line
    for each provider of models, by the part of a model's name before the first slash.
    """

    namespace: str | None
    dataset: str = Field(pattern=REPO_NAME)
    model: str = Field(pattern=REPO_NAME)
    dataset_licence: str | None
    language: str
    source_code: str | None
    intended_use: str | None
    out_of_scope: tuple[str, ...]
    public_contacts: tuple[str, ...]
    base_models: dict[str, str]
    licences: tuple[HubLicence, ...]
    terms: dict[str, str]
