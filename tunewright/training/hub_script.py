"""The script of a training job: one Python file that carries the very modules that train here.

The sources of tunewright.training.hub_worker and of all first-party modules that it imports are embedded, found as
tunewright.structure finds a stage's. The header says, by PEP 723, which packages `uv run` is to install: those that
these modules import, in the versions that are installed here.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

import tunewright
from tunewright.errors import TrainingError
from tunewright.structure import dependencies

ROOT = Path(tunewright.__file__).parents[1]  # the repository, or site-packages
WORKER = Path("tunewright/training/hub_worker.py")
UNSEEN = ("accelerate", "jinja2")  # imported by transformers alone: its Trainer, its chat templates
NOT_THERE = ("dvc", "deepspeed")  # imported where conf/ is composed, and where several processes share a model
PYTHON = ">=3.11"

SCRIPT = '''# /// script
# requires-python = {python}
# dependencies = [
{dependencies}
# ]
# ///
"""A training job of Tunewright, rendered by tunewright.training.hub_script: `uv run THIS REVISION`.

REVISION is the commit of the data's repository. Needs HF_TOKEN. SOURCES are Tunewright's own modules, as they were.
"""

import sys
import tempfile
from pathlib import Path

SPEC = {spec}
SOURCES = {sources}


def unpack(folder):
    """Write the modules, and have Python find them before any that are installed."""
    for name, text in SOURCES.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    sys.path.insert(0, folder)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        unpack(folder)
        from tunewright.training.hub_worker import work

        work(SPEC, sys.argv[1])
'''


def render_script(spec: Mapping[str, Any], sources: Mapping[str, str], required: tuple[str, ...]) -> str:
    """The whole script; equal arguments give equal bytes."""
    listed = "\n".join(f"#   {json.dumps(one)}," for one in required)
    texts = "\n".join(f"    {name!r}: {text!r}," for name, text in sorted(sources.items()))
    return SCRIPT.format(
        python=json.dumps(PYTHON), dependencies=listed, spec=repr(dict(spec)), sources=f"{{\n{texts}\n}}"
    )


@cache
def worker_sources(root: Path = ROOT) -> Mapping[str, str]:
    """The worker and every first-party module that it imports, transitively, and their packages' files, by path."""
    files = dependencies(WORKER, root)
    packages = {parent / "__init__.py" for file in files for parent in file.parents if parent != Path(".")}
    return {str(path): (root / path).read_text("utf-8") for path in sorted(files | packages) if (root / path).exists()}


def requirements(sources: Mapping[str, str], quantize_4bit: bool) -> tuple[str, ...]:
    """What the sources import from elsewhere, each pinned to the version installed here; raises TrainingError."""
    found = {name for text in sources.values() for name in imported(text)}
    outside = found - {"tunewright", "stages"} - set(sys.stdlib_module_names) - set(NOT_THERE)
    owners = _owners()
    names = {sorted(set(owners[name]))[0] for name in outside if name in owners} | set(UNSEEN)
    if missing := outside - set(owners):
        raise TrainingError(
            f"not installed here, so that its version cannot be fixed for the job: {', '.join(sorted(missing))}; run: "
            "pip install -e '.[train]'"
        )
    more = {"bitsandbytes"} if quantize_4bit else set()
    return tuple(sorted((pinned(name) for name in names | more), key=str.lower))


@cache
def _owners() -> Mapping[str, list[str]]:
    return packages_distributions()  # reads the metadata of everything that is installed


def imported(source: str) -> set[str]:
    """The top names of all modules that a source imports, in functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def pinned(name: str) -> str:
    """`name==version` as installed here, without a local suffix such as +cpu; just the name where it is not."""
    try:
        return f"{name}=={version(name).split('+')[0]}"
    except PackageNotFoundError:
        return name
