"""One job for one training: found again if there is one, else submitted, and its id kept on disk at once.

The job bears the training's key as a label, so it is found although the answer to the submission was lost, or the disk
with its id. The key names settings, data, base and code: another training is another key.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunewright.errors import TrainingError
from tunewright.hub import last_line
from tunewright.records import read_json, write_json
from tunewright.training.hub_access import JOB

NOTE = "hub_job.json"  # beside the checkpoints
LABEL = "tunewright"
OVER = ("COMPLETED", "CANCELED", "ERROR", "DELETED")  # stages
TRIES = 3  # of a submission that was not answered


@dataclass(frozen=True)
class Ticket:
    """A job that was submitted, as kept on disk; its adapter goes where conf pointed then, whatever it says now."""

    key: str
    adapter_repo: str
    namespace: str
    job_id: str
    url: str
    usd_per_hour: float


def job_arguments(
    image: str, script_url: str, revision: str, flavor: str, timeout_s: int, key: str, namespace: str, token: str
) -> dict[str, Any]:
    """The arguments of huggingface_hub's run_job.

    Not run_uv_job with a file: that puts the script into a bucket, by Xet; here it is fetched by its address, and uv
    sends HF_TOKEN along to huggingface.co (https://docs.astral.sh/uv/concepts/authentication/third-party/).
    """
    endpoint = os.environ.get("HF_ENDPOINT")
    return {
        "image": image,
        "command": ["uv", "run", script_url, revision],
        "flavor": flavor,
        "timeout": timeout_s,
        "labels": {LABEL: key, "name": f"tunewright-{key[:8]}"},
        "env": {"PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        | ({"HF_ENDPOINT": endpoint} if endpoint else {}),
        "secrets": {"HF_TOKEN": token},
        "namespace": namespace,
    }


def kept(folder: Path) -> Ticket | None:
    """The job that an earlier process submitted for this training."""
    path = folder / NOTE
    return Ticket(**read_json(path)) if path.exists() else None


def keep(folder: Path, ticket: Ticket) -> None:
    """Write it down, before anything else can fail."""
    write_json(folder / NOTE, asdict(ticket))


def drop(folder: Path) -> None:
    """Its job is over for good: the next run may submit another."""
    (folder / NOTE).unlink(missing_ok=True)


def jobs_of(api: Any, key: str, namespace: str) -> dict[str, Any]:
    """All jobs of this training, over or not, by id."""
    with JOB.explained(f"list the jobs of {namespace}"):
        return {job.id: job for job in api.list_jobs(labels={LABEL: key}, namespace=namespace)}


def over(job: Any) -> bool:
    """Whether a job has come to its end, good or bad."""
    return str(getattr(job.status.stage, "value", job.status.stage)) in OVER


def submit_once(
    api: Any,
    arguments: dict[str, Any],
    before: dict[str, Any],
    adapter_repo: str,
    usd_per_hour: float,
    say: Callable[[str], None],
    wait_s: float,
) -> Ticket:
    """Submit, unless a job of this training was running; one that got no answer is looked for before another try.

    `before` are jobs_of this training, listed before anybody looked for its adapter: a job that has ended since had
    stored nothing then, so it is followed to its end instead of being paid again.
    Raises TrainingError when the Hub refuses it, or does not answer in TRIES tries.
    """
    key, namespace = arguments["labels"][LABEL], arguments["namespace"]
    job = next((job for job in before.values() if not over(job)), None)
    if job is not None:
        say(f"a job of this training is there already: {job.url}")
    for attempt in range(1, TRIES + 1):
        if job is not None:
            return Ticket(key, adapter_repo, namespace, job.id, job.url, usd_per_hour)
        job = _submitted(api, arguments, say)
        if job is None:
            say(f"looking whether the job is there all the same ({attempt} of {TRIES})")
            time.sleep(wait_s)
            arrived = jobs_of(api, key, namespace)
            job = next((arrived[id] for id in arrived if id not in before), None)
    if job is not None:
        return Ticket(key, adapter_repo, namespace, job.id, job.url, usd_per_hour)
    raise TrainingError(
        f"the Hub did not take the job in {TRIES} tries, and there is none: nothing is being paid; look at "
        f"https://huggingface.co/jobs/{namespace} and run again: dvc repro train-adapter"
    )


def _submitted(api: Any, arguments: dict[str, Any], say: Callable[[str], None]) -> Any | None:
    """The job; None when there was no answer, or the Hub's own failure, and nobody knows whether it was taken."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    with JOB.explained(f"submit the job to {arguments['namespace']}"):
        try:
            return api.run_job(**arguments)
        except (httpx.HTTPError, HfHubHTTPError) as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code < 500:
                raise
            say(f"no answer to the submission ({last_line(error)})")
            return None
