"""Which first-party modules a stage depends on: its own file and everything that it imports, transitively.

Derived from the source, imports inside functions included, so that dvc.yaml can be checked against it: a stage whose
code changed must run again.
"""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGES = ("tunewright", "stages")


def first_party_imports(path: Path, root: Path) -> set[Path]:
    """The first-party files that one file imports, relative to `root`."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.split(".")[0] in PACKAGES and (file := root / (name.replace(".", "/") + ".py")).exists():
                found.add(file.relative_to(root))
    return found


def dependencies(script: Path, root: Path) -> set[Path]:
    """A script and all first-party files that it imports, transitively, relative to `root`."""
    todo, seen = [script], set()
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += first_party_imports(root / file, root)
    return seen
