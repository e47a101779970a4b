"""The course of publishing: read and search everything, show it, ask, send. A rehearsal ends before the network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

import typer
from huggingface_hub import get_token
from pydantic import RootModel

from tunewright.config import load
from tunewright.errors import PublishError
from tunewright.forgotten import Forgotten
from tunewright.models import Connection
from tunewright.publishing.card_text import size, terms
from tunewright.publishing.obstacles import Permissions, obstacles, refuse_always
from tunewright.publishing.parcel import CARD, Kind, Parcel, Upload
from tunewright.publishing.publication import CHOICES, Addresses, Publication, prepare
from tunewright.publishing.scan import Finding, Search, machine_folders, scan
from tunewright.publishing.secret_patterns import own_secrets
from tunewright.publishing.upload import PUBLISHING, Remote, files_after, look, refuse_open, send, stale
from tunewright.terminal import waiting

NOBODY = "YOUR-NAMESPACE"  # in a rehearsal, which asks nobody whose token it is


class Connections(RootModel[dict[str, Connection]]):
    """Params section llm.connections."""


def rehearse(only: str, may: Permissions, public: bool) -> None:
    """Show what would be published, and what stands in the way."""
    what, stops = checked(only, may)
    show(what, placeholders(what), {})
    for line in closing(stops, only, public):
        typer.echo(line)


def publish(only: str, may: Permissions, public: bool, yes: bool) -> None:
    """Publish. Raises PublishError for what may not be, for a token that may not, and where the user says no."""
    what, stops = checked(only, may)
    if stops:
        raise PublishError("nothing is published:\n" + "\n".join(f"- {stop}" for stop in stops))
    api, settings = PUBLISHING.client(), what.facts.settings
    namespace = PUBLISHING.namespace_of(api, settings.namespace)
    names: dict[Kind, str] = {"dataset": settings.dataset, "model": settings.model}
    there: dict[Kind, Remote] = {kind: look(api, f"{namespace}/{name}", kind) for kind, name in names.items()}
    kinds: list[Kind] = [parcel.kind for parcel in what.parcels]
    for kind in kinds:
        refuse_open(there[kind], public)
    addresses: dict[Kind, str | None] = {k: r.repo_id if k in kinds or r.exists else None for k, r in there.items()}
    show(what, addresses, there)
    confirm(what, addresses, public, yes)
    for parcel in what.parcels:
        remote = there[parcel.kind]
        card = what.card(parcel, files_after(remote, parcel), addresses)
        typer.echo(f"{parcel.kind}: {send(api, remote, parcel, card, public)}")


def checked(only: str, may: Permissions) -> tuple[Publication, list[str]]:
    """What is to be published, and what stops it; raises PublishError for what may never be published."""
    with waiting("before publishing") as say:
        say("reading")
        what = prepare(CHOICES[only], may.imported)
        say("searching for keys and personal data")
        findings = searched(what)
        refuse_always(findings)
        say("comparing with dvc.lock")
        return what, obstacles(what, findings, may)


def searched(what: Publication) -> list[Finding]:
    """What was found in all files and in the cards."""
    connections = load("llm.connections", Connections).root
    names = [name for one in connections.values() for name in one.key_names]
    own = own_secrets(names, os.environ, get_token())
    search = Search(own, what.facts.settings.public_contacts, Forgotten(what.facts.domain.authored), machine_folders())
    at = placeholders(what)
    cards = [Upload(f"the {p.kind}'s {CARD}", what.card(p, p.files, at).encode()) for p in what.parcels]
    return scan([*(upload for parcel in what.parcels for upload in parcel.uploads), *cards], search)


def placeholders(what: Publication) -> Addresses:
    """Addresses for a run that asks nobody whose account it is."""
    namespace = what.facts.settings.namespace or NOBODY
    named = {parcel.kind: f"{namespace}/{parcel.repo}" for parcel in what.parcels}
    return {"dataset": named.get("dataset"), "model": named.get("model")}


def show(what: Publication, addresses: Addresses, there: Mapping[Kind, Remote]) -> None:
    """Every card whole, then every file with its size."""
    for parcel in what.parcels:
        files = files_after(there[parcel.kind], parcel) if there else parcel.files
        typer.echo(f"{'=' * 20} card of {parcel.kind} {addresses[parcel.kind]} {'=' * 20}")
        typer.echo(what.card(parcel, files, addresses))
    for parcel in what.parcels:
        for line in file_lines(parcel, str(addresses[parcel.kind]), there.get(parcel.kind)):
            typer.echo(line)


def file_lines(parcel: Parcel, address: str, remote: Remote | None) -> Iterator[str]:
    """A parcel's files for a terminal, and what they replace."""
    total = size(sum(parcel.files.values()))
    yield f"\n{parcel.kind} {address}: {len(parcel.uploads)} files, {total}, and the card"
    for path, n_bytes in parcel.files.items():
        yield f"  {size(n_bytes):>9}  {path}"
    for path in stale(remote, parcel) if remote else ():
        yield f"  {'removed':>9}  {path}"


def closing(stops: Sequence[str], only: str, public: bool) -> Iterator[str]:
    """The end of a rehearsal: what would stop it, else what to run."""
    if stops:
        yield "\nNothing was sent. Before it can be published:"
        yield from (f"- {stop}" for stop in stops)
    else:
        chosen = ("" if only == "all" else f" --only {only}") + (" --public" if public else "")
        yield f"\nNothing was sent, and nothing stands in the way. Publish with: tunewright publish{chosen}"


def confirm(what: Publication, addresses: Addresses, public: bool, yes: bool) -> None:
    """Say whose terms to read, and ask; raises PublishError where the answer is no, or nobody is there to give one."""
    models = {*what.facts.writers.wrote(what.facts.examples), *what.facts.writers.judges.values()}
    typer.echo("\nModels that had a part; whether their terms allow this is for you to know:")
    for model in sorted(models, key=lambda one: one.name):
        typer.echo(f"  {model.name}: {terms(model)}")
    if yes:
        return
    sight = "PUBLIC: everybody can see and copy it" if public else "private: you, and whom you let in"
    goal = " and ".join(f"{parcel.kind} {addresses[parcel.kind]}" for parcel in what.parcels)
    try:
        agreed = typer.confirm(f"\nPublish {goal} ({sight})?")
    except typer.Abort:
        raise PublishError("nobody is there to answer, so nothing is published; if it is to be: --yes") from None
    if not agreed:
        raise PublishError("nothing is published, as you said")
