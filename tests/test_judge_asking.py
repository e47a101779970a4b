"""Several criteria in one call: what is asked, what is asked again, what an edit costs, what a judge never learns."""

import asyncio
import json
import re

import pytest

from bench.fake_model_server import Answer
from tests.conftest import ROOT, in_turn, rubric_fields, transcript
from tests.test_judging import config, judged
from tunewright.calibration import Labelled, n_tokens
from tunewright.judge_answers import MISQUOTED, JudgeAnswer
from tunewright.judge_asking import Asking, ask_batch, batches, judge_messages, shown_in_call
from tunewright.judging import verdict_metrics
from tunewright.records import Quote
from tunewright.rubric import Rubric
from tunewright.trust import Decision

ALL = ["safe", "warm", "curious", "late"]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)  # prompts/shared/judge.md is read from there


def entry(answer="YES", evidence=(1,), quotes=(), reasoning="It shows."):
    return {"evidence": list(evidence), "quotes": list(quotes), "reasoning": reasoning, "answer": answer}


def ids(body):
    """The criteria that a request asks for, from its schema."""
    schema = body["response_format"]["json_schema"]["schema"]
    return list(schema["properties"]) if schema["title"] == "JudgeAnswers" else None


def judge(body):
    """Answers whatever is asked with YES."""
    return Answer(json.dumps(dict.fromkeys(ids(body), entry()) if ids(body) else entry()))


def keyed(**entries):
    return Answer(json.dumps(entries))


def ask(client, rubric, settings, sample=0, criteria=None, talk=None):
    """One call about all judged criteria of the small rubric."""
    asked = [c for c in rubric.safety_first if c.evaluator == "judge"] if criteria is None else criteria
    work = ask_batch(client, settings.judges[0], talk or transcript(), asked, sample, Asking(rubric, settings, {}))
    return {v.criterion: v for v in asyncio.run(work)}


def test_calls_hold_one_criterion_one_category_or_all_the_gates_being_a_category(rubric):
    asked = [c for c in rubric.safety_first if c.evaluator == "judge"]
    assert [[c.id for c in b] for b in batches(asked, "criterion")] == [["safe"], ["warm"], ["curious"], ["late"]]
    assert [[c.id for c in b] for b in batches(asked, "category")] == [["safe"], ["warm", "curious", "late"]]
    assert [[c.id for c in b] for b in batches(asked, "conversation")] == [ALL]
    assert batches([], "conversation") == []


@pytest.mark.parametrize(("batching", "calls"), [("criterion", 4), ("category", 2), ("conversation", 1)])
def test_every_way_of_batching_gives_a_verdict_on_every_criterion(batching, calls, fake_server, make_client, rubric):
    server = fake_server(judge)
    found = judged(make_client(server), [transcript()], rubric, settings=config(batching=batching))
    assert [c for _, c, _ in found] == [*ALL, "plain"]
    assert {v.answer for v in found.values()} == {"YES"} and len(server.requests) == calls


@pytest.mark.parametrize(
    ("batching", "again"), [("criterion", [None]), ("category", [ALL[1:]]), ("conversation", [ALL])]
)
def test_an_edited_criterion_costs_the_call_that_it_stands_in(batching, again, fake_server, make_client, rubric):
    server, settings = fake_server(judge), config(batching=batching)
    judged(make_client(server), [transcript()], rubric, settings=settings)
    before, fields = len(server.requests), rubric_fields()
    fields["criteria"][1]["question"] = "Truly, does the coach do curious?"
    judged(make_client(server), [transcript()], Rubric.model_validate(fields), settings=settings)
    assert [ids(r) for r in server.requests[before:]] == again
    assert "Truly" in server.requests[-1]["messages"][1]["content"]


def test_what_is_not_asked_is_left_out_of_the_call(fake_server, make_client, rubric):
    server = fake_server(judge)
    yes, no = Decision(trusted=True, reason=""), Decision(trusted=False, reason="unstable")
    trust = {"strict": {"safe": yes, "warm": no, "curious": yes, "late": yes}}
    talks = [transcript(n=2)]  # too short for `late`
    found = judged(make_client(server), talks, rubric, settings=config(batching="conversation"), trust=trust)
    assert [ids(r) for r in server.requests] == [["safe", "curious"]]
    assert found["t1", "warm", "strict"].unscored and found["t1", "late", "rule"].answer == "NA"


