"""Is a key found anywhere in what a run leaves behind? Planted keys, servers that say them back, and a search.

    python -m bench.planted_key

A copy of the repository goes through the whole pipeline (a model of two layers, a scripted server behind the real
clients), with a key of every provider in the environment and a server that repeats what it is sent in errors and
replies. Then what goes wrong: a key that is refused, Gemini and Anthropic through litellm, the Hub, crashes with
tracebacks, keys pasted into the configuration. Home, temporary folder, reply cache, git's objects, the output of the
commands and the arguments of every process are searched too. Before that, keys are planted in each form to see that the
search finds them.
Exit code 1 if a key is found.
"""

from __future__ import annotations

import base64
import gzip
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.copy import Copy
from bench.echo_server import EchoServer
from bench.edits import script
from bench.fake_expert import llm_option
from bench.planted_search import Needles, Trace, in_git, planted
from bench.training_places import tiny_base
from tunewright.document import md_table
from tunewright.weights import folder_digest

DESIGN = ("params.yaml", "conf", "prompts", "prep")
PLACES = (  # what is searched, by where it lies; the first that fits counts
    ("params.yaml, conf/, prompts/, prep/", tuple(f"repository/{p}" for p in DESIGN)),
    ("dvc.lock, .dvc/ (cache, tmp, logs)", ("repository/dvc.lock", "repository/.dvc")),
    ("git, loose and packed", ("repository/.git",)),
    ("metrics/, plots/", ("repository/metrics", "repository/plots")),
    ("reports/, reviews/", ("repository/reports", "repository/reviews")),
    ("data/", ("repository/data",)),
    ("models/", ("repository/models",)),
    ("all else in the repository", ("repository",)),
    ("reply cache: database, its log, checkpoints, limits, durations", ("cache",)),
    ("home folder", ("home",)),
    ("temporary folder", ("tmp",)),
    ("output on the terminal", ("terminal",)),
)  # fmt: skip
CRASH = "import {module} as m\ndef crash(*a, **k): raise RuntimeError('planted crash')\nm.{name} = crash\n"
STAGE_CRASH = (
    CRASH + "from stages.generate import transcripts as s\nfrom tunewright.errors import run_main\nrun_main(s.main)"
)
CLI_CRASH = CRASH + "from tunewright.cli import app\napp({arguments})"


@dataclass
class Found:
    """What was searched, and what was found."""

    traces: set[Trace] = field(default_factory=set)
    n_files: dict[str, int] = field(default_factory=dict)
    n_bytes: dict[str, int] = field(default_factory=dict)


class Watch:
    """Looks at the arguments of every process of this machine, again and again."""

    def __init__(self, needles: Needles) -> None:
        self.commands: set[bytes] = set()
        self.traces: set[Trace] = set()
        self._needles, self._end = needles, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is None and not self._thread.is_alive():
            raise RuntimeError("the watch over the processes broke off: nobody knows what their arguments held")
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = path.read_bytes()
                except OSError:  # it has ended
                    continue
                if words not in self.commands:
                    self.commands.add(words)
                    self.traces |= self._needles.in_bytes(words, "arguments of a process")


