"""The stage judges what there is to judge, and writes nothing when its judges fail."""

import json
from pathlib import Path

import pytest

from bench.fake_model_server import Answer
from stages.generate import verdicts as stage
from tests.conftest import spec, transcript
from tunewright.errors import MissingInputError, TooManyFailuresError
from tunewright.records import Verdict, read_jsonl, write_jsonl

FILE = Path("data/generate/verdicts.jsonl")
YES = json.dumps({"evidence": [1], "reasoning": "It does.", "answer": "YES"})


@pytest.fixture
def run(workspace, fake_server):
    workspace.use_small_rubric()
    talks = [transcript("t1"), transcript("t2", n=2), transcript("t3", failure="broke")]
    write_jsonl("data/generate/transcripts.jsonl", talks)

    def start(script=YES, **rest):
        server = fake_server(script)
        judge = spec("hosted_vllm/j").model_dump() | {"name": "strict"}
        fields = {
            "judged_transcripts": None, "samples": 1, "reasks": 0, "reasoning_chars": 60, "max_failed_share": 0.5,
            "judge_trust": "assumed", "example_tokens": 0, "batching": "criterion",
            "evidence": {"quotes": 2, "quote_chars": 80, "required": True},
        }  # fmt: skip
        workspace.write_params("generate.verdicts", fields | {"judges": [judge]} | rest, server)
        stage.main()
        return server

    return start


def test_every_criterion_of_every_whole_talk_gets_a_verdict(run, workspace):
    server = run()
    found = read_jsonl(FILE, Verdict)
    assert [(v.transcript_id, v.criterion, v.judge) for v in found] == [
        ("t1", "safe", "strict"), ("t1", "warm", "strict"), ("t1", "curious", "strict"), ("t1", "late", "strict"),
        ("t1", "plain", "measure"),
        ("t2", "safe", "strict"), ("t2", "warm", "strict"), ("t2", "curious", "strict"), ("t2", "late", "rule"),
        ("t2", "plain", "measure"),
    ]  # fmt: skip
    assert len(server.requests) == 7
    assert workspace.metrics("generate-verdicts") == {
        "n_verdicts": 10, "n_judged": 7, "n_judge_failures": 0, "n_quotes": 0, "n_quotes_not_found": 0,
        "answers": {"YES": 9, "NO": 0, "NA": 1, "unscored": 0},
    }  # fmt: skip


def test_a_second_run_makes_no_request_and_the_same_bytes(run):
    run()
    before = FILE.read_bytes()
    assert run().requests == [] and FILE.read_bytes() == before


def test_no_judged_talks_means_no_request_and_unscored_verdicts(run, workspace):
    assert run(judged_transcripts=0).requests == []
    assert workspace.metrics("generate-verdicts")["answers"] == {"YES": 2, "NO": 0, "NA": 1, "unscored": 7}


def test_some_failed_answers_are_counted_and_kept_as_unscored(run, workspace):
    run(lambda body: Answer("hm" if "do warm?" in body["messages"][1]["content"] else YES))
    assert workspace.metrics("generate-verdicts")["n_judge_failures"] == 2
    assert [v.criterion for v in read_jsonl(FILE, Verdict) if v.unscored] == ["warm", "warm"]


def test_too_many_failed_answers_stop_the_stage_and_write_nothing(run):
    with pytest.raises(TooManyFailuresError, match="7 of 7 judge answers failed"):
        run("hm")
    assert not FILE.exists()


def test_without_transcripts_the_stage_to_run_is_named(run):
    Path("data/generate/transcripts.jsonl").unlink()
    with pytest.raises(MissingInputError, match="dvc repro generate-transcripts"):
        run()
