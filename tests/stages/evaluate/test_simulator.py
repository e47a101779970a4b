"""Each candidate's conversations have reviews of their own."""

import pytest
import yaml

from stages.evaluate import simulator as stage
from tests.conftest import ROOT, persona, transcript
from tunewright.records import read_jsonl, write_jsonl
from tunewright.sound import SimulatorReview

SECTION = yaml.safe_load((ROOT / "params.yaml").read_text())["evaluate"]["simulator"]
SAID = {"base": "My cat is ill and I am at my wits' end", "tuned": "As an AI language model I have no cat, number"}


@pytest.mark.parametrize(("candidate", "severity"), [("base", None), ("tuned", "critical")])
def test_a_candidate_s_own_conversations_are_reviewed(workspace, monkeypatch, candidate, severity):
    for side, said in SAID.items():
        write_jsonl(f"data/evaluate/transcripts/{side}.jsonl", [transcript("pair-a", user=said, n=1)])
    write_jsonl("data/evaluate/personas.jsonl", [persona()])
    workspace.write_params("evaluate.simulator", SECTION)
    monkeypatch.setattr("sys.argv", ["simulator.py", candidate])
    stage.main()
    [found] = read_jsonl(f"data/evaluate/simulator/{candidate}.jsonl", SimulatorReview)
    assert found.severity == severity
    assert workspace.metrics(f"evaluate-simulator/{candidate}")["n_reviewed"] == 1
