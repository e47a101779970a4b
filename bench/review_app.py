"""The review app: decisions kept through kill -9, and what a decision and a page cost.

    python -m bench.review_app

The real command on a project of bench/review_project.py, over HTTP. A decision counts as acknowledged when its answer
has come; it is kept when its line is in labels.jsonl. Times are from request to answer at the client, without a
browser; ratios compare within one run.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from bench.browser import RunningApp, running_app
from bench.review_project import ReviewProject
from tunewright.decisions import now
from tunewright.document import md_table
from tunewright.labels import LABELS, Label, read_labels
from tunewright.records import Transcript, write_jsonl
from tunewright.reviewing.guard import HEADER
from tunewright.rubric import Criterion

DECISIONS, READERS = 200, 2
KILLS = (40, 120)  # acknowledged decisions after which the app is killed
QUEUED, STORED, TIMED = 200, 10_000, 60
LONG_EXCHANGES, LONG_BYTES = 100, 300_000
Things = list[tuple[Transcript, Criterion]]


def client(app: RunningApp) -> httpx.Client:
    """A reader's script at a running app."""
    token = parse_qs(urlsplit(app.address).query)["token"][0]
    return httpx.Client(base_url=app.origin, headers={HEADER: token, "origin": app.origin}, timeout=30)


def decision(talk: Transcript, criterion: Criterion, note: str) -> dict[str, Any]:
    """What a page sends when its reader says YES."""
    about = {"transcript_id": talk.id, "content_hash": talk.content_hash, "criterion": criterion.id}
    return about | {"label": "YES", "note": note, "blind": False}


