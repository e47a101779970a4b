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
from tunewright.records import read_json, write_json
from tunewright.training.hub_access import explained, last_line

NOTE = "hub_job.json"  # beside the checkpoints
LABEL = "tunewright"
TRIES = 3  # of a submission that was not answered


@dataclass(frozen=True)
class Ticket:
    """A job that was submitted, as kept on disk."""

    key: str
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


def running(api: Any, key: str, namespace: str) -> Any | None:
    """A job of this training that is not over, by its label."""
    from huggingface_hub import JobStage

    over = {stage.value for stage in (JobStage.COMPLETED, JobStage.CANCELED, JobStage.ERROR, JobStage.DELETED)}
    found = api.list_jobs(labels={LABEL: key}, namespace=namespace)
    return next((job for job in found if job.status.stage not in over), None)


def submit_once(
    api: Any, arguments: dict[str, Any], usd_per_hour: float, say: Callable[[str], None], wait_s: float
) -> Ticket:
    """Submit, unless a job of this training is there; one that got no answer is looked for before it is tried again."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    key, namespace = arguments["labels"][LABEL], arguments["namespace"]
    for attempt in range(1, TRIES + 1):
        with explained(f"list the jobs of {namespace}"):
            job = running(api, key, namespace)
        if job is not None:
            say(f"a job of this training is there already: {job.url}")
            return Ticket(key, namespace, job.id, job.url, usd_per_hour)
        try:
            job = api.run_job(**arguments)
            return Ticket(key, namespace, job.id, job.url, usd_per_hour)
        except (httpx.HTTPError, HfHubHTTPError) as error:
            status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
            if status is not None and status < 500:
                with explained(f"submit the job to {namespace}"):
                    raise
            say(f"no answer to the submission ({last_line(error)}): looking whether it arrived ({attempt} of {TRIES})")
            time.sleep(wait_s)
    with explained(f"list the jobs of {namespace}"):
        job = running(api, key, namespace)
    if job is not None:
        return Ticket(key, namespace, job.id, job.url, usd_per_hour)
    raise TrainingError(
        f"the Hub did not take the job in {TRIES} tries, and none is running: nothing is being paid; look at "
        f"https://huggingface.co/jobs/{namespace} and run again: dvc repro train-adapter"
    )
