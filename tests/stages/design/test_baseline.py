"""The base model before tuning: who it meets, what the pass rate means, and what that rests on."""

import json
from pathlib import Path

import pytest
import yaml

from bench.fake_model_server import Answer
from stages.design import baseline as stage
from stages.design.baseline import Config, decide, level, people
from tests.conftest import ROOT, persona, spec, transcript
from tunewright.config import load, load_domain
from tunewright.errors import ConfigError, MissingInputError, TooManyFailuresError
from tunewright.records import Score, Transcript, read_jsonl, write_json
from tunewright.splits import split_of
from tunewright.trust import TRUST_FILE

PEOPLE = [persona(f"p{n}", source="authored") for n in range(30)]
TALKS = [transcript(f"{p.id}-1", persona_id=p.id, n=4, user_kind="authored") for p in PEOPLE]


@pytest.fixture
def ready(workspace):
    workspace.use_small_rubric()
    workspace.write_authored(PEOPLE, TALKS)
    decision = {"trusted": True, "reason": "better than a constant answer"}
    write_json(TRUST_FILE, {"strict": {c: decision for c in ("warm", "curious", "late", "safe")}})
    return workspace


@pytest.fixture
def configure(ready, fake_server):
    def start(script="Well.", user_kind="replay", scenarios=5, **rest):
        section = yaml.safe_load((ROOT / "params.yaml").read_text())["design"]["baseline"]
        section["base"] = spec("hosted_vllm/base").model_dump()
        section["scenarios"] = scenarios
        section["encounters"] |= {"user_kind": user_kind, "user": spec("hosted_vllm/user").model_dump()}
        section["verdicts"] |= {"judges": [spec("hosted_vllm/j").model_dump() | {"name": "strict"}]} | {
            "judged_transcripts": None
        }
        server = fake_server(script)
        ready.write_params("design.baseline", section | rest, server)
        return server, load("design.baseline", Config)

    return start


def judge(answer):
    def script(body):
        if "response_format" in body:
            return Answer(json.dumps({"evidence": [1], "reasoning": "so", "answer": answer(body)}))
        return Answer("A plain reply.")

    return script


def scores(*passed):
    fields = {"persona_id": "p", "answers": {}, "unscored": {}, "categories": {}, "score": None, "coverage": 0.4}
    more = {"gates_failed": (), "gates_unscored": (), "disagreements": (), "outcome": "open: too little"}
    return [Score.model_validate(fields | more | {"transcript_id": f"t{n}", "passed": p}) for n, p in enumerate(passed)]


def test_recorded_people_are_those_whom_no_training_example_will_come_from(configure):
    _, config = configure()
    found = people(config, load_domain(), PEOPLE)
    assert len(found) == 5 and found == sorted(found, key=lambda p: p.id)
    assert {split_of(p.id, config.shares, config.encounters.seed) for p in found} == {"holdout"}


def test_where_the_evaluation_meets_imported_people_so_does_the_base_model(configure, ready):
    people_ = [persona(f"i{n}", source="imported", age=None) for n in range(30)]
    logs = [transcript(f"log-{p.id}", persona_id=p.id, user_kind="imported") for p in people_]
    ready.write_imported("jan", people_, logs)
    configure(judge(lambda body: "YES"), source="imported")
    stage.main()
    talks = read_jsonl("data/design/baseline/transcripts.jsonl", Transcript)
    shares = load("design.baseline", Config).shares
    assert len(talks) == 5 and all(t.id == f"pair-log-{t.persona_id}" for t in talks)
    assert {split_of(t.persona_id, shares, 20260101) for t in talks} == {"holdout"}


def test_new_people_come_from_the_taxonomy(configure):
    _, config = configure(user_kind="simulated", scenarios=7)
    found = people(config, load_domain(), [])
    assert [p.id for p in found][:2] == ["baseline-0001", "baseline-0002"] and len(found) == 7


@pytest.mark.parametrize(
    ("rate", "decision"),
    [
        (0.71, "reconsider tuning"),
        (0.70, "tune, moderate gain"),
        (0.50, "tune, moderate gain"),
        (0.49, "tune, large gain"),
    ],
)
def test_the_decision_changes_at_the_method_s_thresholds(configure, rate, decision):
    assert level(rate, configure()[1].thresholds)[0] == decision


