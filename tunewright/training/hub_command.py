"""`tunewright train-job`: see the Hub job that `dvc repro` would submit, without a token and without spending."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from tunewright.errors import ConfigError


def train_job_command(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="where script, arguments and data are written")],
) -> None:
    """Dry run of trainer=hf_jobs: its script, its arguments, what it would cost. Sends nothing."""
    from tunewright.training.hub_dry_run import DRY_RUN
    from tunewright.training.hub_place import HubJobs
    from tunewright.training.places import configured_trainer

    if not isinstance(configured_trainer(), HubJobs):
        raise ConfigError(
            "params.yaml does not train as a Hub job; compose it with: tunewright params trainer=hf_jobs "
            "base_model=qwen3_0_6b (or another base model that the Hub has)"
        )
    stage = [sys.executable, "-m", "stages.train.adapter"]  # the stage itself, so that nothing differs
    done = subprocess.run(stage, env={**os.environ, DRY_RUN: str(folder.absolute())}, check=False)
    if done.returncode or not (folder / "job.json").exists():  # one may be there of an earlier dry run
        raise typer.Exit(done.returncode or 1)
