"""What runs inside a Hub job: fetch data, base and checkpoints, train with `tune`, store checkpoints and the adapter.

Events go to standard output as tunewright.training.worker says them, so the job's log is the progress. Files of a job
vanish with it: a checkpoint is stored in the adapter's repository when the next step finds it complete, while the
training goes on, and a later job of the same training begins with it.
"""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tunewright.checkpoints import MARKER, step_of
from tunewright.quiet import quiet_libraries
from tunewright.records import write_json
from tunewright.training.job import Event, read_job
from tunewright.training.tuning import tune
from tunewright.training.worker import OUTCOME, say

ADAPTER, CHECKPOINTS = "adapter", "checkpoints"  # within a training's folder of the adapter repository


def work(spec: dict[str, Any], revision: str) -> None:
    """Train what `spec` names; `revision` is the commit of the data.

    `spec`: key (the training's folder), data_repo, adapter_repo, base_repo, base_revision, base_files.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    room, key = Path(tempfile.mkdtemp(prefix="tunewright-")), spec["key"]
    api.snapshot_download(
        spec["data_repo"], repo_type="dataset", revision=revision, allow_patterns=f"{key}/*", local_dir=room / "data"
    )
    base = room / "base"
    api.snapshot_download(
        spec["base_repo"], revision=spec["base_revision"], allow_patterns=spec["base_files"], local_dir=base
    )
    kept = f"{key}/{CHECKPOINTS}"
    api.snapshot_download(spec["adapter_repo"], allow_patterns=f"{kept}/*", local_dir=room / "kept")
    checkpoints, result = room / "kept" / kept, room / "result"
    store = Store(api, spec["adapter_repo"], kept, checkpoints)

    def report(event: Event) -> None:
        say(event)
        store.look(event)

    with quiet_libraries():
        outcome = tune(read_job(room / "data" / key, base, checkpoints), report, result / ADAPTER)
    write_json(result / ADAPTER / OUTCOME, asdict(outcome))
    store.finish()
    api.upload_folder(
        repo_id=spec["adapter_repo"],
        folder_path=result,
        path_in_repo=key,
        delete_patterns=f"{CHECKPOINTS}/*",
        commit_message=f"adapter of training {key[:8]}",
    )


class Store:
    """Stores the newest complete checkpoint, one at a time, in a thread of the client's; the one before it goes."""

    def __init__(self, api: Any, repo: str, place: str, folder: Path) -> None:
        self._api, self._repo, self._place, self._folder = api, repo, place, folder
        self._stored = max((step_of(c) for c in folder.glob("checkpoint-*")), default=-1)
        self._under_way: Future[Any] | None = None

    def look(self, event: Event) -> None:
        """After a step: begin to store a checkpoint that is new, unless one is still being stored."""
        if self._under_way and not self._under_way.done():
            return
        self.settle(event)
        complete = [c for c in self._folder.glob("checkpoint-*") if (c / MARKER).exists()]
        newest = max(complete, key=step_of, default=None)
        if newest is not None and step_of(newest) > self._stored:
            self._stored = step_of(newest)
            self._under_way = self._api.upload_folder(
                repo_id=self._repo,
                folder_path=self._folder,
                path_in_repo=self._place,
                allow_patterns=f"{newest.name}/*",
                delete_patterns="checkpoint-*",
                commit_message=f"checkpoint after step {self._stored}",
                run_as_future=True,
            )

    def settle(self, event: Event) -> None:
        """Say how the storing that is done went: a checkpoint that could not be stored does not stop the training."""
        if self._under_way is None:
            return
        error, self._under_way = self._under_way.exception(), None
        said = f"checkpoint of step {self._stored} " + ("is on the Hub" if error is None else f"is not stored: {error}")
        say(Event(event.step, event.total, note=said))

    def finish(self) -> None:
        """Wait for what is under way."""
        if self._under_way:
            self._under_way.exception()
