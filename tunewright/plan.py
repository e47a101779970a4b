"""What `dvc repro` would run now, and what it would cost, without calling a model or training.

The stale stages run in a shadow of the workspace, in the order of the DAG, with a client that only looks into the reply
cache (`tunewright.planning`). A stage whose replies are all there gives its real output, so that an edit that changes
nothing further down ends there, as under `dvc repro`. Where replies are missing, placeholders go on, and what
follows is an estimate. Stages that train are not run: that they would, and how long they took last time, is told.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from tunewright.durations import last_durations
from tunewright.errors import ConfigError, RepositoryError
from tunewright.freshness import file_md5, folder_md5
from tunewright.locations import cache_dir
from tunewright.planning import PLAN, Counts, Planned
from tunewright.records import Record

SHADOWED_OUT = {".git", ".venv", ".cache", ".dvc", "__pycache__", ".pytest_cache", ".ruff_cache", ".hypothesis"}
UNPLANNED = ("train-", "evaluate-perplexity", "evaluate-forgetting")  # never run to plan: they need the weights
NEVER_RUN = "it has never run"
MARK = "planned\n"  # what stands for an output that only a real run can make

Kind = Literal["exact", "estimate", "runs", "unknown"]


class Step(Record):
    """One stage that would run.

    exact: its calls are known. estimate: it works on replies, or examples, that do not exist yet. runs: it calls no
    model and was not run here. unknown: it could not be run on what there is so far; `note` says why.
    """

    stage: str
    why: tuple[str, ...]
    kind: Kind
    calls: tuple[Planned, ...] = ()
    cached: int = 0  # requests that the cache answers
    last_s: float | None = None  # how long it took the last time
    note: str = ""

    @property
    def made(self) -> int:
        """Calls that would be made."""
        return sum(one.made for one in self.calls)


class Shadow:
    """The workspace as links, in which stages can write without touching it."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.written: set[str] = set()  # outputs made here
        self.awaited: set[str] = set()  # outputs that only a real run makes
        for path, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name not in SHADOWED_OUT]
            here = folder / Path(path).relative_to(root)
            here.mkdir(parents=True, exist_ok=True)
            for name in files:
                (here / name).symlink_to(Path(path) / name)

    def clear(self, outs: Sequence[str]) -> None:
        """Remove a stage's outputs, as DVC does before a run."""
        for out in outs:
            path = self.folder / out
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.written.add(out)

    def pretend(self, outs: Sequence[str]) -> None:
        """Put a mark where an output will be that nobody knows yet; numbers that others read stay the last ones."""
        self.awaited.update(outs)
        for out in outs:
            if out.endswith(".json"):
                continue
            is_folder = (self.root / out).is_dir()
            self.clear([out])
            path = self.folder / out
            if is_folder:
                path.mkdir()
            (path / "PLANNED" if is_folder else path).write_text(MARK, "utf-8")

    def touched(self, path: str) -> bool:
        """Whether a dependency is, or holds, something that was made here."""
        return any(one == path or one.startswith(f"{path}/") or path.startswith(f"{one}/") for one in self.written)

    def md5(self, path: str) -> str | None:
        """DVC's hash of a path here; None where nothing is."""
        at = self.folder / path
        if at.is_dir():
            files = (p for p in at.rglob("*") if p.is_file())
            return folder_md5({p.relative_to(at).as_posix(): p.read_bytes() for p in files})
        return file_md5(at.read_bytes()) if at.exists() else None


def plan(targets: Sequence[str], advance: Callable[[str], None] = lambda stage: None) -> list[Step]:
    """The stages that `dvc repro TARGETS` would run, in order, with their calls.

    Raises RepositoryError outside a DVC repository, ConfigError for an unknown target.
    """
    steps: list[Step] = []
    durations = last_durations()
    with _repository() as repo, _shadow(Path(repo.root_dir)) as shadow:
        for stage in _in_order(repo, targets):
            advance(stage.addressing)
            why = _stale(stage, shadow)
            if why:
                guessed = any(one.made or one.kind != "exact" for one in steps)
                steps.append(_step(stage, why, shadow, guessed, durations.get(stage.addressing)))
    return steps


@contextmanager
def _repository() -> Iterator[Any]:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo  # slow to import: only this command needs it

    try:
        with Repo() as repo:
            yield repo
    except DvcException as error:
        raise RepositoryError(f"{Path.cwd()}: DVC cannot read the pipeline: {error}") from None


