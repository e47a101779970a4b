"""What a training job is at the Hub for, and the private repositories that it needs."""

from __future__ import annotations

from typing import Any

from tunewright.errors import TrainingError
from tunewright.hub import TOKENS, Errand

JOB = Errand(
    TrainingError,
    "trainer.place.namespace",
    "run again: dvc repro train-adapter",
    {
        402: "nobody pays for it: jobs need credit at https://huggingface.co/settings/billing",
        403: f"the token does not allow it: it needs the role `write`, or to write repositories and jobs ({TOKENS})",
    },
    also=(RuntimeError, OSError),  # a large file that was not taken; a download that the Hub answered with 5xx
)


def private_repo(api: Any, repo: str, kind: str) -> None:
    """Make a private repository, if there is none; raises TrainingError where one is public."""
    with JOB.explained(f"make the private {kind} repository {repo}"):
        api.create_repo(repo, repo_type=kind, private=True, exist_ok=True)
        private = api.repo_info(repo, repo_type=kind).private
    if not private:
        raise TrainingError(
            f"the {kind} repository {repo} is public, and conversations would be too: make it private, or name another "
            "in conf/trainer/hf_jobs.yaml and run: make params"
        )
