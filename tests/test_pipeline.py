"""The whole DAG, once, in a repository of its own: a scripted model behind the real HTTP client, real training.

Then the promises that only a whole run can show: nothing runs twice, an edit reruns what it touches and pays for no
more, an offline replay gives the same bytes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.fake_expert import llm_option, said_by_a_person
from bench.fake_model_server import Answer, FakeModelServer
from tunewright.weights import folder_digest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[1]
SPEC = {"model": "hosted_vllm/fake", "temperature": 0.0, "max_tokens": 100}
PRICE = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}


def script(body: dict[str, Any]) -> Answer:
    """Judges get a verdict, users and assistants a sentence; `tuned` answers at the length of what it was sent."""
    last = body["messages"][-1]["content"]
    if "response_format" in body:
        return Answer(json.dumps({"evidence": [1], "reasoning": "as scripted", "answer": "YES"}))
    if body["messages"][0]["content"].startswith("You play"):
        return Answer(said_by_a_person(body["messages"]))
    if body["model"].endswith("tuned"):
        n = max(3, len(last.split()))
        lead = f"{last.split()[0]} {len(body['messages'])}"
        return Answer(f"{lead} " + " ".join(["word"] * (n - 2)) + ("?" if len(body["messages"]) % 4 == 2 else "."))
    return Answer("It sounds like you are not alone. " + "Here is a tip for you today. " * 40)


class Repository:
    """A clone of the working tree with a small configuration, driven as a user would."""

    def __init__(self, folder: Path, server: FakeModelServer, cache: Path) -> None:
        self.folder, self.server = folder, server
        bin_dir = str(Path(sys.executable).parent)
        self.env = {
            **os.environ,
            "PATH": bin_dir + os.pathsep + os.environ["PATH"],
            "PYTHONPATH": str(folder),
            "TUNEWRIGHT_CACHE": str(cache),
        }

    def run(self, *command: str, ok: bool = True, **env: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.env | env, capture_output=True, text=True, check=False, timeout=500
        )
        assert (done.returncode == 0) == ok, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    def repro(self, *arguments: str, **env: str) -> set[str]:
        """`dvc repro`; the stages that ran, matrix items under their stage's name."""
        output = self.run("dvc", "repro", *arguments, **env)
        ran = {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}
        return {name.split("@")[0] for name in ran}

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text("utf-8")
        assert text.count(old) == 1, (path, old, text.count(old))
        file.write_text(text.replace(old, new), "utf-8")


def _configure(folder: Path, url: str, base: Path) -> None:
    """A run of a minute or two: a model of two layers, short examples, four evaluation people."""
    candidates = {side: {**SPEC, "model": f"hosted_vllm/{side}", "price": PRICE} for side in ("base", "tuned")}
    roles = {role: {**SPEC, "price": PRICE} for role in ("user", "assistant", "expert", "fixer")}
    judges = [{"name": "scripted", **SPEC, "price": PRICE}]
    llm = llm_option(url) | roles | {"judges": judges, "candidates": candidates, "simulator_judge": None}
    (folder / "conf/llm/fake.yaml").write_text(yaml.safe_dump(llm), "utf-8")
    model = yaml.safe_load((folder / "conf/base_model/smollm2_135m.yaml").read_text("utf-8"))
    model["source"] = {"kind": "folder", "path": str(base), "sha256": folder_digest(base)}
    model |= {"id": "tiny", "layers": 2, "hidden_size": 64, "intermediate_size": 128, "tied_embeddings": False}
    model |= {"attention_heads": 4, "kv_heads": 2, "head_size": 16}
    (folder / "conf/base_model/tiny.yaml").write_text(yaml.safe_dump(model), "utf-8")
    preset = yaml.safe_load((folder / "conf/preset/demo.yaml").read_text("utf-8"))
    preset |= {"max_tokens_per_example": 384, "evaluation_personas": 4, "evaluation_max_exchanges": 3}
    (folder / "conf/preset/tiny.yaml").write_text(yaml.safe_dump(preset), "utf-8")
    config = (folder / "conf/config.yaml").read_text("utf-8")
    config = config.replace("preset: demo", "preset: tiny").replace("llm: embedded", "llm: fake")
    config = config.replace("base_model: smollm2_135m", "base_model: tiny")
    config = config.replace("good_min: 0.9", "good_min: 0.0")  # of random weights every token is nearly as likely
    (folder / "conf/config.yaml").write_text(config, "utf-8")