def test_the_entry_that_is_missing_misspelt_twice_or_off_the_menu_is_asked_again_alone(
    fake_server, make_client, rubric
):
    once = json.dumps(entry())
    first = (
        f'{{"safe": {once}, "safe": {once}, "warmth": {once}, "curious": {json.dumps(entry("MAYBE"))}, "late": {once}}}'
    )
    second = keyed(safe=entry("NA"), warm=entry("NO"), curious=entry("NO"), late=entry("NO"))
    server = fake_server(in_turn(Answer(first), second))
    found = ask(make_client(server), rubric, config(batching="conversation"))
    assert [v.answer for v in found.values()] == ["NA", "NO", "NO", "YES"]  # `late` keeps its first answer
    assert [ids(r) for r in server.requests] == [ALL, ALL[:3]]
    told = server.requests[1]["messages"][-1]["content"]
    assert "- safe: answered twice\n" in told and "- warm: no entry under this id, but one under 'warmth'\n" in told
    assert "- curious: answer: Input should be" in told and "late" not in told


def test_a_criterion_that_stays_faulty_is_unscored_alone(fake_server, make_client, rubric):
    good = {c: entry() for c in ALL if c != "warm"}
    server = fake_server(in_turn(keyed(**good), Answer("{}")))
    found = ask(make_client(server), rubric, config(batching="conversation"))
    assert [c for c, v in found.items() if v.answer] == ["safe", "curious", "late"]
    assert found["warm"].unscored == (
        "judge failed: hosted_vllm/strict gave no usable answer in 2 tries; the last fault: no entry under this id"
    )


def test_a_model_that_fails_when_asked_again_loses_the_faulty_criteria_alone(fake_server, make_client, rubric):
    server = fake_server(in_turn(keyed(safe=entry(), warm=entry()), Answer("", status=400)))
    found = ask(make_client(server), rubric, config(batching="conversation"))
    assert [v.answer for v in found.values()] == ["YES", "YES", None, None]
    assert "refused the request" in found["late"].unscored


def test_a_call_may_take_the_tokens_of_one_answer_for_each_of_its_criteria(fake_server, make_client, rubric):
    server = fake_server(in_turn(keyed(**{c: entry() for c in ALL[1:]}), keyed(safe=entry())))
    ask(make_client(server), rubric, config(batching="conversation"))
    assert [r["max_tokens"] for r in server.requests] == [200, 50]


def test_reruns_ask_the_whole_call_again(fake_server, make_client, rubric):
    server = fake_server(judge)
    settings = config(batching="conversation", samples=2)
    found = judged(make_client(server), [transcript()], rubric, settings=settings)
    assert len(server.requests) == 2 and {j for _, _, j in found} == {"strict", "strict#1", "measure"}


def test_quotes_are_kept_where_they_stand_and_name_their_exchange(fake_server, make_client, rubric):
    server = fake_server(lambda body: Answer(json.dumps(entry("NO", [1], ["which cat is it 3", "my cat is ILL"]))))
    verdict = ask(make_client(server), rubric, config(), criteria=[rubric.criteria[0]])["warm"]
    assert verdict.quotes == (Quote(exchange=3, text="which cat is it 3"), Quote(exchange=1, text="my cat is ILL"))
    assert (verdict.evidence, verdict.misquotes, len(server.requests)) == ((1, 3), (), 1)


def test_invented_evidence_is_told_asked_again_and_counted(fake_server, make_client, rubric):
    server = fake_server(
        in_turn(
            Answer(json.dumps(entry("NO", [1], ["My dog ate it"]))), Answer(json.dumps(entry("YES", [2], ["My cat"])))
        )
    )  # fmt: skip
    verdict = ask(make_client(server), rubric, config(), criteria=[rubric.criteria[0]])["warm"]
    assert 'no message says "My dog ate it"' in server.requests[1]["messages"][-1]["content"]
    assert (verdict.answer, verdict.misquotes) == ("YES", ("My dog ate it",))
    metrics = verdict_metrics([verdict], 1, 0)
    assert (metrics["n_quotes"], metrics["n_quotes_not_found"]) == (2, 1)


def test_an_answer_on_invented_evidence_alone_never_counts(fake_server, make_client, rubric):
    server = fake_server(lambda body: Answer(json.dumps(entry("YES", [1], ["My dog ate it"]))))
    verdict = ask(make_client(server), rubric, config(), criteria=[rubric.criteria[0]])["warm"]
    assert (verdict.answer, verdict.unscored) == (None, f"{MISQUOTED}: My dog ate it")
    assert verdict.misquotes == ("My dog ate it",) and len(server.requests) == 2


