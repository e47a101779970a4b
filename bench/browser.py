"""The review app as a process of its own, started by the real command, and Chromium to read it with.

For the browser tests, the benchmark of decisions and the screenshots; make test-browser installs what it needs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:  # the app alone needs no browser
    from playwright.sync_api import Browser, Playwright  # pyright: ignore[reportMissingImports]

ARGUMENTS = (  # --no-sandbox: Chromium has none for root; the others keep it from looking for the network
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
ADDRESS = re.compile(r"http://\S+")
NAMES = ("chromium", "chromium-browser", "google-chrome")
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}


def launch(playwright: Playwright) -> Browser:
    """Chromium from PATH; raises RuntimeError where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise RuntimeError(f"no browser on PATH (looked for {', '.join(NAMES)}); install one with: make test-browser")
    return playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS], headless=True)


class RunningApp:
    """One reviewer's app. `address` carries the token; `origin` is where it is served."""

    def __init__(self, folder: Path, address: str, process: subprocess.Popen[str]) -> None:
        self.folder, self.address, self.process = folder, address, process
        parts = urlsplit(address)
        self.origin = f"{parts.scheme}://{parts.netloc}"


@contextmanager
def running_app(folder: Path, *options: str) -> Iterator[RunningApp]:
    """`tunewright review` on a free port of the loopback; it is stopped when the block ends."""
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "tunewright.cli", "review", "--no-browser", "--port", "0", *options]
    env = os.environ | {"PYTHONPATH": str(root), "PYTHONUNBUFFERED": "1"}
    output: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=folder, env=env, **output)
    try:
        yield RunningApp(folder, _printed_address(process), process)
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _printed_address(process: subprocess.Popen[str]) -> str:
    """What the command prints for people to open; raises RuntimeError with its words where it stops before."""
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if found := ADDRESS.search(line):
            return found.group()
    raise RuntimeError(f"tunewright review printed no address:\n{''.join(said)}")