@pytest.fixture(scope="module")
def repository(babbling_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A configured repository in which the whole pipeline has run once."""
    folder = tmp_path_factory.mktemp("pipeline") / "repository"
    outputs = ("models", "data", "metrics", "plots", "reports", "tmp", "cache", "*.lock", ".venv", ".git", ".cache")
    left_out = shutil.ignore_patterns(*outputs)
    shutil.copytree(ROOT, folder, ignore=left_out)
    for part in ("authored", "probes", "lm_eval"):
        shutil.copytree(ROOT / "data" / part, folder / "data" / part)
    (folder / "data/imported/therapy").mkdir(parents=True)
    cache = tmp_path_factory.mktemp("cache")
    with FakeModelServer(script) as server:
        _configure(folder, server.url, babbling_base)
        repository = Repository(folder, server, cache)
        repository.run("git", "init", "-q")
        repository.run(sys.executable, "-m", "tunewright.cli", "params")
        repository.repro()
        yield repository


def test_the_whole_pipeline_ends_in_a_report_that_says_what_it_rests_on(repository: Repository) -> None:
    report = (repository.folder / "reports/evaluation_report.md").read_text("utf-8")
    assert "untrusted" in "".join(report.split("\n## ")[:2])  # the first screen, and what to know before believing it
    compare = json.loads((repository.folder / "metrics/evaluate-compare.json").read_text("utf-8"))
    assert compare["n_personas"] >= 2
    assert compare["tuned_score"] > compare["base_score"]
    sanity = json.loads((repository.folder / "metrics/evaluate-sanity.json").read_text("utf-8"))
    assert sanity["tuned_perplexity"] != sanity["base_perplexity"]


def test_a_second_run_runs_nothing_and_calls_no_model(repository: Repository) -> None:
    before = len(repository.server.requests)
    assert repository.repro() == set()
    assert len(repository.server.requests) == before


def test_a_threshold_edit_scores_again_without_a_model_call(repository: Repository) -> None:
    before = len(repository.server.requests)
    repository.edit("conf/domain/therapy/rubric.yaml", "pass_threshold: 0.80", "pass_threshold: 0.79")
    ran = repository.repro()
    assert {"generate-scores", "evaluate-scores"} <= ran
    assert not ran & {"generate-transcripts", "generate-verdicts", "evaluate-verdicts", "train-adapter"}
    assert len(repository.server.requests) == before


def test_an_edited_criterion_is_judged_again_alone(repository: Repository) -> None:
    before = len(repository.server.requests)
    repository.edit("conf/domain/therapy/rubric.yaml", "a moment, a phrase)", "a moment, a word)")
    planned, _ = json.JSONDecoder().raw_decode(
        repository.run(sys.executable, "-m", "tunewright.cli", "plan", "--format", "json")
    )
    assert len(repository.server.requests) == before
    ran = repository.repro()
    asked = repository.server.requests[before:]
    assert asked and planned["made"] == len(asked)
    assert {stage["stage"].split("@")[0] for stage in planned["stages"]} >= ran
    assert all("response_format" in body for body in asked)
    assert all("a word)?" in body["messages"][-1]["content"] for body in asked)
    assert "generate-transcripts" not in ran


def test_an_edited_coach_s_prompt_makes_the_generated_conversations_anew_and_no_people(repository: Repository) -> None:
    before = len(repository.server.requests)
    repository.edit(
        "prompts/therapy/assistant.md", "an experienced wellbeing coach", "an experienced, brief wellbeing coach"
    )
    ran = repository.repro("generate-scores")
    assert ran == {"design-check", "generate-transcripts"}  # the scripted coach says the same: nothing more to judge
    asked = repository.server.requests[before:]
    assert any("experienced, brief" in body["messages"][0]["content"] for body in asked)


def test_a_kill_in_the_middle_loses_no_finished_call(repository: Repository) -> None:
    """SIGKILL after six requests; the next run asks for those alone that had no answer yet."""
    transcripts = repository.folder / "data/generate/transcripts.jsonl"
    whole, quick = transcripts.read_bytes(), repository.server.script
    before = len(repository.server.requests)
    cache = Path(repository.env["TUNEWRIGHT_CACHE"])
    (cache / "replies.sqlite").rename(cache / "kept.sqlite")
    repository.server.script = lambda body: replace(quick(body), delay_s=0.3)
    command = [sys.executable, "-m", "stages.generate.transcripts"]
    running = subprocess.Popen(command, cwd=repository.folder, env=repository.env, stderr=subprocess.DEVNULL)
    while len(repository.server.requests) < before + 6 and running.poll() is None:
        time.sleep(0.05)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    repository.server.script = quick
    sent = repository.server.requests[before:]
    said = repository.run(*command)
    made, cached = (int(n) for n in re.search(r"(\d+) model calls made, (\d+) from the cache", said).groups())
    assert cached >= 3  # of six that were sent at most three, one a conversation, were under way at the kill
    assert made + cached == 15 and len(repository.server.requests) - before == len(sent) + made
    assert transcripts.read_bytes() == whole


def test_an_offline_replay_gives_the_same_bytes(repository: Repository) -> None:
    path = repository.folder / "data/generate/transcripts.jsonl"
    before, calls = path.read_bytes(), len(repository.server.requests)
    repository.repro("-f", "-s", "generate-transcripts", TUNEWRIGHT_OFFLINE="1")
    assert path.read_bytes() == before
    assert len(repository.server.requests) == calls


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        ("params.yaml", "reasks: 1", "reask: 1", "reask"),
        ("conf/domain/therapy/rubric.yaml", "weight: 0.25", "weight: 0.15", "found a sum of 0.9"),
    ],
)
def test_bad_input_ends_in_one_clear_message(repository: Repository, path: str, old: str, new: str, said: str) -> None:
    file = repository.folder / path
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")
    output = repository.run("dvc", "repro", "generate-scores", ok=False)
    file.write_text(text, "utf-8")
    assert said in output
    assert "Traceback" not in output


def test_a_missing_prompt_and_a_cut_off_file_are_named(repository: Repository) -> None:
    prompt = repository.folder / "prompts/therapy/assistant.md"
    recorded = repository.folder / "data/authored/therapy/transcripts.jsonl"
    for path, broken, said in (
        (prompt, None, "prompts/therapy/assistant.md"),
        (recorded, recorded.read_bytes()[:-40], "the file is cut off"),
    ):
        whole = path.read_bytes()
        path.unlink() if broken is None else path.write_bytes(broken)
        output = repository.run("dvc", "repro", "generate-transcripts", ok=False)
        path.write_bytes(whole)
        assert said in output
        assert "Traceback" not in output


def test_a_wrong_key_stops_with_one_message_and_loses_nothing(repository: Repository) -> None:
    params, kept = repository.folder / "params.yaml", repository.folder / "data/generate/transcripts.jsonl"
    before, transcripts = params.read_bytes(), kept.read_bytes()
    with FakeModelServer(script, api_key="right") as server:
        overrides = ("llm=openai", f"llm.connections.openai.api_base={server.url}")
        repository.run(sys.executable, "-m", "tunewright.cli", "params", *overrides)
        output = repository.run("dvc", "repro", "generate-transcripts", ok=False, OPENAI_API_KEY="sk-wrong-key")
    params.write_bytes(before)
    assert "refused the key in $OPENAI_API_KEY" in output
    assert "sk-wrong-key" not in output
    assert "Traceback" not in output
    repository.repro("generate-transcripts", TUNEWRIGHT_OFFLINE="1")
    assert kept.read_bytes() == transcripts