@contextmanager
def _shadow(root: Path) -> Iterator[Shadow]:
    parent = root / ".dvc" / "tmp"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix="plan-") as folder:
        yield Shadow(root, Path(folder))


def _in_order(repo: Any, targets: Sequence[str]) -> list[Any]:
    """The stages of the main pipeline, each after those that it needs."""
    import networkx

    graph = repo.index.graph
    wanted = list(graph)
    if targets:
        known = {stage.addressing: stage for stage in graph}
        named = [s for t in targets for a, s in known.items() if a == t or a.startswith(f"{t}@")]
        if missing := [t for t in targets if not any(a == t or a.startswith(f"{t}@") for a in known)]:
            raise ConfigError(f"{' '.join(missing)}: no such stage in dvc.yaml; there are: {', '.join(sorted(known))}")
        wanted = [s for one in named for s in (one, *networkx.descendants(graph, one))]
    order = networkx.lexicographical_topological_sort(graph.reverse(copy=True), key=lambda s: s.addressing)
    chosen = set(wanted)
    return [stage for stage in order if stage in chosen and stage.cmd and "/" not in stage.addressing]


def _stale(stage: Any, shadow: Shadow) -> tuple[str, ...]:
    """Why a stage would run; empty where it would not."""
    why: list[str] = []
    if not any(out.hash_info for out in stage.outs):
        return (NEVER_RUN,)
    if stage.changed_stage():
        why.append("its entry in dvc.yaml")
    for dep in stage.deps:
        path = _relative(dep, shadow.root)
        if path is not None and shadow.touched(path):
            if shadow.md5(path) != dep.hash_info.value:
                why.append(path)
        elif status := dep.workspace_status():
            why += _named(status)
    for out in stage.outs:
        if shadow.touched(_relative(out, shadow.root) or ""):
            continue
        if status := out.status():
            why.append(f"{out} is {'not there' if 'deleted' in status.values() else ', '.join(status.values())}")
    return tuple(dict.fromkeys(why))


def _named(status: dict[str, Any]) -> list[str]:
    """DVC's words for what changed: a path, or the keys of a params file."""
    return [
        name
        for path, what in status.items()
        for name in ([f"{path}:{key}" for key in what] if isinstance(what, dict) else [path])
    ]


def _relative(item: Any, root: Path) -> str | None:
    """The path of a dependency or an output from the root; None for params."""
    return None if hasattr(item, "params") else Path(item.fs_path).relative_to(root).as_posix()


def _step(stage: Any, why: tuple[str, ...], shadow: Shadow, guessed: bool, last_s: float | None) -> Step:
    outs = [path for out in stage.outs if (path := _relative(out, shadow.root))]
    about = {"stage": stage.addressing, "why": why, "last_s": last_s}
    if stage.addressing.startswith(UNPLANNED):
        shadow.pretend(outs)
        return Step(**about, kind="runs")
    shadow.clear(outs)
    counts, fault = _run(stage, shadow)
    about |= {"calls": tuple(c for one in counts for c in one.calls), "cached": sum(one.cached for one in counts)}
    guessed = guessed or any(one.guessed for one in counts)
    if fault:
        waits = repr(MARK) in fault or any(path in fault for path in shadow.awaited)  # unknown: that says it
        shadow.pretend(outs)
        return Step(**about, kind="unknown", note="" if waits else fault)
    return Step(**about, kind="estimate" if guessed else "exact")


def _run(stage: Any, shadow: Shadow) -> tuple[list[Counts], str]:
    """Run a stage's command in the shadow; its counts, and its last words where it failed."""
    file = shadow.folder / f".plan-{stage.addressing}"
    paths = os.pathsep.join([str(shadow.folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    command_path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    env = os.environ | {
        PLAN: str(file), "TUNEWRIGHT_CACHE": str(cache_dir().resolve()), "PYTHONPATH": paths, "PATH": command_path,
    }  # fmt: skip
    done = subprocess.run(
        stage.cmd, shell=True, cwd=shadow.folder, env=env, capture_output=True, text=True, check=False
    )
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    found = [Counts.model_validate_json(line) for line in lines]
    told = [line for line in done.stderr.splitlines() if line.strip()]
    return found, "" if done.returncode == 0 else (told[-1] if told else f"exit code {done.returncode}")
