"""What is done to the processes of bench/chaos.py: signals, budgets, revoked keys, full disks, damaged replies."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.chaos_checks import Process
from bench.chaos_models import ChaosServer
from bench.chaos_project import Project

KINDS = ("kill", "kill", "kill", "term", "int", "term twice")
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT, "term twice": signal.SIGTERM}
MOST_PLANNED = 3  # processes of a stage to which something is done
SHARES = {"signal": 0.75, "budget": 0.2, "revoked": 0.15, "disk": 0.15, "damaged": 0.25}  # of the planned processes
LEAST_FILE_BYTES = 40 * 1024  # the cache's index of its log takes 32 KiB
LONGEST_S = 180.0  # a process that takes longer hangs
POLL_S = 0.002


@dataclass(frozen=True)
class Planned:
    """What will be done to one process; nothing by default."""

    ended_by: str = ""
    after_requests: int = 0
    wait_s: float = 0.0
    budget_tokens: int | None = None
    file_bytes_more: int | None = None  # that the largest file of the cache may grow, or a new one have
    revoked_after: int | None = None  # requests with its first key
    n_damaged: int = 0  # replies in the cache, before it starts

    @property
    def expects(self) -> tuple[str, ...]:
        """Why it may stop with an error."""
        found = {"budget": self.budget_tokens, "revoked": self.revoked_after, "disk": self.file_bytes_more}
        return tuple(name for name, value in found.items() if value is not None)


def draw(rng: random.Random, n_requests: int, n_tokens: int) -> list[Planned]:
    """What is done to the first processes of a stage that makes so many requests, with so many tokens, when calm."""
    found = []
    for _ in range(rng.randint(1, MOST_PLANNED)):
        does = {what for what, share in SHARES.items() if rng.random() < share}
        found.append(
            Planned(
                ended_by=rng.choice(KINDS) if "signal" in does else "",
                after_requests=rng.randint(1, n_requests),
                wait_s=rng.uniform(0, 0.05),
                budget_tokens=rng.randint(1, n_tokens) if "budget" in does else None,
                file_bytes_more=rng.randint(0, 300_000) if "disk" in does else None,
                revoked_after=rng.randint(0, n_requests) if "revoked" in does else None,
                n_damaged=rng.randint(1, 5) if "damaged" in does else 0,
            )
        )
    return found


class Running:
    """One process that runs, and what is still to be done to it."""

    def __init__(self, server: ChaosServer, project: Project, planned: Planned, process: Process) -> None:
        self._planned, self.process, self._server = planned, process, server
        if planned.revoked_after is not None:
            server.revoked_after[f"{process.number}-a"] = planned.revoked_after
        limit = None if planned.file_bytes_more is None else largest(project.cache) + planned.file_bytes_more
        self._popen = project.start(process.stage, process.number, planned.budget_tokens, limit)
        self._since = time.monotonic()

    def poll(self) -> bool:
        """Whether it still runs; ends it when its time has come."""
        planned, popen = self._planned, self._popen
        if popen.poll() is not None:
            self.process.said, _ = popen.communicate()
            self.process.code = popen.returncode
            return False
        is_due = planned.ended_by and len(self._server.asked_by(self.process.number)) >= planned.after_requests
        if is_due and not self.process.ended_by:
            time.sleep(planned.wait_s)
            self._end(popen)
        if time.monotonic() - self._since > LONGEST_S:
            popen.kill()
        return True

    def kill(self) -> None:
        """End it and wait, where something else failed."""
        self._popen.kill()
        self._popen.wait()

    def _end(self, popen: subprocess.Popen[str]) -> None:
        if popen.poll() is not None:
            return
        self.process.ended_by = self._planned.ended_by
        popen.send_signal(SIGNALS[self._planned.ended_by])
        if self._planned.ended_by == "term twice":
            time.sleep(0.02)
            popen.send_signal(signal.SIGTERM)


def largest(cache: Path) -> int:
    """The size of the cache's largest file, at least what the cache needs to be opened."""
    return max([path.stat().st_size for path in cache.glob("replies.sqlite*")] + [LEAST_FILE_BYTES])


def watch(server: ChaosServer, started: Sequence[tuple[Project, Planned, Process]]) -> None:
    """Run processes at once to their ends."""
    running: list[Running] = []
    try:
        for one in started:
            running.append(Running(server, *one))
        while running:
            running = [one for one in running if one.poll()]
            time.sleep(POLL_S)
    finally:
        for one in running:
            one.kill()
