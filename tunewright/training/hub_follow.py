"""Following a Hub job to its end: its log as progress, over lost connections, until it is over or somebody stops.

The log is sent from its start after each reconnection; events that were heard are not reported again.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tunewright.errors import InterruptedRunError, TrainingError
from tunewright.hub import last_line
from tunewright.training.hub_access import JOB
from tunewright.training.hub_submit import OVER, Ticket
from tunewright.training.job import Event, Report
from tunewright.training.worker import event_of

TAIL = 15  # lines of the log that an error shows
MISSING_MAX = 3  # answers that there is no such job, in a row, until that is believed


@dataclass
class Heard:
    """What the log has said so far."""

    report: Report
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    last: Event | None = None
    _known: set[str] = field(default_factory=set)

    def line(self, line: str) -> None:
        """One line of the log: an event is reported once, the rest is kept for an error's sake."""
        try:
            event = event_of(line)
        except (ValueError, TypeError):  # cut in two by what carries the log
            event = None
        if event is None:
            self.tail.append(line.rstrip())
        elif line not in self._known:
            self._known.add(line)
            self.last = event
            self.report(event)


@dataclass(frozen=True)
class End:
    """How a job ended."""

    stage: str
    message: str | None
    running_s: float


class GoneError(Exception):
    """The Hub does not know the job (any more)."""


class Patience:
    """Waits between tries, longer each time, and gives up after `patience_s` without a word from the Hub."""

    def __init__(self, poll_s: float, patience_s: float, say: Callable[[str], None]) -> None:
        self._poll_s, self._patience_s, self._say = poll_s, patience_s, say
        self._since: float | None = None
        self._wait_s = poll_s

    def over(self) -> None:
        """The Hub has answered."""
        if self._since is not None:
            self._say("connected again")
        self._since, self._wait_s = None, self._poll_s

    def wait(self, error: Exception, ticket: Ticket) -> None:
        """Wait before the next try; raises TrainingError when patience is at its end."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self._say(f"connection lost ({last_line(error)}); the job goes on, connecting again")
        if now - self._since > self._patience_s:
            raise TrainingError(
                f"no connection to the Hub for {self._patience_s:.0f} s; the job goes on at {ticket.url}. Follow it "
                "again with: dvc repro train-adapter"
            ) from None
        time.sleep(self._wait_s)
        self._wait_s = min(8 * self._poll_s, 2 * self._wait_s)


def follow(api: Any, ticket: Ticket, heard: Heard, say: Callable[[str], None], poll_s: float, patience_s: float) -> End:
    """Wait for the job's end, reporting on the way. Raises GoneError when the Hub no longer knows the job."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    patience, shown, missing = Patience(poll_s, patience_s, say), "", 0
    where = {"job_id": ticket.job_id, "namespace": ticket.namespace}
    while True:
        try:
            job = api.inspect_job(**where)
            patience.over()
            missing = 0
            stage = str(getattr(job.status.stage, "value", job.status.stage))
            if stage in OVER:
                _last_words(api, where, heard)
                ran = job.durations.running_secs if job.durations else None
                return End(stage, job.status.message, float(ran or 0))
            if stage == shown:
                time.sleep(poll_s)
            else:
                say(f"job {ticket.job_id}: {stage.lower()}")
                shown = stage
            if stage == "RUNNING":
                _listen(heard, api.fetch_job_logs(**where, follow=True))
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status == 404:  # of the job, or of the log of one that has only begun
                missing += 1
                if missing == MISSING_MAX:
                    raise GoneError from None
                time.sleep(poll_s)
                continue
            if status < 500 and status != 429:
                with JOB.explained(f"follow job {ticket.job_id}"):
                    raise
            patience.wait(error, ticket)
        except (httpx.HTTPError, ConnectionError) as error:
            patience.wait(error, ticket)


def _last_words(api: Any, where: dict[str, str], heard: Heard) -> None:
    """The log of a job that is over and was not heard; one that was never started may have none."""
    from huggingface_hub.errors import HfHubHTTPError

    if heard.tail or heard.last is not None:
        return
    try:
        _listen(heard, api.fetch_job_logs(**where))
    except HfHubHTTPError as error:
        heard.tail.append(f"(its log cannot be read: {last_line(error)})")


def _listen(heard: Heard, lines: Any) -> None:
    heard.tail.clear()
    for line in lines:
        heard.line(line)


@contextmanager
def stoppable(ticket: Ticket) -> Iterator[None]:
    """Within: Ctrl-C and SIGTERM stop the following, not the job, and say how to stop that.

    The client takes a KeyboardInterrupt for the end of the log, so the signal raises an error of our own.
    """

    def stop(number: int, _: Any) -> None:
        raise InterruptedRunError(
            f"no longer following; the job goes on, and costs, at {ticket.url}. Follow it again with: dvc repro "
            f"train-adapter; end it with: hf jobs cancel {ticket.namespace}/{ticket.job_id}",
            number,
        )

    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def gone(ticket: Ticket) -> TrainingError:
    """What to tell of a job that the Hub does not know; another one begins with what it stored."""
    return TrainingError(
        f"the Hub does not know the job {ticket.url} (any more), or this token may not see jobs of {ticket.namespace}. "
        f"Look at https://huggingface.co/jobs/{ticket.namespace}; to look for it anew, and to submit another where "
        "there is none, run: dvc repro train-adapter"
    )


def failed(ticket: Ticket, end: End, heard: Heard, timeout_s: int, is_cut: bool) -> TrainingError:
    """What to tell of a job that did not end well: why, its last words, what was spent, what to do.

    `is_cut`: the timeout is all that the budget pays for.
    """
    timed_out = "timeout" in (end.message or "").lower() or end.running_s >= timeout_s
    step = f" after step {heard.last.step} of {heard.last.total}" if heard.last else " before its first step"
    why = f"reached its timeout of {timeout_s / 60:.0f} minutes" if timed_out else f"ended in {end.stage}"
    message = f" ({end.message})" if end.message else ""
    spent = end.running_s / 3600 * ticket.usd_per_hour
    words = "\n".join(f"  | {line}" for line in heard.tail) or "  | (nothing)"
    raised = "domain.constraints.train_budget_usd, which cut the timeout" if is_cut else "trainer.place.time.factor"
    advice = f"raise {raised}, run make params, then" if timed_out else "mend what its log says, then"
    return TrainingError(
        f"the job {why}{step}{message}: {ticket.url}\nits last words:\n{words}\n"
        f"it ran {end.running_s / 60:.1f} min, about {spent:.2f} USD. To go on from its newest stored checkpoint, "
        f"{advice} run: dvc repro train-adapter"
    )