def test_the_interval_says_which_decisions_it_leaves_open(configure):
    _, config = configure()
    found = decide(scores(*[True] * 6, *[False] * 4, None), 11, config)
    assert (found.n_decided, found.n_passed, found.pass_rate, found.decision) == (10, 6, 0.6, "tune, moderate gain")
    assert "6 of 10 passed (95% interval 31% to 83%)" in found.reason
    assert found.reason.endswith("the interval does not exclude: reconsider tuning, tune, large gain")
    wide = decide(scores(*[True] * 8, *[False] * 3), 11, config)  # 43% to 90%: all three
    assert wide.decision == "reconsider tuning"
    assert wide.reason.endswith("the interval does not exclude: tune, large gain, tune, moderate gain")
    sure = decide(scores(*[False] * 40), 40, config)
    assert sure.reason.endswith("so says the whole interval")


def test_where_nothing_was_decided_it_cannot_be_told(configure):
    found = decide(scores(None, None), 2, configure()[1])
    assert (found.decision, found.pass_rate) == ("cannot tell", None)
    assert found.reason == "no scenario was decided (open: too little)"


def test_the_stage_talks_judges_scores_and_decides(configure, ready):
    server, _ = configure(judge(lambda body: "NO" if "do warm?" in body["messages"][1]["content"] else "YES"))
    stage.main()
    found = ready.metrics("design-baseline")
    # heart: NO, YES, YES; form: plain YES: 0.6 * 2/3 + 0.4 = 0.8 >= 0.7: all pass
    assert (found["n_scenarios"], found["n_decided"], found["pass_rate"], found["score_mean"]) == (5, 5, 1.0, 0.8)
    assert found["decision"] == "reconsider tuning"
    talks = read_jsonl("data/design/baseline/transcripts.jsonl", Transcript)
    assert [len(t.exchanges) for t in talks] == [3] * 5 and talks[0].id.startswith("pair-p")
    report = Path("reports/base-model-eval.md").read_text()
    assert "Decision: reconsider tuning" in report and "| warm | 0% | 5 |" in report
    assert "| safety gates not scored anywhere | none |" in report
    assert len(server.requests) == 3 + 4  # five times the same words: each request is sent once


def test_evaluation_finds_the_base_model_s_replies_in_the_cache(configure, ready, fake_server, monkeypatch):
    from stages.evaluate import transcripts as evaluation

    configure(judge(lambda body: "YES"))
    stage.main()
    section = yaml.safe_load((ROOT / "params.yaml").read_text())["evaluate"]["transcripts"]
    server = fake_server("Something else.")
    section |= {
        "user": spec("hosted_vllm/user").model_dump(),
        "candidates": {"base": spec("hosted_vllm/base").model_dump()},
    }
    ready.write_params("evaluate.transcripts", section, server)
    held_out = people(load("design.baseline", Config), load_domain(), PEOPLE)
    from tunewright.records import write_jsonl

    write_jsonl("data/evaluate/personas.jsonl", held_out)
    monkeypatch.setattr("sys.argv", ["transcripts", "base"])
    evaluation.main()
    assert server.requests == []


def test_only_counted_criteria_are_called_that(configure):
    configure()
    write_json(TRUST_FILE, {})
    stage.main()
    assert "Only measured criteria were scored" in Path("reports/base-model-eval.md").read_text()


def test_judges_that_fail_stop_the_stage(configure):
    configure(lambda body: Answer("no JSON" if "response_format" in body else "Well."))
    with pytest.raises(TooManyFailuresError, match="judge answers failed"):
        stage.main()


def test_judges_taken_at_the_user_s_word_are_told(configure, ready):
    scoring = yaml.safe_load((ROOT / "params.yaml").read_text())["generate"]["scores"] | {"judge_trust": "assumed"}
    configure(judge(lambda body: "YES"), scoring=scoring)
    stage.main()
    assert "Judges are assumed to be right" in Path("reports/base-model-eval.md").read_text()


def test_without_recorded_people_or_calibration_the_way_on_is_named(configure, ready):
    configure()
    Path(TRUST_FILE).unlink()
    with pytest.raises(MissingInputError, match="dvc repro design-calibrate"):
        stage.main()
    ready.write_authored([], [])
    with pytest.raises(ConfigError, match="evaluation_user: simulated"):
        stage.main()
