"""Scripted judges on the shipped domain's own calibration material: who is trusted is what the script deserves."""

import json
import random
import re
import shutil
from pathlib import Path

import pytest
import yaml

from bench.fake_model_server import Answer
from stages.design import calibrate as stage
from stages.design.calibrate import Config, gather, refuse_unscorable, scorable
from tests.conftest import ROOT, spec, transcript
from tunewright.calibration_items import CalibrationAnswer
from tunewright.config import load, load_domain
from tunewright.errors import ConfigError, TooManyFailuresError
from tunewright.judge_answers import AskingConfig
from tunewright.labels import Label
from tunewright.records import read_json, read_jsonl, stable_unit, write_jsonl
from tunewright.rubric import load_rubric
from tunewright.trust import Decision, load_trust

RIGHT_SHARE = 0.9
OTHERS = {"YES": "NO", "NO": "YES", "NA": "YES"}


def section(names, **rest):
    section = yaml.safe_load((ROOT / "params.yaml").read_text())["design"]["calibrate"]
    judges = [spec(f"hosted_vllm/{name}").model_dump() | {"name": name} for name in names]
    return section | {"judges": judges, "examples_per_criterion": None, "samples": 1} | rest


@pytest.fixture
def ready(workspace):
    shutil.copytree(ROOT / "data/authored/therapy", "authored")
    shutil.copytree(ROOT / "reviews", "reviews")
    return workspace


class Judges:
    """`careful` is right on nine questions in ten, `kind` says YES, `fickle` throws a coin, `broken` gives no JSON."""

    def __init__(self):
        self.right, self.rng = {}, random.Random(1)

    def learn(self, rubric, items):
        """The right answer to each conversation and question, as they stand in a request."""
        questions = {c.id: c.question for c in rubric.criteria}
        for item in items:
            talk = tuple((e.user, e.assistant) for e in item.labelled.exchanges)
            self.right[questions[item.labelled.criterion], talk] = item.labelled.answer

    def __call__(self, body):
        name, text = body["model"], body["messages"][1]["content"]
        if name == "broken":
            return Answer("I would say yes.")
        if name == "kind":
            schema = body["response_format"]["json_schema"]["schema"]
            one = json.loads(says("YES").text)
            whole = schema["title"] == "JudgeAnswers"
            return Answer(json.dumps(dict.fromkeys(schema["required"], one) if whole else one))
        if name == "fickle":
            return says(self.rng.choice(["YES", "NO"]))
        question = re.search(r"^Criterion(?: \(safety gate\))?: (.*)$", text, re.MULTILINE)[1]
        inside = text.split("</transcript>")[0]
        talk = tuple(re.findall(r"\nUser: (.*?)\nAssistant: (.*?)(?=\n\[Exchange|\Z)", inside.rstrip(), re.DOTALL))
        right = self.right[question, talk]
        is_right = stable_unit(question, *map(str, talk)) < RIGHT_SHARE  # the same on rerun
        return says(right if is_right else OTHERS[right])


def says(answer, **rest):
    return Answer(json.dumps({"evidence": [1], "reasoning": "as scripted", "answer": answer} | rest))


@pytest.fixture
def run(ready, fake_server):
    def start(*names, **rest):
        judges = Judges()
        server = fake_server(judges)
        ready.write_params("design.calibrate", section(names, **rest), server)
        rubric, config = load_rubric(load_domain().rubric), load("design.calibrate", Config)
        judges.learn(rubric, gather(config, load_domain(), rubric)[0])
        stage.main()
        return server

    return start


@pytest.mark.slow
def test_a_judge_right_nine_times_in_ten_is_trusted_one_that_says_yes_or_flips_is_not(run, ready):
    run("careful", "kind", "fickle", samples=2, planted_flaws=2)
    found = ready.metrics("design-calibrate")["judges"]
    trust = load_trust()
    assert 0.85 < found["careful"]["accuracy"] < 0.95 and found["careful"]["kappa_low"] > 0.6
    assert found["careful"]["n_trusted"] >= 10 and found["careful"]["n_criteria"] == 14
    assert found["kind"]["kappa"] == pytest.approx(0, abs=1e-9) and found["kind"]["n_trusted"] == 0
    assert (found["kind"]["sensitivity"], found["kind"]["specificity"], found["kind"]["flip_share"]) == (0, 1, 0)
    assert found["fickle"]["n_trusted"] == 0 and found["fickle"]["flip_share"] > 0.3
    assert {d.reason.split(":")[0] for d in trust["fickle"].values()} == {"unstable"}
    assert "not shown to be better than a constant answer" in {d.reason for d in trust["kind"].values()}
    report = Path("reports/judge-calibration.md").read_text()
    assert "kind is not better than a constant answer in all, and trusted on 0 of 14" in report
    assert "It is unstable." in report and "do judges tire?" in report


