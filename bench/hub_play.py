"""Jobs of the fake Hub, played: the script truly executed in a process of its own, or its work pretended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

from bench.fake_hub import FakeHub
from bench.hub_state import HubJob, JobFailed, Play
from tunewright.training.hub_submit import LABEL
from tunewright.training.worker import MARK, event_of


def executed(hub: FakeHub, stop_at: int | None = None) -> Play:
    """Run the script that the job names, as `uv run` would, with the packages that are installed here.

    With `stop_at` the Hub's first job is killed after that optimizer step, as its timeout would.
    """

    def play(job: HubJob) -> Iterator[str]:
        *_, address, revision = job.spec["command"]
        repo, path = address.removeprefix(f"{hub.url}/datasets/").split(f"/resolve/{revision}/")
        commit = hub.repo(repo, "dataset").at(revision)
        with tempfile.TemporaryDirectory() as room:
            script = Path(room) / "train.py"
            script.write_bytes(commit.files[path] if commit else b"raise SystemExit('no such commit')")
            lines = _lines([sys.executable, str(script), revision], Path(room), _environment(hub, job, room))
            for line in lines:
                yield line
                if job is hub.jobs[0] and stop_at and (event := event_of(line)) and event.step >= stop_at:
                    lines.close()
                    raise JobFailed("Job timeout")

    return play


def _environment(hub: FakeHub, job: HubJob, room: str) -> dict[str, str]:
    """What a job sees: nothing of this machine's settings but the way to Python; no Tunewright on its path."""
    own = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return own | hub.environment() | job.spec["environment"] | job.spec["secrets"] | {"HOME": room, "TMPDIR": room}


def _lines(command: list[str], folder: Path, env: Mapping[str, str]) -> Generator[str, None, None]:
    with subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        try:
            for line in running.stdout or ():
                yield line.rstrip("\n")
        except GeneratorExit:
            running.kill()
            raise
    if running.returncode:
        raise JobFailed(f"exit code {running.returncode}")


def pretended(hub: FakeHub, files: Mapping[str, bytes], steps: int = 4) -> Play:
    """Say some steps, then put a ready adapter where the job would: `files` of its folder, outcome.json included."""

    def play(job: HubJob) -> Iterator[str]:
        key = job.spec["labels"][LABEL]
        for step in range(1, steps + 1):
            yield MARK + json.dumps({"step": step, "total": steps, "loss": 5.0 - step, "note": None})
        repo = next(repo for (kind, _), repo in hub.repos.items() if kind == "model" and repo.private)
        repo.commit("adapter", repo.files | {f"{key}/adapter/{name}": data for name, data in files.items()})
        yield "done"

    return play
