"""Conversations, verdicts and repairs on two Ray nodes, one of which is killed half way, against a local run.

    python -m bench.ray_nodes                 # 40 conversations of 5 exchanges

The real stages, each in a process of its own as `dvc repro` starts them, and a scripted model server whose answers
follow from a hash of the request. For each stage a second node joins the head; when the server has seen half of the
stage's requests, every process of that node gets SIGKILL. Then the same stages with runner=local on the same cache.

Needs the extra `ray`. The nodes are started with `ray start` and have none of this code but what the driver sends.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from bench.fake_model_server import Answer, FakeModelServer
from tunewright.composing import composed_text
from tunewright.document import md_table
from tunewright.planning import placeholder
from tunewright.terminal import console

ROOT = Path(__file__).parents[1]
STAGES = {  # and what each writes by the answers of models
    "transcripts": ("transcripts",),
    "verdicts": ("verdicts",),
    "fixup": ("repairs", "fixed", "fixed_verdicts"),
}
FIRST = {"fixup": "scores"}  # a stage without calls that another needs
N_CONVERSATIONS, N_EXCHANGES = 40, 5
LATENCY_S = 0.2
AT_ONCE = 32
NO_EACH = 4  # one verdict in so many is NO
CPUS = 2  # of each node, and so workers on it
LOOPBACK = "127.0.0.1"  # nobody else can reach this cluster, so it asks for no token
SETTINGS = [
    "llm=vllm",
    f"preset.simulated_personas={N_CONVERSATIONS}",
    f"preset.exchanges={{min: {N_EXCHANGES}, max: {N_EXCHANGES}}}",
    "preset.replayed=0",
    "preset.judged_transcripts=null",
    "preset.fixup_transcripts=null",
    "generate.transcripts.authored=false",
    "generate.transcripts.imported=leave",
    "generate.scores.judge_trust=assumed",
    f"llm.connections.hosted_vllm.concurrency={AT_ONCE}",
]


class Served(FakeModelServer):
    """A server that knows what is out."""

    def __init__(self) -> None:
        super().__init__(self._by_hash)
        self._due: list[float] = []

    def _by_hash(self, body: dict) -> Answer:
        self._due.append(time.monotonic() + LATENCY_S)
        asked = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        text = placeholder(asked, schema, 200)
        return Answer(faulted(text) if int(asked, 16) % NO_EACH == 0 else text, delay_s=LATENCY_S)

    @property
    def n_out(self) -> int:
        """How many requests wait for their answer."""
        return sum(due > time.monotonic() for due in self._due)

    def n_twice(self, since: int) -> int:
        """How many requests came again, of those after the first `since`."""
        return sum(n - 1 for n in Counter(json.dumps(body, sort_keys=True) for body in self.requests[since:]).values())


def faulted(text: str) -> str:
    """A verdict turned into NO because of the second exchange; other texts as they are."""
    try:
        verdict = json.loads(text)
    except ValueError:
        return text
    return json.dumps(verdict | {"answer": "NO", "evidence": [2]}) if "evidence" in verdict else text


def workspace(folder: Path, server: Served) -> None:
    """A folder to run stages in, with the people of the conversations."""
    for name in ("conf", "prompts", "data/authored"):
        shutil.copytree(ROOT / name, folder / name)
    params = yaml.safe_load(composed_text(SETTINGS))
    params["llm"]["connections"]["hosted_vllm"]["api_base"] = server.url
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    run_stage(folder, "personas", {"kind": "local"})
    (folder / "data/generate/simulator.jsonl").write_text("", "utf-8")  # the users' words are drawn: none to review


def run_stage(folder: Path, stage: str, runner: dict[str, object]) -> float:
    """Run one stage of phase generate there, with this section `runner`; returns seconds."""
    params = yaml.safe_load((folder / "params.yaml").read_text("utf-8"))
    (folder / "params.yaml").write_text(yaml.safe_dump(params | {"runner": runner}, sort_keys=False), "utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TUNEWRIGHT_CACHE": str(folder / "cache")}
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", f"stages.generate.{stage}"], cwd=folder, env=environment, check=True)
    return time.monotonic() - began


def output(folder: Path, stage: str) -> list[bytes]:
    """The files that a stage wrote."""
    return [(folder / f"data/generate/{name}.jsonl").read_bytes() for name in STAGES[stage]]


@contextmanager
def node(*arguments: str) -> Iterator[subprocess.Popen]:
    """One Ray node, in a process group of its own, which is killed at the end."""
    command = [
        str(Path(sys.executable).with_name("ray")),
        "start",
        *arguments,
        f"--node-ip-address={LOOPBACK}",
        f"--num-cpus={CPUS}",
        "--block",
    ]
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    away = tempfile.gettempdir()  # not in the repository: its modules would be found there
    process = subprocess.Popen(
        command, cwd=away, env=plain | {"RAY_USAGE_STATS_ENABLED": "0"}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen) -> None:
    """SIGKILL for a node and every process of it, in whatever group."""
    for pid in [*descendants(process.pid), process.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and theirs."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [(int(child), int(parent)) for child, parent in re.findall(r"(\d+)\s+(\d+)", listed)]
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        children = [child for child, of in pairs if of == parent]
        found, todo = found + children, todo + children
    return found


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return int(one.getsockname()[1])


def wait_for_nodes(address: str, n: int) -> None:
    """Return when the cluster has `n` nodes alive; raises TimeoutError after a minute."""
    script = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR'); "
    script += "sys.exit(sum(node['Alive'] for node in ray.nodes()) != int(sys.argv[2]))"
    until = time.monotonic() + 60
    while time.monotonic() < until:
        asked = [sys.executable, "-c", script, address, str(n)]
        if subprocess.run(asked, capture_output=True, cwd=tempfile.gettempdir()).returncode == 0:
            return
        time.sleep(1)
    raise TimeoutError(f"no {n} Ray nodes at {address} after a minute")


def with_a_death(folder: Path, stage: str, server: Served, address: str, n_requests: int) -> dict[str, object]:
    """Run a stage on two nodes and kill the second after half of its requests."""
    before, told = len(server.requests), {}
    with node("--address", address) as second:
        wait_for_nodes(address, 2)

        def half_way() -> None:
            while len(server.requests) - before < n_requests // 2 and not ended.wait(0.005):
                pass
            told.update(at=len(server.requests) - before, out=server.n_out)
            kill(second)

        ended = threading.Event()
        killer = threading.Thread(target=half_way)
        killer.start()
        try:
            seconds = run_stage(folder, stage, runner_at(address))
        finally:
            ended.set()
            killer.join()
    return told | {"seconds": seconds, "twice": server.n_twice(before), "made": len(server.requests) - before}


def runner_at(address: str) -> dict[str, object]:
    """The section `runner` for this cluster."""
    text = yaml.safe_load((ROOT / "conf/runner/ray.yaml").read_text("utf-8"))
    return text | {"address": address, "workers": 2 * CPUS, "start_timeout_s": 60}


def compare(folder: Path, server: Served, address: str) -> list[list[str]]:
    """A row for each stage; raises AssertionError where a run on Ray differs from the local one."""
    here, there = folder / "local", folder / "ray"
    for place in (here, there):
        place.mkdir()
        workspace(place, server)
    rows = []
    for stage in STAGES:
        if stage in FIRST:
            for place in (here, there):
                run_stage(place, FIRST[stage], {"kind": "local"})
        before = len(server.requests)
        local_s = run_stage(here, stage, {"kind": "local"})
        n_requests = len(server.requests) - before
        found = with_a_death(there, stage, server, address, n_requests)
        same = output(there, stage) == output(here, stage)
        before = len(server.requests)
        run_stage(there, stage, {"kind": "local"})
        n_again = len(server.requests) - before
        if not same or n_again or output(there, stage) != output(here, stage):
            raise AssertionError(f"{stage}: same bytes: {same}; calls of the local run afterwards: {n_again}")
        numbers = [n_requests, found["made"], found["at"], found["out"], found["twice"]]
        seconds = [f"{local_s:.1f}", f"{found['seconds']:.1f}"]
        rows.append([f"generate-{stage}", *map(str, numbers), "yes", str(n_again), *seconds])
    return rows


def results(runs: int) -> str:
    """A Markdown table of `runs` runs, each with caches and a cluster of its own."""
    head = (
        "stage", "requests, local", "requests, Ray", "killed after", "out then", "asked twice", "same bytes",
        "calls of runner=local then", "s, local", "s, Ray",
    )  # fmt: skip
    rows: list[list[str]] = []
    os.environ["RAY_AUTH_MODE"] = "disabled"
    for _ in range(runs):
        port = free_port()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Served() as server:
            place = ("--temp-dir", str(Path(folder) / "r"), "--include-dashboard=false")
            with node("--head", "--port", str(port), *place):
                console.print(f"a head on port {port}", markup=False)
                wait_for_nodes(f"{LOOPBACK}:{port}", 1)
                rows += compare(Path(folder), server, f"{LOOPBACK}:{port}")
    return md_table(head, rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--runs", type=int, default=1, help="how often, each time from an empty cache")
    print(results(parser.parse_args().runs))


if __name__ == "__main__":
    main()
