"""A candidate's scores come from its own talks and verdicts."""

from pathlib import Path

import pytest

from stages.evaluate import scores as stage
from tests.conftest import transcript
from tunewright.errors import MissingInputError
from tunewright.records import Score, Verdict, read_jsonl, write_jsonl

IDS = ("warm", "curious", "late", "plain", "safe")
SECTION = {
    "aggregation": "strictest", "judge_trust": "assumed", "min_coverage": 0.5, "unscored_gates_pass": False,
    "disagreement_spread": 0.15, "judge_agreement_min": 0.8,
}  # fmt: skip
ANSWERS = {"base": "NO NO NO YES YES", "tuned": "YES YES NO YES YES"}


@pytest.fixture
def run(workspace, monkeypatch):
    workspace.use_small_rubric()
    for candidate, answers in ANSWERS.items():
        write_jsonl(f"data/evaluate/transcripts/{candidate}.jsonl", [transcript("pair-a")])
        found = [
            Verdict(transcript_id="pair-a", criterion=c, judge="measure" if c == "plain" else "j", answer=a)
            for c, a in zip(IDS, answers.split(), strict=True)
        ]
        write_jsonl(f"data/evaluate/verdicts/{candidate}.jsonl", found)

    def start(candidate):
        workspace.write_params("evaluate.scores", SECTION)
        monkeypatch.setattr("sys.argv", ["scores.py", candidate])
        stage.main()
        return read_jsonl(f"data/evaluate/scores/{candidate}.jsonl", Score)[0]

    return start


def test_each_candidate_is_scored_on_its_own_verdicts(run, workspace):
    base, tuned = run("base"), run("tuned")
    assert (base.score, base.passed) == (0.4, False)  # 0.6 * 0 + 0.4 * 1
    assert (tuned.score, tuned.passed) == (0.8, True)  # 0.6 * 2/3 + 0.4 * 1
    assert workspace.metrics("evaluate-scores/base")["pass_rate"] == 0.0
    assert workspace.metrics("evaluate-scores/tuned")["score_mean"] == 0.8


def test_without_verdicts_the_candidate_s_stage_is_named(run):
    Path("data/evaluate/verdicts/base.jsonl").unlink()
    with pytest.raises(MissingInputError, match="dvc repro evaluate-verdicts@base"):
        run("base")
