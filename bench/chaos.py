# ruff: noqa: E402 - sys.path comes first
"""Real stages against a faulty model server, killed at random moments and run again until they are done: what breaks?

    python bench/chaos.py --runs 50 --seed 1          # python -m bench chaos: the same, into bench/results.md
    python bench/chaos.py --seed 1 --only 17          # one run again

Each run simulates, judges and repairs a dozen conversations by generate-transcripts, generate-verdicts and
generate-fixup in processes of their own, over HTTP, with a mixture of faults of its own. Processes are ended by
SIGKILL, SIGTERM, SIGINT or two SIGTERMs after a random number of requests, get a budget, lose a key, find the disk full
or replies in the cache damaged; in some runs two folders share one cache, with a process in each. What is drawn follows
from the seed; which requests are in flight at a kill follows from the clock as well.

What must be the same? A model's own faults (no words, a refusal, JSON of another shape, a context that is too short)
are a function of the request: the calm run meets them too, and its records say so. Faults that pass may outlast the
tries of a process. Then the records concerned are open: a conversation that failed, with what was said before; a
verdict without an answer; a conversation that fixup left alone. Each says why, and all others are the calm run's. Open
records are asked for by running the stage again, as its closing note says, until none is left: then every byte is the
calm run's. A paid call is one whose whole reply went out; what providers charge for half of one nobody sees here.
"""

from __future__ import annotations

import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # as a script: bench/copy.py is not Python's

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench.chaos_checks import INVARIANTS
from bench.chaos_project import template
from bench.chaos_run import Calm, Run, Seen, calm_run
from bench.faulty_server import IN_WORDS, PASSING
from tunewright.document import md_table
from tunewright.records import stable_seed

RUNS, SEED = 50, 1
JOBS = 2 * (os.cpu_count() or 1)  # half of their time they wait
SHOWN = 40  # violations in words
EVENTS = (  # in the order of the table
    *("processes", "ended by kill", "ended by term", "ended by term twice", "ended by int"),
    *("stopped by a budget", "stopped without a key", "stopped by a full disk"),
    *(
        "runs with two folders on one cache",
        "replies damaged in the cache",
        "records without an answer, asked for again",
    ),
    *(
        "requests",
        "calls paid",
        "paid replies lost in flight",
        "calls paid again",
        "temporary files that a kill left",
        "temporary files in the end",
    ),
)
OTHERS = {"context_overflow": "400: longer than the context", "refused_key": "401: the key has been revoked"}
FAULTS = PASSING | IN_WORDS | OTHERS


def run_one(source: Path, still: Calm, seed: int, number: int) -> Seen:
    """One run; its violations say how to have it again."""
    with tempfile.TemporaryDirectory() as folder:
        seen = Run(stable_seed("chaos", seed, number), source, Path(folder), still)()
    again = f"python bench/chaos.py --seed {seed} --only {number}"
    seen.ledger.violations = [(name, f"{words} ({again})") for name, words in seen.ledger.violations]
    print(
        f"run {number}: {seen.events['processes']} processes, {len(seen.ledger.violations)} violations", file=sys.stderr
    )
    return seen


def run_all(numbers: Sequence[int], seed: int, jobs: int) -> Seen:
    """Runs, some at once, compared with one calm run."""
    seen = Seen()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        source = template(Path(folder))
        still = calm_run(source, Path(folder))
        for one in pool.map(partial(run_one, source, still, seed), numbers):
            seen.add(one)
    return seen


def report(seen: Seen, n_runs: int) -> str:
    """The tables of faults, of what happened to processes, and of invariants; then every violation."""
    faults = [(told, f"{seen.faults[name]:,}") for name, told in FAULTS.items()]
    events = [(what, f"{seen.events[what]:,}") for what in EVENTS]
    broken = Counter(name for name, _ in seen.ledger.violations)
    held = [(told, f"{seen.ledger.checked[name]:,}", str(broken[name])) for name, told in INVARIANTS.items()]
    tables = [
        md_table(("fault injected", "times"), [*faults, ("all", f"{sum(seen.faults.values()):,}")]),
        md_table(("what happened", "times"), [("runs", str(n_runs)), *events]),
        md_table(
            ("invariant", "checked", "violations"),
            [*held, ("all", f"{seen.ledger.checked.total():,}", str(len(seen.ledger.violations)))],
        ),
    ]
    return "\n\n".join([*tables, *(f"- {name}: {words}" for name, words in seen.ledger.violations[:SHOWN])])


def results(runs: int = RUNS) -> str:
    """The tables of all runs, however often other benchmarks are run; raises SystemExit with them on a violation."""
    seen = run_all(range(1, RUNS + 1), SEED, JOBS)
    told = report(seen, RUNS)
    if seen.ledger.violations or not all(seen.ledger.checked[name] for name in INVARIANTS):
        raise SystemExit(told)
    return told


def main() -> None:
    """Print the tables; exit code 1 where anything was violated."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", type=int, help="this one of the runs alone")
    parser.add_argument("--jobs", type=int, default=JOBS, help="runs at once")
    asked = parser.parse_args()
    numbers = [asked.only] if asked.only else range(1, asked.runs + 1)
    seen = run_all(numbers, asked.seed, asked.jobs)
    print(report(seen, len(numbers)))
    sys.exit(bool(seen.ledger.violations))


if __name__ == "__main__":
    main()
