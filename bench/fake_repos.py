"""The repositories of the fake Hub: made, looked at, committed to, downloaded from; one function per address."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from bench.hub_http import Refusal, Reply, Seen
from bench.hub_state import Commit, Repo, git_oid

if TYPE_CHECKING:
    from bench.fake_hub import FakeHub

STAMP = "2026-01-01T00:00:00.000Z"


def whoami(hub: FakeHub, seen: Seen) -> Any:
    """Who the token belongs to, and what it may do."""
    account = hub.account(seen)
    if account is None:
        raise Refusal(401, "Invalid username or password.")
    return account.whoami()


def validate_yaml(hub: FakeHub, seen: Seen) -> Any:
    """A card's metadata block: only that it opens and closes."""
    text = seen.json()["content"]
    if text.startswith("---\n") and "\n---" not in text[4:]:
        raise Refusal(400, "the metadata block does not end")
    return {"errors": [], "warnings": []}


def create_repo(hub: FakeHub, seen: Seen) -> Any:
    """A new repository; 409 if there is one."""
    asked = seen.json()
    account = whoami(hub, seen)["name"]
    kind, id = asked.get("type") or "model", f"{asked.get('organization') or account}/{asked['name']}"
    hub.allow(seen, "repo.write", id.split("/")[0])
    if (kind, id) in hub.repos:
        raise Refusal(409, "You already created this repo", url=url_of(hub, kind, id))
    hub.repos[kind, id] = Repo(kind, id, asked.get("visibility") == "private")
    return {"url": url_of(hub, kind, id), "name": id}


def url_of(hub: FakeHub, kind: str, id: str) -> str:
    """Where a person looks at a repository."""
    return f"{hub.url}/{'datasets/' if kind == 'dataset' else ''}{id}"


def repo_info(hub: FakeHub, seen: Seen, kind: str, id: str, revision: str = "main") -> Any:
    """Name, hash, files."""
    repo = hub.readable(seen, kind, id)
    commit = _at(repo, revision)
    siblings = [
        {"rfilename": path, "size": len(data), "blobId": git_oid(data)} for path, data in sorted(commit.files.items())
    ]
    told = {"id": id, "sha": commit.oid, "private": repo.private, "tags": [], "siblings": siblings}
    return told | {"lastModified": STAMP, "createdAt": STAMP, "downloads": 0, "likes": 0, "gated": False}


def auth_check(hub: FakeHub, seen: Seen, kind: str, id: str) -> Any:
    """Whether its files may be read (a gated one: order a fault with code GatedRepo)."""
    hub.readable(seen, kind, id)
    return {}


def settings(hub: FakeHub, seen: Seen, kind: str, id: str) -> Any:
    """Make it private or public."""
    repo, asked = hub.writable(seen, kind, id), seen.json()
    repo.private = asked.get("visibility") == "private" if "visibility" in asked else asked.get("private", repo.private)
    return {"private": repo.private}


def commits(hub: FakeHub, seen: Seen, kind: str, id: str, revision: str) -> Any:
    """What happened to it, newest first."""
    told = reversed(hub.readable(seen, kind, id).commits)
    return [{"id": c.oid, "title": c.title, "message": "", "date": STAMP, "authors": []} for c in told]


