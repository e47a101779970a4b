"""The jobs of the fake Hub: submitted, played in a thread by the Hub's `play`, followed, listed, cancelled."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from bench.hub_http import Refusal, Reply, Seen
from bench.hub_state import HubJob

if TYPE_CHECKING:
    from bench.fake_hub import FakeHub

# USD an hour, with prices of its own, to tell them from those of conf
FLAVORS = {"cpu-basic": (0.6, None), "t4-small": (0.4, "T4"), "a10g-large": (1.5, "A10G"), "l4x1": (0.8, "L4")}


def hardware(hub: FakeHub, seen: Seen) -> Any:
    """Some machines and what they cost."""
    return [
        {
            "name": name,
            "prettyName": name,
            "cpu": "4 vCPU",
            "ram": "16 GB",
            "accelerator": gpu
            and {"type": "gpu", "model": gpu, "quantity": "1", "vram": "16 GB", "manufacturer": "Nvidia"},
            "unitCostMicroUSD": round(usd_h / 60 * 1e6),
            "unitCostUSD": usd_h / 60,
            "unitLabel": "minute",
        }
        for name, (usd_h, gpu) in FLAVORS.items()
    ]


def submit(hub: FakeHub, seen: Seen, namespace: str) -> Any:
    """A new job, at once running."""
    hub.allow(seen, "job.write", namespace)
    with hub.lock:
        job = HubJob(f"{len(hub.jobs) + 1:024x}", namespace, seen.json())
        hub.jobs.append(job)
    threading.Thread(target=job.play, args=(hub.play,), daemon=True).start()
    return job.info()


def listing(hub: FakeHub, seen: Seen, namespace: str) -> Any:
    """Newest first; by stage and by label if asked."""
    hub.allow(seen, "job.write", namespace)
    stages, labels = seen.asked("stage"), [tuple(each.split("=", 1)) for each in seen.asked("label")]
    found = [job for job in hub.jobs if job.namespace == namespace and (not stages or job.stage in stages)]
    return [j.info() for j in reversed(found) if all((j.spec.get("labels") or {}).get(k) == v for k, v in labels)]


def find(hub: FakeHub, seen: Seen, namespace: str, id: str) -> HubJob:
    """A job that there is."""
    hub.allow(seen, "job.write", namespace)
    for job in hub.jobs:
        if job.id == id and job.namespace == namespace:
            return job
    raise Refusal(404, "Job not found")


def inspect(hub: FakeHub, seen: Seen, namespace: str, id: str) -> Any:
    """How it stands."""
    return find(hub, seen, namespace, id).info()


def cancel(hub: FakeHub, seen: Seen, namespace: str, id: str) -> Any:
    """Stop it."""
    job = find(hub, seen, namespace, id)
    job.end("CANCELED", "cancelled by the user")
    return job.info()


def logs(hub: FakeHub, seen: Seen, namespace: str, id: str) -> Any:
    """Server-sent events, from the first line."""
    return Reply(events=find(hub, seen, namespace, id).lines())