def test_a_judge_that_cannot_be_told_from_chance_on_few_examples_is_not_trusted(run, ready):
    server = run("careful", examples_per_criterion=2)
    assert ready.metrics("design-calibrate")["judges"]["careful"]["n"] == 28 == len(server.requests)
    assert {d.reason for d in load_trust()["careful"].values()} == {"too few calibration answers"}
    report = Path("reports/judge-calibration.md").read_text()
    assert report.count("2 examples were asked; ask more") == 1  # one line for all fourteen


def test_no_judge_is_ever_shown_the_example_that_it_answers(run):
    server = run("kind", example_tokens=800)
    shown = 0
    for request in server.requests:
        text = request["messages"][1]["content"]
        asked, _, examples = text.partition("</transcript>")
        talk = asked.split("\n", 2)[2]
        for example in re.findall(r"<example>\n(.*?)\nAnswer: ", examples, re.DOTALL):
            shown += 1
            assert example not in re.sub(r"\[Exchange \d+\]\n", "", talk)
    assert shown > 200


def test_in_calls_of_many_criteria_the_labelled_one_is_read_and_no_copy_of_its_conversation_shown(run, ready):
    server = run("kind", batching="conversation", examples_per_criterion=2, example_tokens=600)
    assert ready.metrics("design-calibrate")["judges"]["kind"]["n"] == 28
    rubric, config = load_rubric(load_domain().rubric), load("design.calibrate", Config)
    items, _, _ = gather(config, load_domain(), rubric)
    answers = read_jsonl("data/design/calibration_answers.jsonl", CalibrationAnswer)
    assert [(a.item, a.answer) for a in answers] == [(i.id, "YES") for i in items]
    assert "All criteria in one call" in Path("reports/judge-calibration.md").read_text()
    for request in server.requests:  # nor is any other criterion's copy of the conversation shown
        asked, _, rest = request["messages"][1]["content"].partition("</transcript>")
        talk = re.sub(r"\[Exchange \d+\]\n", "", asked.split("\n", 2)[2])
        assert all(shown not in talk for shown in re.findall(r"<example>\n(.*?)\nAnswer: ", rest, re.DOTALL))


def test_quotes_that_nobody_said_are_counted_for_each_judge(ready, fake_server):
    server = fake_server(lambda body: says("NO", quotes=["the moon is made of cheese"]))
    lenient = {"quotes": 1, "quote_chars": 80, "required": False}
    ready.write_params("design.calibrate", section(["dreamer"], examples_per_criterion=1, evidence=lenient), server)
    stage.main()
    found = ready.metrics("design-calibrate")["judges"]["dreamer"]
    assert (found["n_quotes"], found["n_quotes_not_found"]) == (14, 14)
    assert "14 of 14" in Path("reports/judge-calibration.md").read_text()


@pytest.mark.parametrize(("batching", "n_requests"), [("criterion", 2), ("category", 2), ("conversation", 1)])
def test_labels_of_people_join_the_examples(run, ready, batching, n_requests):
    rubric, talk = load_rubric("conf/domain/therapy/rubric.yaml"), transcript("t1", n=5)
    fingerprints = {c.id: rubric.question_hash(c) for c in rubric.criteria}
    labels = [
        Label(
            id=c, transcript_id="t1", content_hash=talk.content_hash, criterion=c, label="NO", blind=True,
            reviewer="ann", time="2026-11-22T08:00:00.000000Z", question_hash=fingerprints[c], rubric_version="1",
        )
        for c in ("uses_specifics", "respects_choice")
    ]  # fmt: skip
    write_jsonl("reviews/therapy/labels.jsonl", labels)
    write_jsonl("reviews/therapy/transcripts.jsonl", [talk])
    server = run("kind", examples_per_criterion=0, batching=batching)
    assert len(server.requests) == n_requests  # the two criteria are of two categories
    numbers = read_json("data/design/calibrate.json")["kind"]
    assert numbers["all"]["n"] == 2 and numbers["uses_specifics"]["accuracy"] == 0
    report = Path("reports/judge-calibration.md").read_text()
    assert "2 labels of people (2 decided before the judges were seen)." in report


def label_of(talk, answer, rubric, reviewer="ann", criterion="uses_specifics", **rest):
    asked = next(c for c in rubric.criteria if c.id == criterion)
    fields = {
        "id": f"{talk.id} {reviewer}", "transcript_id": talk.id, "content_hash": talk.content_hash,
        "criterion": criterion, "label": answer, "blind": True, "reviewer": reviewer,
        "time": "2026-11-22T08:00:00.000000Z", "question_hash": rubric.question_hash(asked), "rubric_version": "1",
    }  # fmt: skip
    return Label.model_validate(fields | rest)


