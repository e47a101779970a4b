"""Stage outputs at any revision: dvc.lock says which content a path had, and the DVC cache or git holds it.

Nothing is checked out. A revision's outputs are read from the cache, its sources from git; the workspace's from disk.
What git would commit of the workspace is written as a tree into a temporary object store, so that the workspace reads
like any other revision and no object of it stays behind.
"""

from __future__ import annotations

import configparser
import io
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO

from tunewright.errors import MissingInputError, RepositoryError
from tunewright.lock import LOCK, stages_of
from tunewright.revisions import Objects, Revision, experiments, find_repository, under
from tunewright.snapshots import Reader

WORKSPACE = "workspace"  # as DVC calls it


@dataclass(frozen=True)
class Recorded:
    """What dvc.lock says of an output."""

    stage: str
    md5: str


@dataclass(frozen=True)
class Side:
    """One of two revisions that are compared; `revision.commit` is "" for the workspace."""

    name: str
    revision: Revision
    reader: Reader
    lock: Mapping[str, Mapping[str, Any]]

    @property
    def is_workspace(self) -> bool:
        """Whether outputs are read from disk."""
        return not self.revision.commit

    def params(self) -> dict[str, Any]:
        """params.yaml of this side; empty where it is no mapping."""
        found, _ = self.reader.parsed(self.revision.tree, "params.yaml")
        return found if isinstance(found, dict) else {}

    def open(self, path: str) -> BinaryIO | None:
        """A file's bytes, None where the side never had it.

        Raises OutputMissing for an output that dvc.lock knows and that is not at hand.
        """
        recorded = recorded_out(self.lock, path)
        try:
            if self.is_workspace:
                return open(path, "rb")
            if recorded:
                return open_cached(path, recorded.md5)
        except FileNotFoundError:
            if recorded:
                raise OutputMissing(self, path, recorded.stage) from None
            return None
        found = self.reader.objects.find(self.revision.tree, path)
        content = self.reader.objects.read(found.hash) if found and not found.is_folder else None
        return None if content is None else io.BytesIO(content)

    def missing(self, paths: Sequence[str], stages: Sequence[str]) -> str:
        """What to say of outputs that are not at hand, and what to do."""
        listed, again = ", ".join(paths), f"dvc repro {' '.join(dict.fromkeys(stages))}"
        if self.is_workspace:
            return f"not in the workspace, though dvc.lock records it: {listed}; get it with: dvc checkout, or: {again}"
        return (
            f"not in the DVC cache, though dvc.lock at {self.name} records it: {listed}; get it with: "
            f"dvc fetch --all-commits, or make it again with: git checkout {self.revision.name} && {again}"
        )


class OutputMissing(MissingInputError):
    """An output that dvc.lock records and neither the workspace nor the DVC cache holds."""

    def __init__(self, side: Side, path: str, stage: str) -> None:
        super().__init__(side.missing([path], [stage]))
        self.side, self.path, self.stage = side, path, stage


def recorded_out(lock: Mapping[str, Mapping[str, Any]], path: str) -> Recorded | None:
    """The stage and md5 of the output that a path is, or lies in; None for what is no output."""
    for stage, values in lock.items():
        for out in values.get("outs", ()):
            if path == out["path"] or path.startswith(f"{out['path']}/"):
                return Recorded(stage, str(out.get("md5", "")))
    return None


def cache_folder() -> Path:
    """Where DVC keeps contents by md5: `cache.dir` of its config, else .dvc/cache; local config wins."""
    named = _dvc_config().get("cache", "dir", fallback="")
    return (Path(".dvc") / named if named else Path(".dvc/cache")) / "files" / "md5"


def remotes() -> list[str]:
    """The DVC remotes that the project names."""
    named = (section.strip("'\"") for section in _dvc_config().sections())
    return [name.removeprefix("remote").strip(' "') for name in named if name.startswith("remote")]


