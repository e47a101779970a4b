"""Findings become severities, a judge is asked where there is one, and the report says who looked."""

import asyncio
import json

import pytest
from pydantic import ValidationError

from bench.fake_model_server import Answer
from tests.conftest import ROOT, persona, spec, transcript
from tunewright.config import load
from tunewright.document import to_markdown
from tunewright.errors import RecordError
from tunewright.items import OUTAGE
from tunewright.personas import load_template
from tunewright.simulator_judge import review_messages
from tunewright.simulator_report import report
from tunewright.simulator_review import (
    NO_JUDGE,
    Gravity,
    Materials,
    ReviewConfig,
    findings_of,
    metrics,
    review,
    review_all,
    reviewable,
    severity_of,
)  # fmt: skip

CONFIG = load("generate.simulator", ReviewConfig, ROOT / "params.yaml")
TEMPLATE = load_template(str(ROOT / "conf/domain/therapy/personas.yaml"))
GIVEN = Materials(people={"p1": persona()}, template=TEMPLATE, told=frozenset())
SWAP = "Thank you for reaching out. Could you tell me which model you have?"
GRAVITY = {"loop": Gravity(any="minor", critical_share=0.25), "leak": Gravity(any="critical", critical_share=None)}


def talk(*users, **rest):
    made = transcript(n=len(users), **rest)
    said = [e.model_copy(update={"user": u}) for e, u in zip(made.exchanges, users, strict=True)]
    return made.model_copy(update={"exchanges": tuple(said)})


def calm(n):
    """Messages without a fault, too short to repeat one another."""
    things = ("cat", "cup", "car", "key", "box", "hat", "fox", "bed", "hen", "jam")
    return [f"The {thing} is old and mine" for thing in things[:n]]


@pytest.mark.parametrize(("share", "severity"), [(0.01, "minor"), (0.24, "minor"), (0.25, "critical"), (1, "critical")])
def test_a_fault_is_critical_from_its_share_of_the_messages(share, severity):
    assert severity_of(share, GRAVITY["loop"]) == severity
    assert severity_of(share, Gravity(any="major", critical_share=None)) == "major"


def test_what_measure_and_judge_find_is_one_finding_and_the_gravest_stands_first():
    found = findings_of(
        {"loop": {2: "again"}, "leak": {}}, {"loop": ((3,), "so"), "leak": ((1,), "a tag")}, 20, GRAVITY
    )
    assert [(f.fault, f.severity, f.exchanges, f.by, f.detail) for f in found] == [
        ("leak", "critical", (1,), "judge", "a tag"), ("loop", "minor", (2, 3), "both", "again"),
    ]  # fmt: skip


def test_one_swapped_message_in_ten_leaves_a_conversation_out_and_one_in_eleven_does_not():
    ten, eleven = (review(talk(*calm(n - 1), SWAP), GIVEN, CONFIG, None) for n in (10, 11))
    assert (ten.severity, ten.failure) == ("critical", "simulator review: role_swap in exchange 10")
    assert (eleven.severity, eleven.failure) == ("major", None)


def test_a_clean_talk_has_no_severity_and_says_what_nobody_judged():
    found = review(talk(*calm(3)), GIVEN, CONFIG, None)
    assert (found.severity, found.findings) == (None, ())
    assert found.unjudged == {"contradiction": NO_JUDGE, "role_swap": NO_JUDGE}


def test_recorded_written_failed_and_empty_talks_are_not_reviewed():
    others = [
        transcript(user_kind="replay"),
        transcript(user_kind="authored"),
        transcript(failure="x"),
        transcript(n=0),
    ]
    assert reviewable([*others, transcript("t9")]) == [transcript("t9")]


def test_a_fault_without_gravity_is_refused():
    with pytest.raises(ValidationError, match="gravity of contradiction is missing"):
        ReviewConfig.model_validate(
            CONFIG.model_dump() | {"gravity": {f: GRAVITY["loop"] for f in CONFIG.gravity if f != "contradiction"}}
        )


def test_a_talk_of_somebody_unknown_is_told():
    with pytest.raises(RecordError, match="t1: persona 'p9' is not among the personas"):
        review(talk("Hello there", persona_id="p9"), GIVEN, CONFIG, None)


def judged(server, make_client, *talks):
    config = CONFIG.model_copy(update={"judge": spec("hosted_vllm/judge")})
    return asyncio.run(review_all(make_client(server), talks, GIVEN, config))


def test_a_judge_s_yes_is_a_finding_in_the_exchanges_that_it_names(fake_server, make_client):
    def script(body):
        is_asked = "cannot be true of the person" in body["messages"][-1]["content"]
        answer = {"evidence": [2, 9], "reasoning": "Another age.", "answer": "YES" if is_asked else "NO"}
        return Answer(json.dumps(answer))

    [found] = judged(fake_server(script), make_client, talk(*calm(3)))
    assert [(f.fault, f.exchanges, f.severity, f.by) for f in found.findings] == [
        ("contradiction", (2,), "critical", "judge")
    ]
    assert found.unjudged == {}


def test_a_judge_that_fails_or_names_nothing_finds_nothing_and_says_so(fake_server, make_client):
    script = lambda body: Answer(json.dumps({"evidence": [], "reasoning": "Hm.", "answer": "YES"}))  # noqa: E731
    [found] = judged(fake_server(script), make_client, talk(*calm(3)))
    assert found.findings == () and set(found.unjudged.values()) == {"the judge says YES and names no exchange"}
    [failed] = judged(fake_server(lambda body: Answer("no", status=400)), make_client, talk(*calm(4)))
    assert failed.findings == () and failed.unjudged["role_swap"].startswith("judge failed: ")


def test_an_outage_is_told_apart_from_a_judge_that_fails(fake_server, make_client, monkeypatch):
    monkeypatch.setattr("tunewright.service.random.uniform", lambda low, high: 0.0)
    [found] = judged(fake_server(lambda body: Answer("out of order", status=500)), make_client, talk(*calm(3)))
    assert all(why.startswith(OUTAGE) and "out of order" in why for why in found.unjudged.values())


def test_the_questions_on_one_talk_share_all_but_their_end(monkeypatch):
    monkeypatch.chdir(ROOT)
    texts = [review_messages(talk(*calm(8)), persona(), TEMPLATE, q)[-1]["content"] for q in CONFIG.questions.values()]
    shared = next(n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b)
    assert (
        texts[0][:shared].rstrip().endswith("Question: Does the user say something"[:9])
        or "Question:" in texts[0][:shared]
    )
    assert len(texts[0]) - shared <= len(CONFIG.questions["contradiction"])


def test_the_report_says_how_many_are_left_out_for_what_and_that_no_judge_looked():
    talks = [talk(*calm(2), SWAP, id="bad"), talk(*calm(3), id="good"), transcript("own", user_kind="authored")]
    reviews = [review(t, GIVEN, CONFIG, None) for t in talks[:2]]
    numbers = metrics(reviews, talks, CONFIG)
    assert (numbers["n_reviewed"], numbers["n_critical"], numbers["n_clean"]) == (2, 1, 1)
    assert numbers["critical_by_fault"]["role_swap"] == 1 and numbers["critical_share"] == 0.5
    text = to_markdown(report(reviews, numbers, CONFIG))
    assert "1 of 2 simulated conversations is left out of training and evaluation." in text
    assert "Measures alone looked: no judge is set" in text and "| bad | critical | role swap | 3 |" in text
