"""Both candidates are asked the same probes, greedily, and code says which replies are right."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.fake_model_server import Answer
from stages.evaluate import capabilities as stage
from tests.conftest import ROOT, spec
from tunewright.errors import ConfigError, TooManyFailuresError
from tunewright.probes import Answered, load_probes
from tunewright.records import read_jsonl

MAX_TOKENS = {"arithmetic": 40, "chat": 64, "facts": 32, "format": 64, "instructions": 48, "refusals": 48}
RIGHT = {probe.turns[-1]: probe.right[0] for one in load_probes(ROOT / "data/probes").values() for probe in one.probes}


@pytest.fixture
def run(workspace, fake_server, monkeypatch):
    shutil.copytree(ROOT / "data/probes", "data/probes")

    def start(candidate="base", script="Well.", **rest):
        server = fake_server(script)
        fields = {
            "candidates": {name: spec(f"hosted_vllm/{name}", 0.7, 256).model_dump() for name in ("base", "tuned")},
            "per_category": 2, "max_tokens": MAX_TOKENS, "max_failed_share": 0.2, "seed": 1,
        }  # fmt: skip
        workspace.write_params("evaluate.capabilities", fields | rest, server)
        monkeypatch.setattr("sys.argv", ["capabilities.py", candidate])
        stage.main()
        return server, read_jsonl(f"data/evaluate/capabilities/{candidate}.jsonl", Answered)

    return start


def last(body):
    return body["messages"][-1]["content"]


def test_right_replies_pass_and_each_is_asked_greedily_within_its_category_s_limit(run, workspace):
    server, answers = run(script=lambda body: Answer(RIGHT[last(body)]), per_category=None)
    assert len(answers) == 150 and all(one.passed for one in answers)
    assert {(r["temperature"], r["max_tokens"]) for r in server.requests} == {(0.0, n) for n in MAX_TOKENS.values()}
    assert workspace.metrics("evaluate-capabilities/base") == {
        "n_probes": 150, "n_right": 150, "n_unscored": 0, "n_cut": 0, "right_by_category": dict.fromkeys(MAX_TOKENS, 25)
    }  # fmt: skip


def test_both_candidates_are_asked_the_same_and_no_domain_prompt_is_sent(run):
    asked = {}
    for side in ("base", "tuned"):
        server, _ = run(side)
        asked[side] = sorted(str(r["messages"]) for r in server.requests)
        assert {r["model"] for r in server.requests} == {side}
    assert asked["base"] == asked["tuned"] and len(asked["base"]) == 12
    assert not any("therap" in text.lower() or "coach" in text.lower() for text in asked["base"])


def test_an_empty_reply_is_wrong_and_a_model_that_cannot_answer_leaves_the_probe_unscored(run, workspace):
    first, second, *_ = [probe.turns[-1] for probe in load_probes()["facts"].probes]

    def script(body):
        return Answer("") if last(body) == first else Answer("no", status=400 if last(body) == second else 200)

    _, answers = run(script=script, per_category=None)
    by_ask = {one.ask: one for one in answers}
    assert (by_ask[first].passed, by_ask[first].fault) == (False, "an empty reply")
    assert by_ask[second].passed is None and by_ask[second].reply == ""
    assert workspace.metrics("evaluate-capabilities/base")["n_unscored"] == 1


def test_a_second_run_asks_nothing_and_gives_the_same_bytes(run):
    run()
    before = Path("data/evaluate/capabilities/base.jsonl").read_bytes()
    server, _ = run()
    assert server.requests == [] and Path("data/evaluate/capabilities/base.jsonl").read_bytes() == before


def test_too_many_failures_and_a_category_without_a_limit_stop_the_stage(run):
    with pytest.raises(TooManyFailuresError, match="12 of 12 probes failed"):
        run(script=lambda body: Answer("no", status=400))
    with pytest.raises(ConfigError, match="no limit for 'chat'"):
        run(max_tokens={"arithmetic": 5})
