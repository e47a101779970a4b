"""The stages and files behind an output, as dvc.lock recorded them, against how they are now.

A file's version is told by the commit in which it came; an output is stale where a file or param that it was made with
is another one now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tunewright.design_changes import param_changes
from tunewright.file_versions import Version, versions
from tunewright.freshness import file_md5, folder_md5, value_at
from tunewright.tracing import Project, as_dvc_reads

State = Literal["same", "changed", "gone"]
# outputs that only let the pipeline go on: nothing is taken from them
GATES = ("data/design/check.json", "data/design/calibrated.json", "data/generate/gated.json")


@dataclass(frozen=True)
class FileThen:
    """A file that stages read: its version then, and how it stands now."""

    path: str
    md5: str
    stages: list[str]
    state: State
    version: Version | None  # None: in no commit that HEAD leads to, or a folder


@dataclass(frozen=True)
class StageThen:
    """A stage as it ran: its params, which of them are others now, and code that has changed since."""

    stage: str
    params: dict[str, dict[str, Any]]
    params_changed: list[str]
    code_changed: list[str]
    outs: list[str]


@dataclass
class Provenance:
    """What made something."""

    stages: list[StageThen] = field(default_factory=list)
    files: list[FileThen] = field(default_factory=list)

    @property
    def stale(self) -> list[str]:
        """Why it would come out differently now; empty when it would not."""
        found = [
            f"{f.path} {'changed' if f.state == 'changed' else 'is gone'} since"
            for f in self.files
            if f.state != "same"
        ]
        for stage in self.stages:
            found += [f"param of {stage.stage}: {change}" for change in stage.params_changed]
        code = sorted({path for stage in self.stages for path in stage.code_changed})
        return found + ([f"code changed since: {', '.join(code)}"] if code else [])


def provenance(project: Project, made_by: Iterable[str]) -> Provenance:
    """The named stages and all before them whose output theirs was made from; stages that never ran are left out."""
    names = behind(project, [stage for stage in made_by if stage in project.stages])
    made = {out["path"] for values in project.stages.values() for out in values.get("outs", ())}
    return Provenance([stage_then(project, name) for name in names], files_then(project, names, made))


def files_then(project: Project, names: Sequence[str], made: set[str]) -> list[FileThen]:
    """The files that stages read and that no stage makes, without code; one entry for each version."""
    readers: dict[tuple[str, str], list[str]] = {}
    for name in names:
        for dep in project.stages[name].get("deps", ()):
            if dep["path"] not in made and not dep["path"].endswith(".py") and "md5" in dep:
                readers.setdefault((dep["path"], dep["md5"]), []).append(name)
    wanted: dict[str, set[str]] = {}
    for path, md5 in readers:
        wanted.setdefault(path, set()).add(md5)
    known = versions(wanted) if wanted else {}
    return [FileThen(p, md5, stages, state(p, md5), known.get((p, md5))) for (p, md5), stages in readers.items()]


def stage_then(project: Project, name: str) -> StageThen:
    """A stage as dvc.lock recorded its last run."""
    recorded = project.stages[name]
    params = {path: dict(values) for path, values in recorded.get("params", {}).items()}
    code = [
        d["path"]
        for d in recorded.get("deps", ())
        if d["path"].endswith(".py") and state(d["path"], d["md5"]) != "same"
    ]
    changed = [change for path, values in params.items() for change in _params_changed(project, path, values)]
    return StageThen(name, params, changed, code, [out["path"] for out in recorded.get("outs", ())])


def _params_changed(project: Project, path: str, values: Mapping[str, Any]) -> list[str]:
    now = project.params if path == "params.yaml" else as_dvc_reads(path)
    return param_changes(dict(values), {key: value_at(now, key) for key in values})


def state(path: str, md5: str) -> State:
    """How a file or folder stands to the content that dvc.lock recorded."""
    found = Path(path)
    if found.is_dir():
        contents = {str(p.relative_to(found)): p.read_bytes() for p in found.rglob("*") if p.is_file()}
        return "same" if folder_md5(contents) == md5 else "changed"
    if not found.exists():
        return "gone"
    return "same" if file_md5(found.read_bytes()) == md5 else "changed"


def readers(project: Project, path: str) -> list[str]:
    """Stages that read a path: as a dep, inside a folder that is one, or value by value as params."""
    found = []
    for name, values in project.stages.items():
        deps = [dep["path"] for dep in values.get("deps", ())]
        if path in values.get("params", {}) or any(path == d or path.startswith(f"{d}/") for d in deps):
            found.append(name)
    return found


def behind(project: Project, names: Iterable[str]) -> list[str]:
    """The stages and all before them whose output theirs was made from, nearest first."""
    maker = {out["path"]: stage for stage, values in project.stages.items() for out in values.get("outs", ())}
    found = list(dict.fromkeys(names))
    for name in found:  # grows while it is walked
        taken = (dep["path"] for dep in project.stages[name].get("deps", ()) if dep["path"] not in GATES)
        found += [m for m in dict.fromkeys(maker[path] for path in taken if path in maker) if m not in found]
    return found


def downstream(project: Project, names: Iterable[str]) -> list[str]:
    """The stages and all after them that were made from their output, nearest first."""
    found = list(dict.fromkeys(names))
    for name in found:  # grows while it is walked
        outs = {out["path"] for out in project.stages[name].get("outs", ())} - {*GATES}
        for other, values in project.stages.items():
            if other not in found and any(dep["path"] in outs for dep in values.get("deps", ())):
                found.append(other)
    return found