def test_one_true_quote_carries_an_answer_and_the_invented_one_is_dropped(fake_server, make_client, rubric):
    server = fake_server(lambda body: Answer(json.dumps(entry("YES", [1], ["My cat is ill", "My dog ate it"]))))
    verdict = ask(make_client(server), rubric, config(), criteria=[rubric.criteria[0]])["warm"]
    assert [q.text for q in verdict.quotes] == ["My cat is ill"] and verdict.misquotes == ("My dog ate it",)
    assert len(server.requests) == 1


def test_where_evidence_is_not_required_an_invented_quote_is_dropped_and_counted(fake_server, make_client, rubric):
    settings = config(evidence={"quotes": 2, "quote_chars": 80, "required": False})
    server = fake_server(lambda body: Answer(json.dumps(entry("NO", [], ["My dog ate it"]))))
    verdict = ask(make_client(server), rubric, settings, criteria=[rubric.criteria[0]])["warm"]
    assert (verdict.answer, verdict.quotes, verdict.misquotes) == ("NO", (), ("My dog ate it",))
    assert len(server.requests) == 1


@pytest.mark.parametrize(("answer", "n_requests"), [("NO", 2), ("YES", 1), ("NA", 1)])
def test_a_no_needs_evidence_what_is_absent_does_not(answer, n_requests, fake_server, make_client, rubric):
    server = fake_server(lambda body: Answer(json.dumps(entry(answer, []))))
    verdict = ask(make_client(server), rubric, config(), criteria=[rubric.criteria[0]])["warm"]
    assert len(server.requests) == n_requests
    assert verdict.answer == (None if answer == "NO" else answer)


def labelled(criterion, words, source):
    said = transcript(n=1, user="w " * words).exchanges
    return Labelled(criterion, "YES", said, "So it is.", False, source)


def test_the_example_budget_is_shared_evenly_and_what_one_leaves_the_next_may_take(rubric):
    warm, curious = rubric.criteria[:2]
    small, large = labelled("warm", 5, "a"), labelled("curious", 60, "b")
    budget = 2 * n_tokens(large) - 1  # half of it is too little for the large one
    examples = {"warm": [small], "curious": [large]}
    asking = Asking(rubric, config(example_tokens=budget), examples)
    assert shown_in_call([warm, curious], asking, "", None) == {"warm": [small], "curious": [large]}
    assert shown_in_call([curious, warm], asking, "", None) == {"curious": [], "warm": [small]}
    assert shown_in_call([warm, curious], asking, "", large)["curious"] == []  # the one that is asked
    assert shown_in_call([warm, curious], asking, "a", None)["warm"] == []  # the same conversation


def test_a_judge_learns_nothing_of_who_wrote_and_who_else_judges(fake_server, make_client, rubric):
    secret = {
        "id": "secret-id", "domain": "secret-domain", "persona_id": "secret-persona", "assistant": "secret-model",
        "user": "secret-user", "source_id": "secret-source", "user_kind": "replay",
    }  # fmt: skip
    talk = transcript().model_copy(update=secret)
    server, settings = fake_server(judge), config("secret-judge", "other-judge", batching="conversation")
    example = labelled("warm", 3, "secret-authored")._replace(name="secret-name")
    settings = settings.model_copy(update={"example_tokens": 300})
    judged(make_client(server, concurrency=1), [talk], rubric, settings=settings, examples={"warm": [example]})
    one, other = server.requests
    assert "<example>" in str(one["messages"])
    assert not re.search("secret|replay|judge-", json.dumps([one["messages"], one["response_format"]]))
    assert (one["messages"], one["response_format"]) == (other["messages"], other["response_format"])


@pytest.mark.parametrize("required", [True, False])
def test_all_calls_on_a_transcript_share_everything_before_the_criteria(required, rubric):
    rules = config(evidence={"quotes": 1, "quote_chars": 80, "required": required}).evidence
    asked = [c for c in rubric.safety_first if c.evaluator == "judge"]
    calls = [b for mode in ("criterion", "category", "conversation") for b in batches(asked, mode)]
    found = [judge_messages(transcript(), b, rubric, rules, {}) for b in calls]
    assert len({m[0]["content"] for m in found}) == 1
    assert len({m[1]["content"].split("\nCriterion")[0] for m in found}) == 1


def test_of_more_than_twelve_exchanges_named_the_first_twelve_are_taken():
    named = {"evidence": list(range(1, 21)), "reasoning": "All of them.", "answer": "NO"}
    assert JudgeAnswer.model_validate(named).evidence == list(range(1, 13))