def preupload(hub: FakeHub, seen: Seen, kind: str, id: str, revision: str) -> Any:
    """How each file is to be sent, and the hash of what lies there under its name."""
    files = hub.writable(seen, kind, id).files

    def told(asked: dict[str, Any]) -> dict[str, Any]:
        large, there = asked["size"] > hub.large_bytes, files.get(asked["path"])
        oid = None if there is None else hashlib.sha256(there).hexdigest() if large else git_oid(there)
        return {"path": asked["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid}

    return {"files": [told(one) for one in seen.json()["files"]]}


def batch(hub: FakeHub, seen: Seen, kind: str, id: str) -> Any:
    """git-lfs's batch: where to put each object that is not there yet."""
    hub.writable(seen, "dataset" if kind else "model", id)

    def told(asked: dict[str, Any]) -> dict[str, Any]:
        upload = {"upload": {"href": f"{hub.url}/large/{asked['oid']}"}}
        return asked if asked["oid"] in hub.stored else asked | {"actions": upload}

    return {"transfer": "basic", "objects": [told(one) for one in seen.json()["objects"]]}


def store(hub: FakeHub, seen: Seen, oid: str) -> Any:
    """One object of large file storage; refused when it is not what its hash says."""
    if hashlib.sha256(seen.body).hexdigest() != oid:
        raise Refusal(422, "the content does not have this hash")
    hub.stored[oid] = seen.body
    return {}


def commit(hub: FakeHub, seen: Seen, kind: str, id: str, revision: str) -> Any:
    """All of a commit's changes or none."""
    repo = hub.writable(seen, kind, id)
    header, *changes = (json.loads(line) for line in seen.body.splitlines())
    parent = header["value"].get("parentCommit")
    if parent and not repo.commits[-1].oid.startswith(parent):
        raise Refusal(412, "A commit has happened since. Please refresh and try again.")
    files = dict(repo.files)
    for change in changes:
        _change(hub, files, change["key"], change["value"])
    made = repo.commit(header["value"]["summary"], files)
    return {"success": True, "commitOid": made.oid, "commitUrl": f"{url_of(hub, kind, id)}/commit/{made.oid}"}


def _change(hub: FakeHub, files: dict[str, bytes], key: str, value: dict[str, Any]) -> None:
    path = value["path"]
    if key == "file":
        files[path] = base64.b64decode(value["content"])
    elif key == "lfsFile":
        if value["oid"] not in hub.stored:
            raise Refusal(400, f"LFS pointer of {path} points to a file that does not exist")
        files[path] = hub.stored[value["oid"]]
    else:
        gone = [p for p in files if p == path or (key == "deletedFolder" and p.startswith(path.rstrip("/") + "/"))]
        if not gone:
            raise Refusal(404, "A file with this name doesn't exist", "EntryNotFound")
        for each in gone:
            del files[each]


def tree(hub: FakeHub, seen: Seen, kind: str, id: str, revision: str, path: str | None = None) -> Any:
    """All files below a folder."""
    files = _at(hub.readable(seen, kind, id), revision).files
    below = f"{path.strip('/')}/" if path else ""
    return [_entry(hub, at, data) for at, data in sorted(files.items()) if at.startswith(below)]


def paths_info(hub: FakeHub, seen: Seen, kind: str, id: str, revision: str) -> Any:
    """Those of the paths asked that there are."""
    files = _at(hub.readable(seen, kind, id), revision).files
    asked = parse_qs(seen.body.decode()).get("paths", [])
    return [_entry(hub, path, files[path]) for path in asked if path in files]


def _entry(hub: FakeHub, path: str, data: bytes) -> dict[str, Any]:
    entry = {"type": "file", "path": path, "size": len(data), "oid": git_oid(data)}
    sha = hashlib.sha256(data).hexdigest()
    return entry | ({"lfs": {"oid": sha, "size": len(data), "pointerSize": 130}} if sha in hub.stored else {})


def resolve(hub: FakeHub, seen: Seen, kind: str | None, id: str, revision: str, path: str) -> Reply:
    """A file's content."""
    commit = _at(hub.readable(seen, "dataset" if kind else "model", id), revision)
    if path not in commit.files:
        raise Refusal(404, "Entry not found", "EntryNotFound")
    data = commit.files[path]
    sha = hashlib.sha256(data).hexdigest()
    etag = sha if sha in hub.stored else git_oid(data)
    return Reply(data, {"X-Repo-Commit": commit.oid, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"})


def _at(repo: Repo, revision: str) -> Commit:
    commit = repo.at(unquote(revision))
    if commit is None:
        raise Refusal(404, "Invalid rev id", "RevisionNotFound")
    return commit