class Run:
    """The copy of the repository, in a room that holds its home, its temporary folder and its output too."""

    def __init__(self, room: Path, keys: dict[str, str]) -> None:
        self.room, self.n_commands, self.failed = room, 0, 0
        self.copy = Copy(room)
        for name in ("home", "tmp", "terminal"):
            (room / name).mkdir()
        own = {"HOME": "home", "TMPDIR": "tmp", "XDG_CACHE_HOME": "home/.cache", "XDG_CONFIG_HOME": "home/.config"}
        own |= {"DVC_SITE_CACHE_DIR": "home/dvc"}
        self.copy.env |= keys | {name: str(room / path) for name, path in own.items()}
        self.copy.env |= {
            f"GIT_{who}_{what}": "bench@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }

    def command(self, *words: str, ok: bool = True, **env: str) -> str:
        """Run one; its output is kept. Raises RuntimeError when it ends otherwise than expected."""
        done = subprocess.run(words, cwd=self.copy.folder, env=self.copy.env | env, capture_output=True, check=False)
        self.n_commands += 1
        self.failed += not ok
        output = done.stdout + done.stderr
        (self.room / "terminal" / f"{self.n_commands:02}.txt").write_bytes(" ".join(words).encode() + b"\n" + output)
        said = output.decode("utf-8", "replace")
        if (done.returncode == 0) != ok:
            raise RuntimeError(f"{' '.join(words)[:200]} ended with {done.returncode}:\n{said[-3000:]}")
        return said

    def tunewright(self, *words: str, ok: bool = True, **env: str) -> str:
        """The `tunewright` command."""
        return self.command(sys.executable, "-m", "tunewright.cli", *words, ok=ok, **env)

    def python(self, code: str, **env: str) -> str:
        """A program that crashes."""
        return self.command(sys.executable, "-c", code, ok=False, **env)


def configure(run: Run, url: str) -> None:
    """Everything small; the user is Anthropic's model through litellm, the rest one server with two keys."""
    folder, base = run.copy.folder, run.room / "base"
    tiny_base(base)
    model = yaml.safe_load((folder / "conf/base_model/smollm2_135m.yaml").read_text("utf-8"))
    model |= {"id": "tiny", "layers": 2, "hidden_size": 64, "intermediate_size": 128, "tied_embeddings": False}
    model |= {"attention_heads": 4, "kv_heads": 2, "head_size": 16}
    model["source"] = {"kind": "folder", "path": str(base), "sha256": folder_digest(base)}
    (folder / "conf/base_model/tiny.yaml").write_text(yaml.safe_dump(model), "utf-8")
    common = {"concurrency": 8, "timeout_s": 20, "attempts": 6}
    server = common | {"api_base": url, "api_key_env": ["MODEL_KEY_A", "MODEL_KEY_B"]}
    root = url.removesuffix("/v1")
    others = {
        name: common | {"attempts": attempts, "api_base": root, "api_key_env": f"{name.upper()}_API_KEY"}
        for name, attempts in (("anthropic", 6), ("gemini", 2))
    }
    spec = llm_option(url)["user"]
    user = spec | {"model": "anthropic/claude-fake"}
    sides = {side: spec | {"model": f"hosted_vllm/{side}"} for side in ("base", "tuned")}
    llm = {"user": user, "candidates": sides, "simulator_judge": None, "connections": {"hosted_vllm": server} | others}
    small = {
        "max_tokens_per_example": 384,
        "evaluation_personas": 4,
        "evaluation_max_exchanges": 2,
        "capability_probes": 2,
    }
    run.copy.configure(url, llm, small)
    run.copy.edit("conf/config.yaml", "base_model: smollm2_135m", "base_model: tiny")
    config = folder / "conf/config.yaml"  # random weights: every token is as likely
    config.write_text(config.read_text("utf-8").replace("good_min: 0.9", "good_min: 0.0"), "utf-8")


def work(run: Run) -> None:
    """The real commands, from the first to the last, a commit after the pipeline."""
    run.tunewright("params")
    run.tunewright("params", "--check")
    run.tunewright("plan")
    run.command("dvc", "repro")
    run.command("dvc", "repro", "generate-review", "generate-analyze")
    for words in (
        ("result",),
        ("history",),
        ("lineage", "prompts/therapy/assistant.md"),
        ("diff", "HEAD", "workspace"),
    ):
        run.command("git", "add", "-A")
        run.command("git", "commit", "-q", "--allow-empty", "-m", "what a user commits")
        run.tunewright(*words)
    run.tunewright("labels", "export", "review.json", "--blind")
    run.tunewright("labels", "export", "review.csv")
    run.tunewright("publish", "--dry-run")
    run.tunewright("chat", "--once", "Hello")
    run.tunewright("doctor")
    run.command("dvc", "exp", "run", "-S", "preset.simulated_personas=3", "generate-transcripts")


def trouble(run: Run, url: str) -> None:
    """What goes wrong: providers that say the key back in errors, crashes, keys in the wrong place."""
    stage, root = (sys.executable, "-m", "stages.generate.transcripts"), url.removesuffix("/v1")
    params = run.copy.folder / "params.yaml"
    was = params.read_text("utf-8")
    run.command(*stage, ok=False, MODEL_KEY_A="", TUNEWRIGHT_CACHE=str(run.room / "cache/2"))
    params.write_text(was.replace("anthropic/claude-fake", "gemini/gemini-fake"), "utf-8")
    run.command(*stage, ok=False)
    params.write_text(was, "utf-8")
    hub = {"HF_ENDPOINT": root, "HF_HUB_DISABLE_TELEMETRY": "1"}
    licensed = was.replace("dataset_licence: null", "dataset_licence: cc-by-4.0")
    params.write_text(licensed, "utf-8")
    run.tunewright("publish", "--only", "dataset", "--yes", "--accept-personal-data", ok=False, **hub)
    run.python(
        CLI_CRASH.format(module="tunewright.publishing.process", name="scan", arguments=["publish", "--dry-run"])
    )
    params.write_text(was, "utf-8")
    run.tunewright("params", "base_model=qwen3_0_6b")
    run.command(sys.executable, "-m", "stages.train.base", ok=False, **hub)
    params.write_text(was, "utf-8")
    cache = str(run.room / "cache/3")
    run.python(STAGE_CRASH.format(module="tunewright.service", name="Service._try"), TUNEWRIGHT_CACHE=cache)
    run.python(STAGE_CRASH.format(module="tunewright.transport", name="read_reply"), TUNEWRIGHT_CACHE=cache)
    pasted(run, params, was)


def pasted(run: Run, params: Path, was: str) -> None:
    """Keys where the name of their variable belongs: refused without being repeated. The file itself is put back."""
    value: Any = yaml.safe_load(was)
    value["llm"]["connections"]["anthropic"]["api_key_env"] = run.copy.env["ANTHROPIC_API_KEY"]
    value["llm"]["connections"]["gemini"]["api_base"] = f"https://me:{run.copy.env['GEMINI_API_KEY']}@host/v1"
    params.write_text(yaml.safe_dump(value), "utf-8")
    run.command(sys.executable, "-m", "stages.generate.transcripts", ok=False)
    params.write_text(was, "utf-8")


def searched(run: Run, needles: Needles) -> Found:
    """Every file of the room."""
    found = Found()
    for path in sorted(p for p in run.room.rglob("*") if p.is_file() and not p.is_symlink()):
        name = path.relative_to(run.room).as_posix()
        place = next((title for title, starts in PLACES if name.startswith(starts)), None)
        if place:
            found.n_files[place] = found.n_files.get(place, 0) + 1
            found.n_bytes[place] = found.n_bytes.get(place, 0) + path.stat().st_size
            found.traces |= needles.in_file(path, name)
    n_objects, traces = in_git(run.copy.folder, needles)
    found.n_files["git, loose and packed"] += n_objects
    found.traces |= traces
    return found


def control(folder: Path, keys: Mapping[str, str], needles: Needles) -> tuple[int, int]:
    """How many planted copies there are, in every form and container, and how many the search finds."""
    name, key = next(iter(keys.items()))
    said = f"before {key} after"
    coded = [base64.b64encode(b"x" * n + key.encode() + b" after") for n in range(3)]  # not by `forms`: it is on trial
    coded += [said.encode(), said.encode("utf-16-le"), said.encode("utf-16-be"), said.encode().hex().encode()]
    for number, data in enumerate(coded):
        (folder / f"{number}.txt").write_bytes(data)
    with gzip.open(folder / "a.gz", "wb") as file:
        file.write(key.encode())
    with sqlite3.connect(folder / "a.sqlite") as db:
        db.execute("CREATE TABLE t (v TEXT)")
        db.execute("INSERT INTO t VALUES (?)", ("x" * 5000 + key,))
    (folder / "long.bin").write_bytes(b"\0" * (needles.block - 5) + key.encode())  # across the border of two blocks
    paths = [p for p in folder.iterdir() if p.is_file()]
    found = [needles.in_file(p, p.name) for p in paths]
    for words in (
        ["init", "-q"],
        ["add", "0.txt"],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    found.append(in_git(folder, needles)[1])
    with Watch(needles) as watch:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(1)", key], check=True)
    found.append(watch.traces)
    return len(found), sum(any(t.name == name for t in traces) for traces in found)


@contextmanager
def whole_run(room: Path, keys: dict[str, str], needles: Needles) -> Iterator[tuple[Run, EchoServer, Watch]]:
    """Everything has run, successes and failures."""
    run = Run(room, keys)
    with EchoServer(script, keys["MODEL_KEY_A"]) as server, Watch(needles) as watch:
        configure(run, server.url)
        work(run)
        trouble(run, server.url)
        yield run, server, watch


def results(_: int = 1) -> str:
    """The table; raises SystemExit when a key is found, or when the search misses a control."""
    keys = planted()
    needles = Needles(keys)
    with tempfile.TemporaryDirectory() as controls, tempfile.TemporaryDirectory() as room:
        n_controls, n_seen = control(Path(controls), keys, needles)
        if n_controls != n_seen:
            raise SystemExit(f"the search found {n_seen} of {n_controls} keys that were planted to be found")
        with whole_run(Path(room), keys, needles) as (run, server, watch):
            found = searched(run, needles)
            traces = found.traces | watch.traces
            if silent := [kind for kind, n in server.said.items() if not n]:
                raise SystemExit(f"the servers never said a key back by: {', '.join(silent)}")
            text = report(run, server, watch, found, n_controls, len(keys))
    if traces:
        raise SystemExit(f"{text}\n\nFOUND:\n" + "\n".join(sorted(map(str, traces))[:50]))
    return text


def report(run: Run, server: EchoServer, watch: Watch, found: Found, n_controls: int, n_keys: int) -> str:
    """What was searched."""
    rows = [
        (title, f"{found.n_files.get(title, 0):,}", f"{found.n_bytes.get(title, 0) / 1e6:,.1f}") for title, _ in PLACES
    ]
    rows.append(("arguments of processes", f"{len(watch.commands):,}", ""))
    said = ", ".join(f"{kind} {n}" for kind, n in sorted(server.said.items()))
    n = len(found.traces | watch.traces)
    verdict = "found nowhere" if not n else f"FOUND in {n} places"
    return "\n\n".join([
        f"{n_keys} keys in the environment, one pipeline from params to report, {run.n_commands} commands, of which "
        f"{run.failed} had to fail. The servers said a key back {sum(server.said.values()):,} times ({said}).",
        f"The search finds all {n_controls} keys planted as controls (forms, gzip, SQLite, across blocks).",
        md_table(("searched", "files", "MB"), rows),
        f"Planted key: {verdict}.",
    ])  # fmt: skip


if __name__ == "__main__":
    os.environ.pop("TUNEWRIGHT_OFFLINE", None)
    print(results())
