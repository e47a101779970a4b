"""What a Hub job would be, without one: script, arguments and estimate written into a folder, nothing sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tunewright.records import write_text
from tunewright.terminal import console
from tunewright.training.job import Job, write_job

DRY_RUN = "TUNEWRIGHT_JOB_DRY_RUN"  # a folder: `tunewright train-job` sets it
HUB = "https://huggingface.co"


def show(plan: Any, arguments: Callable[..., dict[str, Any]], job: Job, folder: Path) -> NoReturn:
    """Write what would be sent, and leave the stage, whose outputs stay as they are."""
    asked = arguments(plan, "COMMIT", HUB, "(your token)")
    write_text(folder / "train.py", plan.script)
    write_text(folder / "job.json", json.dumps(asked, indent=2) + "\n")
    write_text(folder / "estimate.txt", f"{plan.estimate}\n")
    write_job(job, folder / "data")
    console.print(
        f"dry run, nothing was sent. A job on {asked['flavor']}: {plan.estimate}. {folder}/ has its script (train.py), "
        "the arguments of run_job (job.json) and the data (data/); submit it with: dvc repro train-adapter",
        markup=False,
    )
    raise SystemExit(0)
