"""A fake Hugging Face Hub over real HTTP on loopback: the real huggingface_hub client talks to it.

    with FakeHub() as hub:
        api = HfApi(endpoint=hub.url, token=hub.writer)
        api.create_repo("ada/notes", repo_type="dataset", private=True)
        hub.repo("ada/notes", "dataset").files, hub.jobs, hub.requests      # look at what came
        hub.order("POST", "/commit/", status=500)                           # the next commit fails

It knows whoami, repositories with commits, regular and large files (git-lfs "basic" transfer; Xet is not spoken: set
HF_HUB_DISABLE_XET=1 when `large_bytes` is low), downloads, and jobs. It was written from the client's source; where it
differs from the real Hub is not known, for that cannot be reached here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any, Self

from bench import fake_jobs, fake_repos
from bench.hub_http import Handler, Refusal, Seen
from bench.hub_state import Account, Fault, HubJob, Play, Repo

REPO = r"^/api/(?P<kind>model|dataset)s/(?P<id>[^/]+/[^/]+)"
RESOLVE = r"^/(?P<kind>datasets/)?(?P<id>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)$"
JOBS = r"^/api/jobs/(?P<namespace>[^/]+)"
ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", r"^/api/whoami-v2$", fake_repos.whoami),
    ("POST", r"^/api/validate-yaml$", fake_repos.validate_yaml),
    ("POST", r"^/api/repos/create$", fake_repos.create_repo),
    ("GET", REPO + r"(/revision/(?P<revision>[^/]+))?$", fake_repos.repo_info),
    ("GET", REPO + r"/auth-check$", fake_repos.auth_check),
    ("PUT", REPO + r"/settings$", fake_repos.settings),
    ("GET", REPO + r"/commits/(?P<revision>[^/]+)$", fake_repos.commits),
    ("POST", REPO + r"/preupload/(?P<revision>[^/]+)$", fake_repos.preupload),
    ("POST", REPO + r"/commit/(?P<revision>[^/]+)$", fake_repos.commit),
    ("GET", REPO + r"/tree/(?P<revision>[^/]+)(/(?P<path>.+))?$", fake_repos.tree),
    ("POST", REPO + r"/paths-info/(?P<revision>[^/]+)$", fake_repos.paths_info),
    ("POST", r"^/(?P<kind>datasets/)?(?P<id>[^/]+/[^/]+)\.git/info/lfs/objects/batch$", fake_repos.batch),
    ("PUT", r"^/large/(?P<oid>\w+)$", fake_repos.store),
    ("GET", RESOLVE, fake_repos.resolve),
    ("GET", r"^/api/jobs/hardware$", fake_jobs.hardware),
    ("POST", JOBS + "$", fake_jobs.submit),
    ("GET", JOBS + "$", fake_jobs.listing),
    ("GET", JOBS + r"/(?P<id>\w+)$", fake_jobs.inspect),
    ("POST", JOBS + r"/(?P<id>\w+)/cancel$", fake_jobs.cancel),
    ("GET", JOBS + r"/(?P<id>\w+)/logs$", fake_jobs.logs),
]


class FakeHub:
    """Serves on a free loopback port in a thread of its own; use as a context manager."""

    writer, reader = "hf_writer", "hf_reader"

    def __init__(self, play: Play | None = None, large_bytes: int = 10_000_000) -> None:
        """`play` plays the jobs; files of more than `large_bytes` go through large file storage."""
        self.accounts = {self.writer: Account("ada", orgs=("analytical",)), self.reader: Account("ada", "read")}
        self.repos: dict[tuple[str, str], Repo] = {}
        self.jobs: list[HubJob] = []
        self.requests: list[Seen] = []
        self.play = play or (lambda job: iter(()))
        self.large_bytes = large_bytes
        self.stored: dict[str, bytes] = {}  # large file storage, by SHA-256
        self.lock = threading.Lock()
        self._faults: list[Fault] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for job in self.jobs:
            job.end("CANCELED", "the fake Hub closes")
        self._server.shutdown()
        self._server.server_close()

    def environment(self, token: str | None = None) -> dict[str, str]:
        """Variables for another process that is to talk to this Hub."""
        given = {"HF_TOKEN": token} if token else {}
        return {"HF_ENDPOINT": self.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"} | given

    def repo(self, id: str, kind: str = "model") -> Repo:
        """A repository that there is."""
        return self.repos[kind, id]

    def add(self, id: str, files: dict[str, bytes], kind: str = "model", private: bool = False) -> Repo:
        """Put a repository there, as if somebody had made it before."""
        repo = self.repos[kind, id] = Repo(kind, id, private)
        repo.commit("files", repo.files | files)
        return repo

    def order(self, method: str, path: str, **fault: Any) -> None:
        """Order a failure (Fault's fields) of the next requests whose path matches the regular expression."""
        self._faults.append(Fault(method, re.compile(path), **fault))

    def fault(self, method: str, path: str) -> Fault | None:
        """The ordered failure of a request."""
        with self.lock:
            return next((f for f in self._faults if f.strikes(method, path)), None)

    def account(self, seen: Seen) -> Account | None:
        """Whose token came; None without one; refuses one that it does not know."""
        if seen.token is None:
            return None
        if seen.token not in self.accounts:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return self.accounts[seen.token]

    def readable(self, seen: Seen, kind: str, id: str) -> Repo:
        """A repository that the token may read; the Hub does not tell a private one from one that there is not."""
        account, repo = self.account(seen), self.repos.get((kind, id))
        if repo is None or (repo.private and not (account and id.split("/")[0] in (account.name, *account.orgs))):
            raise Refusal(404 if account else 401, "Repository not found", "RepoNotFound")
        return repo

    def writable(self, seen: Seen, kind: str, id: str) -> Repo:
        """A repository that the token may write."""
        repo = self.readable(seen, kind, id)
        self.allow(seen, "repo.write", id.split("/")[0])
        return repo

    def allow(self, seen: Seen, permission: str, namespace: str) -> None:
        """Refuse a token that does not allow something in a namespace."""
        account = self.account(seen)
        if account is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        if not account.may(permission, namespace):
            raise Refusal(403, f"You don't have the rights to do this under the namespace {namespace!r} ({permission})")

    def answer(self, seen: Seen) -> Any:
        """What a request gets; raises Refusal."""
        for method, pattern, serve in ROUTES:
            found = re.match(pattern, seen.path)
            if method == seen.method and found:
                given = {
                    name: value for name, value in found.groupdict().items() if value is not None or name == "kind"
                }
                return serve(self, seen, **given)
        raise Refusal(404, f"the fake Hub does not know {seen.method} {seen.path}")
