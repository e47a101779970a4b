"""The generated conversations' users are reviewed into files that repeat byte for byte."""

from pathlib import Path

import pytest
import yaml

from bench.fake_model_server import Answer
from stages.generate import simulator as stage
from tests.conftest import ROOT, persona, spec, transcript
from tunewright.errors import MissingInputError
from tunewright.records import read_jsonl, write_jsonl
from tunewright.sound import SimulatorReview

FILE = Path("data/generate/simulator.jsonl")
SECTION = yaml.safe_load((ROOT / "params.yaml").read_text())["generate"]["simulator"]


@pytest.fixture
def run(workspace):
    swapped = transcript("t1", user="Thank you for reaching out, how can I help you today with number")
    write_jsonl("data/generate/transcripts.jsonl", [swapped, transcript("t2", user_kind="authored")])
    write_jsonl("data/generate/personas.jsonl", [persona()])

    def start(server=None, **settings):
        workspace.write_params("generate.simulator", SECTION | settings, server)
        stage.main()

    return start


def test_a_user_who_helps_is_left_out_and_an_author_is_not_reviewed(run, workspace):
    run()
    [found] = read_jsonl(FILE, SimulatorReview)
    assert found.transcript_id == "t1" and "role_swap in exchange 1, 2, 3" in (found.failure or "")
    assert workspace.metrics("generate-simulator")["n_critical"] == 1
    assert "role swap" in Path("reports/simulator.md").read_text()
    before = FILE.read_bytes()
    run()
    assert FILE.read_bytes() == before


@pytest.mark.parametrize(("status", "told"), [(500, True), (400, False)])
def test_answers_that_may_come_when_asked_again_are_counted_with_the_command(
    run, fake_server, monkeypatch, capsys, status, told
):
    monkeypatch.setattr("tunewright.service.random.uniform", lambda low, high: 0.0)
    judge = spec("hosted_vllm/judge").model_dump()
    run(fake_server(lambda body: Answer("no", status=status)), judge=judge, max_failed_share=1.0)
    note = "2 judge's answers may come when asked again: dvc repro -f -s generate-simulator"
    assert (note in capsys.readouterr().err) is told


def test_without_conversations_the_stage_to_run_is_named(run):
    Path("data/generate/transcripts.jsonl").unlink()
    with pytest.raises(MissingInputError, match="dvc repro generate-transcripts"):
        run()
