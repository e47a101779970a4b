"""Whether a committed metric was computed for the design beside it, by the hashes that dvc.lock recorded.

It was when every file of the design that its stage, or a stage before it, ran on has the recorded content. Compared
are files (md5 of their bytes), folders (md5 of DVC's listing of them), granular params of a design file (by value) and
the metric's own file. Not compared: what is no part of the design (code, other params, authored conversations,
models), and hashes of another kind than DVC 3's md5. Files that git converts on checkout (line ends) count as changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

Mark = Literal["", "*", "?"]  # computed for this design; for another one; dvc.lock does not say
Stages = Mapping[str, Mapping[str, Any]]  # dvc.lock's `stages`
CHECK = "design-check"  # an edit that passes it leaves its output the same, so it reruns nothing


def mark(
    stage: str,
    metric: str,
    stages: Stages,
    is_design: Callable[[str], bool],
    rubric: str,
    md5: Callable[[str], str | None],
    parsed: Callable[[str], Any],
) -> Mark:
    """How a stage's metric stands to the design at the same revision.

    `md5` gives DVC's hash of a path at that revision, None where nothing is; `parsed` a file's YAML. A metric whose
    stages never read the design's rubric was computed for another domain.
    """
    if stage not in stages:
        return "?"
    if any(recorded != md5(path) for path, recorded in _hashes(stages[stage], "outs") if path == metric):
        return "*"
    read = False
    for name in upstream(stage, stages):
        for path, recorded in _hashes(stages[name], "deps"):
            read |= path == rubric
            if is_design(path) and recorded != md5(path):
                return "*"
        for path, values in stages[name].get("params", {}).items():
            read |= path == rubric
            if is_design(path) and any(value_at(parsed(path), key) != value for key, value in values.items()):
                return "*"
    return "" if read else "*"


def upstream(stage: str, stages: Stages) -> list[str]:
    """The stage and all before it whose output its own was computed from."""
    maker = {out["path"]: name for name, recorded in stages.items() for out in recorded.get("outs", ())}
    found = [stage]
    for name in found:  # grows while it is walked
        makers = (maker.get(dep["path"], CHECK) for dep in stages[name].get("deps", ()))
        found += [one for one in dict.fromkeys(makers) if one != CHECK and one not in found]
    return found


def folder_md5(files: Mapping[str, bytes]) -> str:
    """DVC's hash of a folder: the md5 of its JSON listing by relative path, marked ".dir"."""
    listing = [{"md5": file_md5(content), "relpath": path} for path, content in sorted(files.items())]
    return file_md5(json.dumps(listing, sort_keys=True).encode()) + ".dir"


def file_md5(content: bytes) -> str:
    """DVC's hash of a file."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _hashes(recorded: Mapping[str, Any], key: Literal["deps", "outs"]) -> Iterator[tuple[str, str]]:
    for item in recorded.get(key, ()):
        if item.get("hash") == "md5" and "md5" in item:
            yield item["path"], item["md5"]


def value_at(value: Any, dotted: str) -> Any:
    """A nested value by its dotted key; None without one."""
    for part in dotted.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
