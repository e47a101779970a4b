"""Whether what lies in the workspace is what one run of the pipeline left: the published parts must belong together.

Compared are the hashes that dvc.lock recorded: of what each stage read against what another stage made of it, of design
files and params against the workspace, and of outputs against the files on disk (large ones by their size).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tunewright.provenance import GATES, behind, files_then, stage_then
from tunewright.provenance import state as state_of
from tunewright.publishing.parcel import Part
from tunewright.tracing import Project

MAKERS: dict[Part, tuple[str, ...]] = {
    "dataset": ("generate-slices", "generate-audit", "generate-analyze"),
    "adapter": ("train-adapter", "evaluate-compare", "evaluate-sanity"),
    "merged": ("train-merge", "evaluate-compare", "evaluate-sanity"),
    "gguf": ("train-export@tuned", "evaluate-compare", "evaluate-sanity"),
}
METRICS = Path("metrics")
LARGE_BYTES = 64 << 20  # of an output: above it sizes are compared, not contents


def out_of_step(project: Project, parts: Sequence[Part], files: Iterable[Path] = ()) -> list[str]:
    """Why what lies here is not of one run; empty where it is. Code alone may be newer than the run.

    `files` are those that go along (reports, an adapter as GGUF): a stage that nothing else needs may have made one.
    """
    wanted = list(dict.fromkeys(maker for part in parts for maker in MAKERS[part]))
    if missing := [name for name in wanted if name not in project.stages]:
        return [f"dvc.lock records no run of {', '.join(missing)}"]
    names = behind(project, dict.fromkeys([*wanted, *_makers_of(project, files)]))
    made = {out["path"] for stage in project.stages.values() for out in stage.get("outs", ())}
    found = list(_read_another(project, names)) + list(_not_as_made(project, names))
    for file in files_then(project, names, made):
        if file.state != "same":
            found.append(
                f"{file.path} {'changed' if file.state == 'changed' else 'is gone'} since {file.stages[0]} read it"
            )
    for name in names:
        found += [f"param of {name}: {change}" for change in stage_then(project, name).params_changed]
    return found


def _makers_of(project: Project, files: Iterable[Path]) -> Iterator[str]:
    """Stages that made a file, or the folder that it lies in; metrics tell of their own run and may be older."""
    makers = {Path(out["path"]): stage for stage, made in project.stages.items() for out in made.get("outs", ())}
    for file in (file for file in files if METRICS not in file.parents):
        yield from (makers[place] for place in (file, *file.parents) if place in makers)


def _read_another(project: Project, names: Sequence[str]) -> Iterator[str]:
    """Stages that read another version of an output than the one made last."""
    made = {o["path"]: (s, o.get("md5")) for s, v in project.stages.items() for o in v.get("outs", ())}
    for name in names:
        for dep in project.stages[name].get("deps", ()):
            maker, md5 = made.get(dep["path"], ("", None))
            if maker and dep["path"] not in GATES and dep.get("md5") != md5:
                yield f"{name} read another version of {dep['path']} than {maker} made last"


def _not_as_made(project: Project, names: Sequence[str]) -> Iterator[str]:
    """Outputs that are not on disk as they were made."""
    for name in names:
        for out in project.stages[name].get("outs", ()):
            path = Path(out["path"])
            if path.exists() and not _is_as_made(path, out):
                yield f"{path} is not what {name} made"


def _is_as_made(path: Path, out: dict[str, object]) -> bool:
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    size = sum(file.stat().st_size for file in files)
    if size != out.get("size", size):
        return False
    return size > LARGE_BYTES or "md5" not in out or state_of(str(path), str(out["md5"])) == "same"
