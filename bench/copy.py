"""A copy of this repository in a folder of its own, to run the pipeline in against a fake model server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from bench.fake_expert import llm_option

ROOT = Path(__file__).parents[1]
LLM_FILE = "conf/llm/fake.yaml"
CALLS = re.compile(r"(\d[\d,]*) model calls made, (\d[\d,]*) from the cache")


class Copy:
    """The committed files of the repository, driven as a user would: edits, `dvc repro`, `tunewright`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repository"
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).exists() and name != "dvc.lock" and not name.startswith(("metrics/", "plots/")):
                target = self.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, target)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.env = {
            **os.environ,
            "PATH": path,
            "PYTHONPATH": str(self.folder),
            "TUNEWRIGHT_CACHE": str(folder / "cache"),
        }
        self.run("git", "init", "-q")

    def run(self, *command: str) -> str:
        """A command's output; raises RuntimeError with its end when it fails."""
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
        return done.stdout + done.stderr

    def tunewright(self, *arguments: str) -> str:
        """The `tunewright` command's output on stdout and stderr."""
        return self.run(sys.executable, "-m", "tunewright.cli", *arguments)

    def configure(self, url: str, llm: dict[str, Any], preset: dict[str, Any]) -> None:
        """Make an llm option `fake` on a server, and a preset `bench` from the demo's, the defaults of conf/."""
        self._write(LLM_FILE, llm_option(url))
        self.configure_llm(llm)
        demo = yaml.safe_load((self.folder / "conf/preset/demo.yaml").read_text("utf-8"))
        self._write("conf/preset/bench.yaml", demo | preset)
        self.edit("conf/config.yaml", "preset: demo", "preset: bench")
        self.edit("conf/config.yaml", "llm: embedded", "llm: fake")

    def configure_llm(self, changed: dict[str, Any]) -> None:
        """Change the llm option."""
        self._write(LLM_FILE, yaml.safe_load((self.folder / LLM_FILE).read_text("utf-8")) | changed)

    def edited(self) -> list[str]:
        """The files that experiments edit: configuration and prompts."""
        found = [*self.folder.glob("conf/**/*"), *self.folder.glob("prompts/**/*"), self.folder / "params.yaml"]
        return [path.relative_to(self.folder).as_posix() for path in found if path.is_file()]

    def repro(self, *targets: str) -> tuple[int, int]:
        """`dvc repro`; the calls made and those that the cache answered."""
        found = CALLS.findall(self.run("dvc", "repro", *targets))
        made, cached = (sum(int(pair[i].replace(",", "")) for pair in found) for i in (0, 1))
        return made, cached

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that stands once in a file."""
        file = self.folder / path
        text = file.read_text("utf-8")
        if text.count(old) != 1:
            raise RuntimeError(f"{path}: {old!r} stands there {text.count(old)} times, expected once")
        file.write_text(text.replace(old, new), "utf-8")

    def _write(self, path: str, value: dict[str, Any]) -> None:
        (self.folder / path).write_text(yaml.safe_dump(value, sort_keys=False), "utf-8")
