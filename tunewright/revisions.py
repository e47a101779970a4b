"""What git holds, read by plumbing: commits, DVC experiments, and the files of any revision.

DVC keeps a finished experiment as a commit under refs/exps/<first 2 digits of its baseline>/<the rest>/<name>; queued
and failed ones lie under refs/exps/celery and are not read. Trees and blobs come from one `git cat-file --batch` for
all revisions, each object once: revisions share nearly all of them.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import IO, NamedTuple

from tunewright.errors import RepositoryError

EXPERIMENT = re.compile(r"refs/exps/(?P<head>[0-9a-f]{2})/(?P<tail>[0-9a-f]{38}|[0-9a-f]{62})/(?P<name>.+)")
FOLDER, FILES = b"40000", (b"100644", b"100755")  # modes in a tree; symlinks and submodules are neither


@dataclass(frozen=True)
class Revision:
    """A commit, or a DVC experiment; `parents` of an experiment is its baseline."""

    commit: str
    tree: str
    parents: tuple[str, ...]
    time_s: int  # of committing, since 1970
    date: str  # the same, as YYYY-MM-DD where it was committed
    subject: str
    experiment: str = ""

    @property
    def name(self) -> str:
        """What `git show` or `dvc exp apply` takes."""
        return self.experiment or self.commit[:7]


class Repository(NamedTuple):
    """Where in which repository the project lies."""

    prefix: str  # of the project inside the repository, "" or ending in "/"
    shallow: bool


class Entry(NamedTuple):
    """A line of a tree."""

    is_folder: bool
    hash: str


def find_repository() -> Repository:
    """The repository around the working directory; raises RepositoryError where there is none or it has no commit."""
    said = _git("rev-parse", "--show-prefix", "--is-shallow-repository").split("\n")
    try:
        _git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    except RepositoryError:
        raise RepositoryError("git: no commit yet, so there is no history; commit first: git commit") from None
    return Repository(said[0], said[1] == "true")


def commits() -> list[Revision]:
    """All commits that HEAD leads to, newest first, a commit always before its parents."""
    form = "%H%x00%T%x00%P%x00%ct%x00%cs%x00%s"
    rows = [line.split("\0") for line in _lines("log", "--no-show-signature", f"--format={form}", "HEAD")]
    return [Revision(c, tree, tuple(p.split()), int(t), date, subject) for c, tree, p, t, date, subject in rows]


def experiments() -> list[Revision]:
    """All finished DVC experiments, on whatever baseline, newest first."""
    fields = ("refname", "objectname", "tree", "committerdate:unix", "committerdate:short", "contents:subject")
    form = "%00".join(f"%({field})" for field in fields)
    found = []
    for line in _lines("for-each-ref", f"--format={form}", "--sort=-committerdate", "refs/exps"):
        ref, commit, tree, time_s, date, subject = line.split("\0")
        if tree and (named := EXPERIMENT.fullmatch(ref)):
            baseline = named["head"] + named["tail"]
            found.append(Revision(commit, tree, (baseline,), int(time_s), date, subject, named["name"]))
    return found


def newest_first(commits: Sequence[Revision], experiments: Sequence[Revision]) -> list[Revision]:
    """Experiments among the commits by time, each before the baseline that it was made from; commits keep their order.

    The clock of a machine may run behind the commit that it fetched, so time alone is not enough.
    """
    place = {revision.commit: number for number, revision in enumerate(commits)}
    before: dict[int, list[Revision]] = {}
    for one in sorted(experiments, key=lambda e: -e.time_s):
        by_time = next((n for n, c in enumerate(commits) if c.time_s <= one.time_s), len(commits))
        before.setdefault(min(by_time, place.get(one.parents[0], by_time)), []).append(one)
    order: list[Revision] = []
    for number, commit in enumerate(commits):
        order += [*before.get(number, []), commit]
    return order + before.get(len(commits), [])


class Objects:
    """Trees and blobs by their hash; a context manager, since a git process answers as long as it is open."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        command = ["git", "cat-file", "--batch"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        assert self._process.stdin and self._process.stdout
        self._ask: IO[bytes] = self._process.stdin
        self._answer: IO[bytes] = self._process.stdout
        self.read = cache(self._read)
        self.entries = cache(self._entries)

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, *_: object) -> None:
        self._ask.close()
        self._answer.close()
        self._process.wait()

    def _read(self, hash: str) -> bytes | None:
        """An object's bytes; None where this clone does not have it."""
        self._ask.write(f"{hash}\n".encode())
        self._ask.flush()
        header = self._answer.readline().split()
        if header[1:] == [b"missing"]:
            return None
        if len(header) != 3:
            raise RepositoryError(f"git: object {hash} cannot be read; look for damage with: git fsck")
        content = self._answer.read(int(header[2]))
        self._answer.read(1)  # the newline that ends an answer
        return content

    def _entries(self, tree: str) -> Mapping[str, Entry]:
        """Files and folders directly in a tree: lines of `<mode> <name>\\0<hash in bytes>` without separator."""
        content = (self.read(tree) if tree else None) or b""
        width, found, at = len(tree) // 2, {}, 0
        while at < len(content):
            end = content.index(b"\0", at)
            mode, name = content[at:end].split(b" ", 1)
            at = end + 1 + width
            if mode == FOLDER or mode in FILES:
                found[name.decode("utf-8", "replace")] = Entry(mode == FOLDER, content[end + 1 : at].hex())
        return found

    def find(self, tree: str, path: str) -> Entry | None:
        """What lies at a path under a tree, if anything; "" is the tree itself."""
        found = Entry(True, tree)
        for part in (p for p in path.split("/") if p not in ("", ".")):
            inside = self.entries(found.hash) if found.is_folder else {}
            if part not in inside:
                return None
            found = inside[part]
        return found

    def files(self, tree: str, path: str) -> dict[str, str]:
        """Blobs by path: the file at `path`, or every file under the folder; empty where there is neither."""
        found = self.find(tree, path)
        if found is None or not found.is_folder:
            return {path: found.hash} if found else {}
        inside: dict[str, str] = {}
        for name in self.entries(found.hash):
            inside |= self.files(tree, f"{path.rstrip('/')}/{name}")
        return inside

    def tree_of(self, commit: str) -> str | None:
        """The tree of a commit; None where this clone does not have the commit."""
        content = self.read(commit)
        return content.split(b"\n", 1)[0].removeprefix(b"tree ").decode() if content else None


def under(objects: Objects, revision: Revision, prefix: str) -> Revision:
    """The revision as the project sees it: its tree is that of the project's folder, empty before there was one."""
    found = objects.find(revision.tree, prefix)
    return replace(revision, tree=found.hash if found and found.is_folder else "")


def _lines(*words: str) -> list[str]:
    """A git command's lines; not by splitlines, which takes more for a line's end than git does."""
    return [line for line in _git(*words).split("\n") if line]


def _git(*words: str) -> str:
    """A git command's output; raises RepositoryError with git's own first line."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise RepositoryError("git: not installed, or not in PATH; the history is read from git") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[0].removeprefix("fatal: ")
        raise RepositoryError(f"git {words[0]}: {said}; run this in the project's git repository")
    return done.stdout
