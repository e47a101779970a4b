"""One run of bench/chaos.py: all stages through one drawn mixture, every process checked against the invariants."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench import chaos_checks as checks
from bench.chaos_checks import Ledger, Process
from bench.chaos_models import ChaosServer, calm, script, weather
from bench.chaos_process import Planned, draw, watch
from bench.chaos_project import MODEL_STAGES, Project, corrupt, replies, scores_of

MOST_PROCESSES = 20  # of one stage in one folder: then it will never be done
N_MODELS = {"transcripts": 2, "verdicts": 2, "fixup": 3}  # each takes as many requests at once as the connection says
TWINS_SHARE = 0.2  # of the runs have two folders on one cache
DAMAGED = ("", "{", "null", "[]", '{"no": 1}', '{"text": 7}', "\x00")  # what stands where a reply was
EVENTS = {"budget": "stopped by a budget", "revoked": "stopped without a key", "disk": "stopped by a full disk"}


@dataclass(frozen=True)
class Calm:
    """The run without weather: its outputs, and how many requests and tokens each stage takes."""

    outputs: dict[str, dict[str, bytes]]
    n_requests: dict[str, int]
    n_tokens: dict[str, int]


@dataclass
class Seen:
    """What happened in a run, and what was checked."""

    ledger: Ledger = field(default_factory=Ledger)
    faults: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)

    def add(self, other: Seen) -> None:
        """Count another run in."""
        self.ledger.checked += other.ledger.checked
        self.ledger.violations += other.ledger.violations
        self.faults += other.faults
        self.events += other.events


def calm_run(source: Path, folder: Path) -> Calm:
    """One run without any weather, which every other is compared with."""
    found = Calm({}, {}, {})
    with ChaosServer(calm) as server:
        project = Project(source, folder / "calm", folder / "calm-cache")
        project.connect(server.url, 8, 1)
        for number, stage in enumerate(MODEL_STAGES):
            project.prepare(stage)
            process = project.start(stage, number)
            said, _ = process.communicate()
            if process.returncode:
                raise RuntimeError(f"generate-{stage} failed in the calm run:\n{said}")
            asked = server.asked_by(number)
            found.outputs[stage] = project.outputs(stage)
            found.n_requests[stage] = len(asked)
            found.n_tokens[stage] = sum(a.tokens for a in asked)
    return found


class Run:
    """One run: its folders, its server and what it saw."""

    def __init__(self, seed: int, source: Path, folder: Path, still: Calm) -> None:
        self.rng, self.seen, self._calm = random.Random(seed), Seen(), still
        self.cache, self.n_processes = folder / "cache", 0
        n_folders = 2 if self.rng.random() < TWINS_SHARE else 1
        self.projects = [Project(source, folder / f"project-{n}", self.cache) for n in range(n_folders)]
        self.concurrency, self.n_keys = self.rng.choice((2, 4, 8)), self.rng.choice((1, 2))
        self.plan = weather(seed)
        self.excused: Counter[str] = Counter()  # why a call may be paid again, by its key: once for every reason

    def __call__(self) -> Seen:
        """All stages, then what the whole run must have kept."""
        with ChaosServer(self.plan) as server:
            for project in self.projects:
                project.connect(server.url, self.concurrency, self.n_keys)
            for stage in MODEL_STAGES:
                if not self.seen.ledger.violations:
                    self._stage(server, stage)
            self._close(server)
        return self.seen

    def _stage(self, server: ChaosServer, stage: str) -> None:
        """A stage in all folders, again and again until each has all its answers."""
        for project in self.projects:
            project.prepare(stage)
        usual = self._calm.n_requests[stage], self._calm.n_tokens[stage]
        left = {project: draw(self.rng, *usual) for project in self.projects}
        for _ in range(MOST_PROCESSES):
            if not left or self.seen.ledger.violations:  # what follows a violation says nothing new
                return
            rounds = [(project, planned.pop(0) if planned else Planned()) for project, planned in left.items()]
            done = self._round(server, stage, rounds)
            for project in done:
                del left[project]
        self.seen.ledger.hold("bytes", not left, f"generate-{stage} was not done after {MOST_PROCESSES} processes")

    def _round(self, server: ChaosServer, stage: str, rounds: list[tuple[Project, Planned]]) -> list[Project]:
        """One process in every folder that is not done, at once; those that are done now."""
        self._damage(max(planned.n_damaged for _, planned in rounds))
        before = checks.sound(replies(self.cache))
        started = []
        for project, planned in rounds:
            self.n_processes += 1
            process = Process(self.n_processes, stage, before, expects=planned.expects)
            started.append((project, planned, process))
        watch(server, started)
        after, done = checks.sound(replies(self.cache)), []
        self.excused.update(checks.paid_at_once([(p, server.asked_by(p.number)) for *_, p in started]))
        for project, planned, process in started:
            process.after = after
            if self._check(server, project, planned, process):
                done.append(project)
        return done

    def _damage(self, n: int) -> None:
        keys = sorted(replies(self.cache))
        chosen = self.rng.sample(keys, min(n, len(keys)))
        if chosen:
            corrupt(self.cache, chosen, [self.rng.choice(DAMAGED) for _ in chosen])
            self.excused.update(chosen)
            self.seen.events["replies damaged in the cache"] += len(chosen)

    def _check(self, server: ChaosServer, project: Project, planned: Planned, process: Process) -> bool:
        """Every invariant after one process; whether its stage is done."""
        ledger, asked, outputs = self.seen.ledger, server.asked_by(process.number), project.outputs(process.stage)
        in_flight = N_MODELS[process.stage] * self.concurrency
        checks.ends(ledger, process)
        checks.whole(ledger, process, outputs)
        checks.asked_again(ledger, process, asked)
        checks.kept(ledger, process, asked, in_flight)
        if planned.budget_tokens is not None:
            checks.within_budget(ledger, process, asked, planned.budget_tokens, in_flight)
        lost = checks.lost_by(process, asked)
        self.excused.update(lost)
        self._count(process, planned, len(lost))
        if process.may_lose:
            self.seen.events["temporary files that a kill left"] += len(project.temporary())
        if process.code != 0:
            checks.records(ledger, process, outputs, self._calm.outputs[process.stage])
            return False
        return self._is_done(project, process, outputs)

    def _is_done(self, project: Project, process: Process, outputs: dict[str, bytes]) -> bool:
        """Whether a process that came to its end has all answers; its outputs are checked either way."""
        ledger, still = self.seen.ledger, self._calm.outputs[process.stage]
        n_open = checks.records(ledger, process, outputs, still)
        self.seen.events["records without an answer, asked for again"] += n_open
        if process.stage == "verdicts":
            verdicts = checks.lines(outputs["data/generate/verdicts.jsonl"])
            scores, categories = scores_of(project)
            checks.unscored_is_not_failed(ledger, process, scores, verdicts, categories)
            checks.verdict_counts(ledger, process, outputs)
        if not n_open:
            checks.same_bytes(ledger, process.name, outputs, still)
        return not n_open

    def _count(self, process: Process, planned: Planned, n_lost: int) -> None:
        events = self.seen.events
        events["processes"] += 1
        events[f"ended by {process.ended_by}"] += bool(process.ended_by)
        for what in planned.expects:
            events[EVENTS[what]] += process.code == 1 and checks.ERRORS[what] in process.said
        events["paid replies lost in flight"] += n_lost

    def _close(self, server: ChaosServer) -> None:
        """What the log and the cache say in the end."""
        good = [a for a in server.log if a.delivered and a.fault in ("", "slow")]
        texts = {checks.cache_key(a): str(script(a.body).text) for a in good}
        stored = {key: reply for key, reply in replies(self.cache).items() if reply not in DAMAGED}
        checks.as_said(self.seen.ledger, stored, texts)
        paid = Counter(checks.cache_key(a) for a in server.log if a.delivered)
        self.seen.events["calls paid"] += paid.total()
        self.seen.events["calls paid again"] += checks.paid_once(self.seen.ledger, paid, self.excused)
        self.seen.faults.update(a.fault for a in server.log if a.fault)
        self.seen.events["requests"] += len(server.log)
        self.seen.events["runs with two folders on one cache"] += len(self.projects) > 1
        self.seen.events["temporary files in the end"] += sum(len(p.temporary()) for p in self.projects)