@dataclass
class Script:
    """Decisions to send, by several threads at once: each is sent until it is acknowledged."""

    things: Things
    n: int
    acknowledged: list[tuple[int, str]] = field(default_factory=list)  # number of the decision, id of its label
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, app: RunningApp, kill_after: int | None) -> None:
        """Send what is not acknowledged yet until all is, or the app is gone; kill it after so many are."""
        done = {number for number, _ in self.acknowledged}
        left = [number for number in range(self.n) if number not in done]
        threads = [
            threading.Thread(target=self._send, args=(app, left[part::READERS], kill_after)) for part in range(READERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send(self, app: RunningApp, numbers: Sequence[int], kill_after: int | None) -> None:
        with client(app) as reader:
            for number in numbers:
                body = decision(*self.things[number % len(self.things)], f"decision {number}")
                try:
                    answer = reader.post("/labels", json=body)
                except httpx.TransportError:  # killed; nobody told us that this one is kept
                    return
                answer.raise_for_status()
                with self.lock:
                    self.acknowledged.append((number, answer.json()["id"]))
                    if len(self.acknowledged) == kill_after:
                        app.process.kill()  # SIGKILL, with the other thread's request under way


@dataclass(frozen=True)
class Kept:
    """What is left after the kills. `repeated`: written down, but killed before that was said, so sent again."""

    acknowledged: int
    on_disk: int
    lost: int
    repeated: int
    shown: bool  # whether a restarted app shows the last acknowledged decision


def kept_through_kills(project: ReviewProject, n: int = DECISIONS, kills: Sequence[int] = KILLS) -> Kept:
    """Script the decisions, killing and starting the app again on the way."""
    script = Script(things_of(project), n)
    for kill_after in kills:
        with running_app(project.folder, "--reviewer", "ann") as app:
            script.send(app, kill_after)
    with running_app(project.folder, "--reviewer", "ann") as app, client(app) as reader:
        number, _ = max(script.acknowledged)
        talk, _ = script.things[number % len(script.things)]
        shown = f"decision {number}" in reader.get(f"/read/{quote(talk.id, safe='')}").text
        script.send(app, None)
    labels = read_labels(project.folder / "reviews/therapy")
    lost = {id for _, id in script.acknowledged} - {label.id for label in labels}
    return Kept(len(script.acknowledged), len(labels), len(lost), len(labels) - len({x.note for x in labels}), shown)


def things_of(project: ReviewProject) -> Things:
    """Everything that can be decided about the generated conversations."""
    talks = [project.generated(told) for told in project.told["conversations"]]
    return [(talk, criterion) for talk in talks for criterion in project.rubric.criteria]


def large_project(folder: Path) -> tuple[ReviewProject, list[Transcript]]:
    """A queue of QUEUED conversations, the last of them long."""
    project = ReviewProject(folder)
    told = project.told["conversations"]
    talks = [
        project.generated(told[n % len(told)]).model_copy(update={"id": f"simulated-{n:04}", "persona_id": f"p-{n:04}"})
        for n in range(QUEUED - 1)
    ]
    talks.append(project.long(LONG_EXCHANGES, LONG_BYTES))
    project.write_generated(talks)
    return project, talks


def stored_labels(project: ReviewProject, talks: Sequence[Transcript], n: int) -> list[Label]:
    """As many labels, of two other readers, on the queue's conversations and on earlier ones."""
    rubric, time_ = project.rubric, now()
    made: list[Label] = []
    for number in range(n):
        what, reader = divmod(number, 2)
        at, which = divmod(what, len(rubric.criteria))
        talk, criterion = talks[at % len(talks)], rubric.criteria[which]
        text = talk.content_hash if at < len(talks) else f"{at:064}"
        made.append(
            Label(
                id=f"{number:016x}", reviewer=("bob", "eve")[reader], time=time_, rubric_version=rubric.fingerprint,
                transcript_id=talk.id, content_hash=text, criterion=criterion.id, label="YES", blind=True,
                question_hash=rubric.question_hash(criterion),
            )
        )  # fmt: skip
    return made


def timed(call: Callable[[int], httpx.Response], n: int = TIMED) -> list[float]:
    """Milliseconds from request to answer, the first left out: it reads the files."""
    found = []
    for number in range(n + 1):
        start = time.perf_counter()
        call(number).raise_for_status()
        found.append((time.perf_counter() - start) * 1000)
    return found[1:]


def synced_ms(folder: Path) -> float:
    """The median of writing one line of 500 bytes and having it on disk, with nothing around it."""
    found = []
    with (folder / "line").open("ab", buffering=0) as file:
        for _ in range(TIMED):
            start = time.perf_counter()
            file.write(b"x" * 499 + b"\n")
            os.fsync(file.fileno())
            found.append((time.perf_counter() - start) * 1000)
    return statistics.median(found)


def decision_times(folder: Path) -> str:
    """What a decision costs with nothing and with much stored already."""
    project, talks = large_project(folder)
    things: Things = [(talk, criterion) for talk in talks[:4] for criterion in project.rubric.criteria]
    synced, rows, first = synced_ms(folder), [], None
    for n in (0, STORED):
        write_jsonl(folder / "reviews/therapy" / LABELS, stored_labels(project, talks, n))
        with running_app(folder, "--reviewer", "ann") as app, client(app) as reader:
            found = timed(lambda k: reader.post("/labels", json=decision(*things[k % len(things)], "")))  # noqa: B023
        median, slow = statistics.median(found), statistics.quantiles(found, n=20)[-1]
        first = first or median
        rows.append((f"{n:,}", f"{median:.1f}", f"{slow:.1f}", f"{median / first:.2f}", f"{median / synced:.1f}"))
    head = ("labels stored before", "decision, ms, median", "95%", "x with none stored", "x one synced write")
    return md_table(head, rows)


def page_times(folder: Path) -> str:
    """What a page costs: the list, a usual conversation, a long one. Beside 10,000 labels, which the folder holds."""
    project, talks = large_project(folder)
    write_jsonl(folder / "reviews/therapy" / LABELS, stored_labels(project, talks, STORED))
    pages = {
        f"list of {QUEUED} conversations": "/queue",
        f"conversation of {len(talks[0].exchanges)} exchanges": f"/read/{talks[0].id}",
        f"conversation of {LONG_EXCHANGES} exchanges, {LONG_BYTES // 1000} KB": f"/read/{talks[-1].id}",
    }
    rows = []
    with running_app(folder, "--reviewer", "ann") as app, client(app) as reader:
        for name, path in pages.items():
            found = timed(lambda _: reader.get(path), 10)  # noqa: B023
            size = len(reader.get(path).content)
            rows.append((name, f"{statistics.median(found):.0f}", f"{max(found):.0f}", f"{size / 1000:,.0f}"))
    return md_table((f"page, {STORED:,} labels stored", "ms, median", "ms, slowest", "KB of HTML"), rows)


def kills_table(folder: Path) -> str:
    """Whether kill -9 loses what was acknowledged."""
    project = ReviewProject(folder)
    project.write()
    kept = kept_through_kills(project)
    head = ("decisions", "kill -9 after", "acknowledged", "of them lost", "written twice", "shown after a restart")
    shown = "yes" if kept.shown else "no"
    row = (DECISIONS, ", ".join(map(str, KILLS)), kept.acknowledged, kept.lost, kept.repeated, shown)
    return md_table(head, [row])


TABLES = (kills_table, decision_times, page_times)


def results(runs: int) -> str:
    """All tables."""
    with tempfile.TemporaryDirectory() as folder:
        return "\n\n".join(table(Path(folder) / table.__name__) for table in TABLES)


if __name__ == "__main__":
    print(results(1))