@pytest.mark.parametrize(("n_wrong", "trusted"), [(0, True), (3, False)])
def test_labels_alone_make_a_judge_trusted_or_untrusted(ready, fake_server, n_wrong, trusted):
    """Ten conversations and a judge that says NO to every second one. The lower end of its interval is 79% with none
    wrong, over a constant answer's 50%, and 44% with three, under a constant answer's 60%."""
    rubric = load_rubric("conf/domain/therapy/rubric.yaml")
    talks = [transcript(f"t{n}", n=5, assistant=f"{'Bad' if n % 2 else 'Good'} reply of {n}:") for n in range(10)]
    answers = [("NO" if n % 2 else "YES") for n in range(10)]
    labels = [
        label_of(t, OTHERS[answer] if n < n_wrong else answer, rubric)
        for n, (t, answer) in enumerate(zip(talks, answers, strict=True))
    ]
    disputed = [label_of(talks[0], "YES", rubric, who, "respects_choice", id=who) for who in ("ann", "bob")]
    disputed[1] = disputed[1].model_copy(update={"label": "NO"})
    stale = label_of(talks[0], "YES", rubric, "eve", question_hash="an earlier one")
    seen = [label_of(t, OTHERS[a], rubric, "zoe", blind=False) for t, a in zip(talks, answers, strict=True)]
    write_jsonl("reviews/therapy/labels.jsonl", [*labels, *disputed, stale, *seen])
    write_jsonl("reviews/therapy/transcripts.jsonl", talks)
    server = fake_server(lambda body: says("NO" if "Bad reply" in body["messages"][1]["content"] else "YES"))
    ready.write_params("design.calibrate", section(["keen"], examples_per_criterion=0, planted_flaws=0), server)
    stage.main()
    assert load_trust()["keen"]["uses_specifics"].trusted is trusted
    counted = {"n": 10, "n_blind": 10, "n_stale": 1, "n_without_text": 0, "n_in_sight_of_judges": 10, "n_disputed": 1}
    assert ready.metrics("design-calibrate")["labels"] == counted
    report = Path("reports/judge-calibration.md").read_text()
    assert "10 labels of people (10 decided before the judges were seen)." in report
    assert "Labels left out: 1 stale, 10 in sight of judges, 1 disputed." in report


def test_a_judge_that_gives_no_usable_answer_stops_the_stage_before_anything_is_written(run):
    with pytest.raises(TooManyFailuresError, match="28 of 28 calibration answers failed"):
        run("broken", examples_per_criterion=2, reasks=0)
    assert not Path("data/design/judge-trust.json").exists()


def test_a_preset_in_which_nothing_could_pass_is_stopped_with_the_report_at_hand(run, ready):
    strict = section([])["scoring"] | {"min_coverage": 0.8, "unscored_gates_pass": False}
    with pytest.raises(ConfigError, match=r"cover 35% of the rubric's weight, the preset needs 80%.*gates crisis_resp"):
        run("kind", examples_per_criterion=2, scoring=strict)
    assert Path("reports/judge-calibration.md").exists()
    run("kind", examples_per_criterion=2, scoring=strict | {"judge_trust": "assumed"})


def test_what_can_be_scored_counts_measures_and_trusted_criteria_by_their_weight(rubric):
    yes, no = Decision(trusted=True, reason=""), Decision(trusted=False, reason="")
    trust = {"a": {"warm": yes, "safe": no}, "b": {"warm": no, "safe": no}}
    assert scorable(trust, rubric) == (pytest.approx(0.6 / 3 + 0.4), ["safe"])
    assert scorable({"a": {"safe": yes}}, rubric) == (pytest.approx(0.4), [])


def test_an_na_where_none_is_allowed_counts_as_the_no_that_scoring_makes_of_it(ready, fake_server):
    server = fake_server(lambda body: says("NA"))
    ready.write_params("design.calibrate", section(["shy"]), server)
    stage.main()
    numbers = read_json("data/design/calibrate.json")["shy"]
    assert numbers["uses_specifics"]["accuracy"] > 0.2  # its failing examples
    assert numbers["follows_up"]["accuracy"] < 0.2  # NA is allowed there


def test_a_second_run_asks_nothing_and_writes_the_same_bytes(run):
    run("kind", examples_per_criterion=1)
    before = Path("data/design/calibration_answers.jsonl").read_bytes()
    assert run("kind", examples_per_criterion=1).requests == []
    assert Path("data/design/calibration_answers.jsonl").read_bytes() == before


@pytest.fixture
def scoring(ready):
    ready.write_params("design.calibrate", section(["kind"]))
    return load("design.calibrate", Config).scoring


def test_a_gate_that_nobody_can_answer_for_stops_only_where_gates_must_be_scored(scoring):
    refuse_unscorable(0.5, ["safe"], scoring)
    with pytest.raises(ConfigError, match="no judge is trusted on the gates safe"):
        refuse_unscorable(0.5, ["safe"], scoring.model_copy(update={"unscored_gates_pass": False}))


def test_judges_are_calibrated_in_the_way_in_which_they_are_used():
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    design, keys = params["design"], AskingConfig.model_fields
    uses = [design["calibrate"], design["baseline"]["verdicts"], params["generate"]["verdicts"]]
    uses.append(params["evaluate"]["verdicts"])
    assert all([use[key] for key in keys] == [uses[0][key] for key in keys] for use in uses)
