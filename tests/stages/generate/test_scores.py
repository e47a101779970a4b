"""Scores of three talks by hand, from files."""

from pathlib import Path

import pytest

from stages.generate import scores as stage
from tests.conftest import critical, transcript, write_reviews
from tunewright.errors import MissingInputError, RecordError
from tunewright.records import Score, Verdict, read_json, read_jsonl, write_json, write_jsonl
from tunewright.trust import TRUST_FILE

IDS = ("warm", "curious", "late", "plain", "safe")
SECTION = {
    "aggregation": "strictest", "judge_trust": "assumed", "min_coverage": 0.5, "unscored_gates_pass": False,
    "disagreement_spread": 0.15, "judge_agreement_min": 0.8,
}  # fmt: skip


def verdicts(talk, answers):
    return [
        Verdict(transcript_id=talk, criterion=c, judge="measure" if c == "plain" else "j", answer=a)
        for c, a in zip(IDS, answers.split(), strict=True)
    ]


@pytest.fixture
def run(workspace):
    workspace.use_small_rubric()
    talks = [transcript("t1"), transcript("t2"), transcript("t3", user_kind="authored"), transcript("t4", failure="x")]
    write_jsonl("data/generate/transcripts.jsonl", talks)
    found = (
        verdicts("t1", "YES YES YES YES NA") + verdicts("t2", "NO NO YES YES YES") + verdicts("t3", "YES NA YES NO NO")
    )
    write_jsonl("data/generate/verdicts.jsonl", found)

    def start(**rest):
        workspace.write_params("generate.scores", SECTION | rest)
        stage.main()
        return read_jsonl("data/generate/scores.jsonl", Score)

    return start


def test_three_talks_pass_fall_short_and_fail_a_gate(run, workspace):
    found = run()
    assert [(s.transcript_id, s.score, s.passed) for s in found] == [
        ("t1", 1.0, True), ("t2", 0.6, False), ("t3", 0.6, False),
    ]  # fmt: skip
    assert [s.outcome for s in found][1:] == ["failed: score 0.60 is below 0.70", "failed: safety gate safe"]
    metrics = workspace.metrics("generate-scores")
    assert (metrics["n_passed"], metrics["n_failed"], metrics["pass_rate"]) == (1, 2, 0.3333)
    assert metrics["pass_rate_by_user"] == {"authored": 0.0, "simulated": 0.5}


def test_two_judges_that_agree_too_little_are_told_pair_by_pair(run, workspace, capsys):
    found = [v.model_copy(update={"judge": "k"}) for v in verdicts("t2", "NO YES NO YES YES") if v.judge == "j"]
    both = [*read_jsonl("data/generate/verdicts.jsonl", Verdict), *found]
    write_jsonl("data/generate/verdicts.jsonl", sorted(both, key=lambda v: v.transcript_id))
    run()
    assert workspace.metrics("generate-scores")["judge_agreement_lowest"] == 0.5
    assert "two judges share 50% of their answers; 80% are wanted" in capsys.readouterr().err
    pair = read_json("data/generate/scores.json")["judge_agreement"]["j and k"]
    assert pair["all"]["n"] == 4 and pair["criteria"]["curious"] == {"n": 1, "agreement": 0.0, "kappa": 0.0}


def test_untrusted_judges_leave_all_open(run, workspace):
    decisions = {c: {"trusted": False, "reason": "too few calibration answers"} for c in IDS}
    write_json(TRUST_FILE, {"j": decisions})
    assert [s.passed for s in run(judge_trust="calibrated")] == [None] * 3
    metrics = workspace.metrics("generate-scores")
    assert (metrics["n_open"], metrics["pass_rate"], metrics["criteria_scored"]) == (3, None, 1)


def test_a_changed_threshold_scores_anew_without_new_verdicts(run):
    run()
    rubric = Path("rubric.yaml")
    rubric.write_text(rubric.read_text().replace("pass_threshold: 0.7", "pass_threshold: 0.6"))
    assert [s.passed for s in run()] == [True, True, False]


def test_a_verdict_given_twice_stops_the_stage(run):
    write_jsonl("data/generate/verdicts.jsonl", verdicts("t1", "YES YES YES YES NA") * 2)
    with pytest.raises(RecordError, match="verdicts on t1: warm was answered 2 times"):
        run()


def test_without_calibration_the_stage_to_run_is_named(run):
    with pytest.raises(MissingInputError, match="dvc repro design-calibrate"):
        run(judge_trust="calibrated")


def test_without_verdicts_the_stage_to_run_is_named(run):
    Path("data/generate/verdicts.jsonl").unlink()
    with pytest.raises(MissingInputError, match="dvc repro generate-verdicts"):
        run()


def test_a_talk_that_the_simulator_review_leaves_out_has_no_score(run):
    write_reviews([critical("t2")])
    assert [s.transcript_id for s in run()] == ["t1", "t3"]


def test_without_reviews_the_stage_to_run_is_named(run):
    Path("data/generate/simulator.jsonl").unlink()
    with pytest.raises(MissingInputError, match="dvc repro generate-simulator"):
        run()


def test_verdicts_out_of_the_transcripts_order_or_of_none_of_them_stop_the_stage(run):
    for order in (("t2", "t1"), ("t1", "t9"), ("t1", "t2", "t1")):
        write_jsonl("data/generate/verdicts.jsonl", [v for t in order for v in verdicts(t, "YES YES YES YES NA")])
        with pytest.raises(
            RecordError, match=f"verdicts on {order[-1]}, which are not in the transcripts' order.*dvc repro"
        ):
            run()
    assert not Path("data/generate/scores.jsonl").exists()


def test_a_transcript_without_verdicts_between_others_is_open(run):
    found = [v for t in ("t1", "t3", "t4") for v in verdicts(t, "YES YES YES YES NA")]  # t4 failed: never scored
    write_jsonl("data/generate/verdicts.jsonl", found)
    assert [(s.transcript_id, s.passed) for s in run()] == [("t1", True), ("t2", None), ("t3", True)]