def _dvc_config() -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None)
    config.read([".dvc/config", ".dvc/config.local"], "utf-8")
    return config


def cached(md5: str) -> Path:
    """Where DVC keeps the content of a hash."""
    return cache_folder() / md5[:2] / md5[2:]


def open_cached(path: str, md5: str) -> BinaryIO | None:
    """A file's content in the cache; `md5` may be that of a folder that it lies in.

    Raises FileNotFoundError where the cache lacks it; None for a file that the folder did not have.
    """
    if not md5.endswith(".dir"):
        return cached(md5).open("rb")
    listing = json.loads(cached(md5).read_text("utf-8"))
    inside = next((e["md5"] for e in listing if path.endswith(f"/{e['relpath']}")), None)
    return cached(inside).open("rb") if inside else None


@contextmanager
def sides(before: str, after: str) -> Iterator[tuple[Side, Side]]:
    """Two revisions by name (a commit, a DVC experiment, or "workspace"), readable while the block runs."""
    with tempfile.TemporaryDirectory(prefix="tunewright-") as folder:
        repository = find_repository()
        environment = {WORKSPACE: _environment(Path(folder))}
        with Objects(environment[WORKSPACE]) as objects:
            reader = Reader(objects)
            pair = []
            for name in (before, after):
                found = _workspace(environment[WORKSPACE]) if name == WORKSPACE else revision(name)
                at = under(objects, found, repository.prefix)
                lock, _ = reader.parsed(at.tree, LOCK)
                pair.append(Side(name, at, reader, stages_of(lock)))
            yield pair[0], pair[1]


def revision(name: str) -> Revision:
    """A commit that git knows by this name, else a DVC experiment; raises RepositoryError with names that are near."""
    form = "--format=%H%x00%T%x00%P%x00%ct%x00%cs%x00%s"
    shown = subprocess.run(
        ["git", "log", "-1", "--no-show-signature", form, "--end-of-options", name, "--"],
        capture_output=True, text=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    if shown.returncode == 0 and shown.stdout:
        commit, tree, parents, time_s, date, subject = shown.stdout.rstrip("\n").split("\0")
        return Revision(commit, tree, tuple(parents.split()), int(time_s), date, subject)
    tried = experiments()
    for one in tried:
        if one.experiment == name:
            return one
    near = get_close_matches(name, [*(one.experiment for one in tried), *_branches(), WORKSPACE], n=3)
    hint = f"; near it: {', '.join(near)}" if near else ""
    raise RepositoryError(
        f"{name!r} is neither a git revision nor a DVC experiment{hint}; see: git log --oneline, tunewright history"
    )


def _branches() -> list[str]:
    form = ["git", "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags"]
    return subprocess.run(form, capture_output=True, text=True).stdout.split()


def _environment(folder: Path) -> dict[str, str]:
    """Git with an index and an object store of its own, which also reads the repository's."""
    found = subprocess.run(["git", "rev-parse", "--git-path", "objects"], capture_output=True, text=True).stdout.strip()
    (folder / "objects").mkdir()
    return {
        **os.environ,
        "GIT_INDEX_FILE": str(folder / "index"),
        "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(Path(found).resolve()),
    }


def _workspace(environment: Mapping[str, str]) -> Revision:
    """The tree that `git add --all && git commit` would make, without touching index or objects."""
    index = subprocess.run(["git", "rev-parse", "--git-path", "index"], capture_output=True, text=True).stdout.strip()
    if Path(index).exists():
        shutil.copyfile(index, environment["GIT_INDEX_FILE"])  # so that only what changed is hashed
    tree = ""
    for words in (["add", "--all", ":/"], ["write-tree"]):
        done = subprocess.run(["git", *words], env=dict(environment), capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["no reason given"])[0].removeprefix("fatal: ")
            raise RepositoryError(f"git {words[0]}: {said}; the workspace cannot be read as git would commit it")
        tree = done.stdout.strip()
    return Revision("", tree, (), 0, "", WORKSPACE)
