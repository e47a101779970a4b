"""What the fake Hub of bench/fake_hub.py holds: accounts, repositories with their commits, jobs, and ordered faults."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["write", "read", "fineGrained"]
Play = Callable[["HubJob"], Iterator[str]]  # plays a job: yields its log lines; raises JobFailed


@dataclass(frozen=True)
class Account:
    """Whose a token is; `permissions` (repo.write, job.write ...) are those of a fine-grained token."""

    name: str
    role: Role = "write"
    orgs: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()

    def may(self, permission: str, namespace: str) -> bool:
        """Whether the token allows something in a namespace."""
        inside = namespace == self.name or namespace in self.orgs
        return inside and (self.role == "write" or permission in self.permissions)

    def whoami(self) -> dict[str, Any]:
        """As /api/whoami-v2 says it."""
        token: dict[str, Any] = {"displayName": "a token", "role": self.role, "createdAt": "2026-01-01T00:00:00.000Z"}
        if self.role == "fineGrained":
            entities = [("user", self.name), *(("org", org) for org in self.orgs)]
            scoped = [
                {"entity": {"_id": name, "type": kind, "name": name}, "permissions": list(self.permissions)}
                for kind, name in entities
            ]
            token["fineGrained"] = {"canReadGatedRepos": False, "global": [], "scoped": scoped}
        orgs = [{"type": "org", "id": org, "name": org, "fullname": org, "roleInOrg": "write"} for org in self.orgs]
        auth = {"type": "access_token", "accessToken": token}
        return {"type": "user", "id": self.name, "name": self.name, "fullname": self.name, "orgs": orgs, "auth": auth}


@dataclass(frozen=True)
class Commit:
    """`files`: the whole tree after it, by path."""

    oid: str
    title: str
    files: dict[str, bytes]


@dataclass
class Repo:
    """One repository; its only branch is main."""

    kind: str  # model or dataset
    id: str
    private: bool
    commits: list[Commit] = field(default_factory=list)
    large: set[str] = field(default_factory=set)  # SHA-256 of what lies in large file storage

    def __post_init__(self) -> None:
        self.commit("initial commit", {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"})

    @property
    def files(self) -> dict[str, bytes]:
        """The newest tree."""
        return self.commits[-1].files

    def commit(self, title: str, files: dict[str, bytes]) -> Commit:
        """Put a new tree on main."""
        before = self.commits[-1].oid if self.commits else self.id
        told = [before, title, *(f"{path} {git_oid(data)}" for path, data in sorted(files.items()))]
        self.commits.append(Commit(hashlib.sha1("\n".join(told).encode()).hexdigest(), title, files))
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        """The commit that a branch name or a hash means."""
        if revision == "main":
            return self.commits[-1]
        return next((c for c in self.commits if c.oid == revision), None)


def git_oid(data: bytes) -> str:
    """The SHA-1 that git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class JobFailed(Exception):
    """Raised by what plays a job: it ends in stage ERROR with this message."""


@dataclass
class HubJob:
    """A job; `spec` is what was posted."""

    id: str
    namespace: str
    spec: dict[str, Any]
    stage: str = "RUNNING"
    message: str | None = None
    logs: list[str] = field(default_factory=list)
    running_s: int | None = None
    taken_s: float = 0.0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def play(self, play: Play) -> None:
        """Run to an end, in whatever thread this is; `running_s` is what the play says, else what it took."""
        started = time.monotonic()
        try:
            for line in play(self):
                with self.changed:
                    if self.stage != "RUNNING":
                        return  # cancelled
                    self.logs.append(line)
                    self.taken_s = time.monotonic() - started
                    self.changed.notify_all()
            self.end("COMPLETED")
        except JobFailed as error:
            self.end("ERROR", str(error))

    def end(self, stage: str, message: str | None = None) -> None:
        """The first end stays."""
        with self.changed:
            if self.stage == "RUNNING":
                self.stage, self.message = stage, message
            self.changed.notify_all()

    def lines(self) -> Iterator[str]:
        """The log from its start, as long as the job runs."""
        at = 0
        while True:
            with self.changed:
                self.changed.wait_for(lambda at=at: len(self.logs) > at or self.stage != "RUNNING", timeout=60)
                new, over = self.logs[at:], self.stage != "RUNNING"
            yield from new
            at += len(new)
            if over and at == len(self.logs):
                return

    def info(self) -> dict[str, Any]:
        """As /api/jobs/NAMESPACE/ID says it; secrets by name only."""
        spec = self.spec
        ran = round(self.taken_s) if self.running_s is None else self.running_s
        return {
            "id": self.id,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "dockerImage": spec.get("dockerImage"),
            "command": spec.get("command"),
            "arguments": spec.get("arguments"),
            "environment": spec.get("environment"),
            "secrets": dict.fromkeys(spec.get("secrets") or {}, ""),
            "flavor": spec.get("flavor"),
            "labels": spec.get("labels"),
            "status": {"stage": self.stage, "message": self.message},
            "durations": {"schedulingSecs": 1, "runningSecs": ran, "totalSecs": ran + 1},
            "owner": {"id": self.namespace, "name": self.namespace, "type": "user"},
        }


@dataclass
class Fault:
    """An ordered failure of the next `times` requests that match, after `skip` others.

    `status`: answered with it, nothing done. `drop`: the connection is closed without an answer; with `late`, after
    the request was carried out. `delay_s`: late. `events`: a log stream breaks off after so many lines.
    """

    method: str
    path: re.Pattern[str]
    times: int = 1
    skip: int = 0
    status: int | None = None
    message: str = "ordered by the test"
    code: str | None = None  # the Hub's X-Error-Code
    drop: bool = False
    late: bool = False
    delay_s: float = 0.0
    events: int | None = None

    def strikes(self, method: str, path: str) -> bool:
        """Whether this request is to fail; counts down."""
        if method != self.method or not self.path.search(path) or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True
