"""Ways in that several modules of cases share: a file in the current folder, the command, and a small project."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from tests.conftest import ROOT, rubric_fields
from tests.corpus.harness import Way
from tunewright.cli import app


def command(*words: str, typed: str | None = None) -> str:
    """`tunewright WORDS`: what it prints (which is also printed); its error is raised."""
    found = CliRunner().invoke(app, [*words], input=typed)
    print(found.output)
    if found.exception:
        raise found.exception
    return found.output


def file_way(path: str, go: Callable[[], Any], before: Callable[[], object] = lambda: None, where: str = "") -> Way:
    """The bytes are a file; `before` makes what else the call needs, and `where` is the path if none is given."""

    def put(data: bytes) -> None:
        before()
        write(path, data)

    return Way(put, go, where or path)


def write(path: str, data: bytes | str) -> None:
    """A file, in folders that are made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(data.encode() if isinstance(data, str) else data)


def shipped_params() -> dict[str, Any]:
    """The domain of the repository's params.yaml, with folders of the current folder's own."""
    domain = _shipped_domain()
    own = {"authored": "authored", "imported": "imported", "reviews": "reviews", "rubric": "rubric.yaml"}
    return {"domain": domain | own}


@cache
def _shipped_domain() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "params.yaml").read_text())["domain"]


def small_project(**sections: Any) -> None:
    """params.yaml (with `sections` beside the domain), the small rubric of the tests, conf/import.yaml; no records."""
    write("params.yaml", json.dumps(shipped_params() | sections))
    write("rubric.yaml", json.dumps(rubric_fields()))
    write("conf/import.yaml", (ROOT / "conf/import.yaml").read_bytes())
    for name in ("personas", "transcripts"):
        write(f"authored/{name}.jsonl", b"")


def shipped(*paths: str) -> None:
    """Copies of the repository's own files or folders, at the same places."""
    for path in paths:
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, path)
        else:
            write(path, (ROOT / path).read_bytes())
