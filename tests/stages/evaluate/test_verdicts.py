"""A judge never learns which candidate it judges."""

import json
from pathlib import Path

import pytest

from stages.evaluate import verdicts as stage
from tests.conftest import spec, transcript
from tunewright.errors import MissingInputError
from tunewright.records import Verdict, read_jsonl, write_jsonl

YES = json.dumps({"evidence": [1], "reasoning": "It does.", "answer": "YES"})


@pytest.fixture
def run(workspace, fake_server, monkeypatch):
    workspace.use_small_rubric()
    for candidate, said in (("base", "Oh"), ("tuned", "Ah")):
        talk = transcript("pair-a", assistant=said, n=3).model_copy(update={"assistant": f"secret-{candidate}"})
        write_jsonl(f"data/evaluate/transcripts/{candidate}.jsonl", [talk])

    def start(candidate):
        server = fake_server(YES)
        judge = spec("hosted_vllm/j").model_dump() | {"name": "strict"}
        fields = {
            "judged_transcripts": None, "samples": 1, "reasks": 0, "reasoning_chars": 60, "max_failed_share": 0.5,
            "judge_trust": "assumed", "example_tokens": 0, "batching": "criterion",
            "evidence": {"quotes": 2, "quote_chars": 80, "required": True},
        }  # fmt: skip
        workspace.write_params("evaluate.verdicts", fields | {"judges": [judge]}, server)
        monkeypatch.setattr("sys.argv", ["verdicts.py", candidate])
        stage.main()
        return server, read_jsonl(f"data/evaluate/verdicts/{candidate}.jsonl", Verdict)

    return start


def test_the_candidate_s_own_talks_are_judged_into_its_own_file(run, workspace):
    server, found = run("tuned")
    assert len(found) == 5 and len(server.requests) == 4
    assert all("Ah 1" in r["messages"][1]["content"] for r in server.requests)
    assert workspace.metrics("evaluate-verdicts/tuned")["answers"]["YES"] == 5
    assert not Path("data/evaluate/verdicts/base.jsonl").exists()


def test_no_request_tells_which_candidate_spoke(run):
    base, tuned = run("base")[0].requests, run("tuned")[0].requests
    sent = json.dumps(base + tuned)
    assert all(word not in sent for word in ("secret", "tuned", "pair-a"))
    assert [r["messages"] for r in tuned] == json.loads(json.dumps([r["messages"] for r in base]).replace("Oh ", "Ah "))


def test_without_the_candidate_s_talks_the_stage_to_run_is_named(run):
    Path("data/evaluate/transcripts/tuned.jsonl").unlink()
    with pytest.raises(MissingInputError, match="dvc repro evaluate-transcripts@tuned"):
        run("tuned")
