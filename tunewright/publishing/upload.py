"""A parcel to its repository, in one commit.

Large files are sent first, into the Hub's storage, by their SHA-256; what has arrived there is not sent again, so an
interrupted upload goes on where it was. Then one commit takes all files, the card and the removal of what an earlier
version left: a reader sees the whole or, before, nothing new. A repository is private until that commit is done.
(huggingface_hub's upload_large_folder resumes too, but in many commits; between them a card would promise too much.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile

from tunewright.errors import PublishError
from tunewright.hub import Errand
from tunewright.publishing.parcel import CARD, Files, Kind, Parcel

KEPT = (".gitattributes", CARD)
AGAIN = "what has arrived there is kept: run the same command again to go on"
PUBLISHING = Errand(
    PublishError,
    "publish.namespace",
    AGAIN,
    {
        409: f"somebody else is writing there at the same time; {AGAIN}",
        412: f"something was committed there meanwhile; {AGAIN}",
    },
    also=(RuntimeError, ValueError, OSError),
)


@dataclass(frozen=True)
class Remote:
    """A repository as it is on the Hub before publishing."""

    repo_id: str
    kind: Kind
    exists: bool
    private: bool
    sha: str | None
    files: Files


def look(api: HfApi, repo_id: str, kind: Kind) -> Remote:
    """What is there; nothing where there is no such repository (or none that the token may see)."""
    with PUBLISHING.explained(f"look at {kind} {repo_id}"):
        try:
            info = api.repo_info(repo_id, repo_type=kind)
        except RepositoryNotFoundError:
            return Remote(repo_id, kind, False, True, None, {})
        tree = api.list_repo_tree(repo_id, recursive=True, repo_type=kind, revision=info.sha)
        files = {entry.path: entry.size for entry in tree if isinstance(entry, RepoFile)}
    return Remote(repo_id, kind, True, bool(info.private), info.sha, files)


def refuse_open(remote: Remote, public: bool) -> None:
    """Raise PublishError where a repository is public already and nobody said that it may be."""
    if remote.exists and not remote.private and not public:
        raise PublishError(
            f"{remote.kind} {remote.repo_id} is public already, so whatever goes there is; say so with --public, or "
            "make it private in its settings on the Hub"
        )


def files_after(remote: Remote, parcel: Parcel) -> dict[str, int]:
    """Bytes by path of the whole repository once the parcel is in it, without what every repository has."""
    staying = {path: n for path, n in remote.files.items() if not parcel.replaces(path) and path not in KEPT}
    return {**staying, **parcel.files}


def stale(remote: Remote, parcel: Parcel) -> list[str]:
    """Files that an earlier version of the parcel left there."""
    return sorted(path for path in remote.files if parcel.replaces(path) and path not in parcel.files)


def send(api: HfApi, remote: Remote, parcel: Parcel, card: str, public: bool) -> str:
    """Make the repository if needed, commit, and open it if it is to be public; returns the commit's address."""
    repo_id, kind = remote.repo_id, parcel.kind
    if not remote.exists:
        with PUBLISHING.explained(f"make the private {kind} repository {repo_id}"):
            api.create_repo(repo_id, repo_type=kind, private=True, exist_ok=True)
    with PUBLISHING.explained(f"upload to {kind} {repo_id}"):
        made = api.create_commit(
            repo_id,
            operations(remote, parcel, card),
            commit_message=f"{', '.join(parcel.parts)}, published by Tunewright",
            repo_type=kind,
            parent_commit=remote.sha,
        )
    if public and (remote.private or not remote.exists):
        with PUBLISHING.explained(f"make {kind} {repo_id} public"):
            api.update_repo_settings(repo_id, repo_type=kind, private=False)
    return f"{made.commit_url}{' (nothing had changed)' if made.oid == remote.sha else ''}"


def operations(remote: Remote, parcel: Parcel, card: str) -> list[Any]:
    """All changes of the one commit; the client leaves out files that the Hub has already."""
    adds = [CommitOperationAdd(upload.path, _source(upload.source)) for upload in parcel.uploads]
    deletes = [CommitOperationDelete(path, is_folder=False) for path in stale(remote, parcel)]
    return [*adds, *deletes, CommitOperationAdd(CARD, card.encode())]


def _source(source: Any) -> str | bytes:
    return source if isinstance(source, bytes) else str(source)
