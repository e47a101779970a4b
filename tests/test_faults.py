"""Every fault of a provider through the real client: what comes of it, what is paid, and what is stored."""

import json
import re
import time
from email.utils import formatdate
from functools import partial

import pytest

from bench.fake_model_server import Answer
from bench.faulty_server import IN_WORDS, PASSING, REFUSAL, FaultyServer, Pace, always, in_order, mixture
from tests.conftest import HI, ask, in_turn, spec, transcript
from tests.test_judging import at_the_root, config, judged, says
from tests.test_llm import choose
from tests.test_simulation import script, talk
from tunewright.errors import ModelAuthError
from tunewright.faults import fault_in_body, final, retry_after_s
from tunewright.items import ItemFailure
from tunewright.records import digest
from tunewright.requests import make_request
from tunewright.runner import Job, run, run_jobs

__all__ = ["at_the_root"]  # judges' prompts are read from the repository


def soon(fault, attempts=2, hang_s=2):
    """Few tries, and a short wait for a server that hangs; `hang_s` is also what good replies may take then."""
    return {"attempts": attempts, "timeout_s": hang_s if fault == "hang" else 10}


LASTING = {  # what an item says whose every try met the fault
    "busy": "failed 2 times: Rate limit reached",
    "busy_untold": "failed 2 times: Rate limit reached",
    "error_500": "failed 2 times: The server had an error",
    "unavailable": "failed 2 times: <html><h1>503 Service Unavailable</h1></html>",
    "hang": "failed 2 times: no answer in 0.4 s",
    "dropped": "failed 2 times: no connection to http.*, or it broke",
    "half_sent": "failed 2 times: no connection to http.*, or it broke",
    "truncated_json": 'failed 2 times: the response is not JSON: \'{"id": "fake"',
    "wrong_envelope": "failed 2 times: the response holds no reply: .*output",
    "error_body": "failed 2 times: the response holds no reply: The engine is overloaded",
    "wrong_role": "failed 2 times: the message in the response has the role user",
    "empty": "gave an empty reply 3 times$",
    "filtered": "gave an empty reply 3 times: the provider's filter took the words$",
    "context_overflow": "refused the request: This model's maximum context length is 4096 tokens",
}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("tunewright.service.random.uniform", lambda low, high: 0.0)
    monkeypatch.setattr("tunewright.limits.FIRST_PAUSE_S", 0.01)


@pytest.fixture
def faulty():
    """A factory of faulty servers: a plan, and the words or the script of a calm reply."""
    running = []

    def start(plan, said="Hello."):
        scripted = said if callable(said) else lambda body: Answer(said)
        running.append(FaultyServer(scripted, plan, pace=Pace(slow_s=0.05, retry_after_s=0.01)).__enter__())
        return running[-1]

    yield start
    for server in running:
        server.__exit__()


def test_the_words_of_every_fault_are_known_here():
    assert set(LASTING) == {*PASSING, *IN_WORDS, "context_overflow"} - {"slow", "refusal", "wrong_schema"}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_one_more_try_and_leaves_nothing_behind(faulty, make_client, fault):
    server = faulty(in_order(fault))
    client = make_client(server, **soon(fault))
    assert ask(client).text == "Hello."
    assert [(asked.fault, asked.nth, asked.delivered) for asked in server.log] == [(fault, 0, False), ("", 1, True)]
    assert (client.tally.made, client.tally.prompt_tokens, len(client._cache)) == (1, 10, 1)


@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_lasts_fails_its_item_with_what_it_was(faulty, make_client, fault):
    client = make_client(faulty(always(fault)), **soon(fault, hang_s=0.4))
    with pytest.raises(ItemFailure, match=f"^hosted_vllm/m {LASTING[fault]}"):
        ask(client)
    n_paid = 3 if fault in IN_WORDS else 0  # a reply without words is one all the same
    assert (client.tally.made, len(client._cache)) == (n_paid, n_paid)


def test_replies_without_words_are_not_paid_again_by_the_next_run(faulty, make_client):
    server = faulty(always("empty"))
    for _ in range(2):
        with pytest.raises(ItemFailure):
            ask(make_client(server))
    assert len(server.log) == 3


def test_reasoning_that_leaves_no_token_for_words_says_what_to_raise(fake_server, make_client):
    server = fake_server(lambda body: Answer("<think>Hm.</think>", finish_reason="length"))
    with pytest.raises(ItemFailure, match="empty reply 3 times: max_tokens ran out before a word; raise it"):
        ask(make_client(server))


def test_a_slow_reply_and_one_that_refuses_are_replies(faulty, make_client):
    server = faulty(in_order("slow", "refusal"))
    client = make_client(server)
    assert [ask(client).text, ask(client, sample=1).text] == ["Hello.", REFUSAL]
    assert (client.tally.made, len(client._cache), len(server.log)) == (2, 2, 2)


@pytest.mark.parametrize("fault", ["wrong_schema", "refusal"])
def test_words_that_do_not_fit_the_schema_are_paid_kept_and_asked_again(faulty, make_client, fault):
    server = faulty(in_order(fault), '{"answer": 4}')
    client = make_client(server)
    assert choose(client).answer == 4
    assert (client.tally.made, len(client._cache), len(server.log)) == (2, 2, 2)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("This model's maximum context length is 4096 tokens", 500),
        ("the request exceeds the available context size, try increasing it", 500),
        ("prompt is too long: 210000 tokens > 200000 maximum", 400),
    ],
)
def test_a_request_that_is_too_long_is_not_asked_again_though_some_servers_say_500(
    fake_server, make_client, words, status
):
    server = fake_server(lambda body: Answer(words, status=status))
    with pytest.raises(ItemFailure, match=f"refused the request: {words[:20]}"):
        ask(make_client(server))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (429, "Rate limit reached for this context size tier"),
        (503, "overloaded; your prompt was: How long is your context window?"),
    ],
)
def test_a_busy_provider_is_asked_again_though_its_words_name_the_context(fake_server, make_client, status, words):
    server = fake_server(in_turn(Answer(words, status=status, headers={"Retry-After": "0.01"}), Answer("Hello.")))
    assert ask(make_client(server)).text == "Hello."


@pytest.mark.parametrize(
    ("code", "expected", "words"),
    [
        (401, ModelAuthError, "refused the key .no credits here"),
        (400, ItemFailure, "refused the request: no credits here"),
        ("429", ItemFailure, "failed 2 times: no credits here"),
        ("overloaded", ItemFailure, "failed 2 times: the response holds no reply: no credits here"),
    ],
)
def test_an_error_inside_a_200_counts_as_the_status_that_it_names(code, expected, words):
    fault = fault_in_body(json.dumps({"error": {"message": "no credits here", "code": code}}), [])
    error = final(fault, "m", [], 2)
    assert isinstance(error, expected) and re.search(words, str(error))


async def twice(client, number):
    for turn in range(2):
        await client.complete(spec(), [{"role": "user", "content": f"{number} {turn}"}])
    return number


def run_all(client, n):
    return run(client, "talks", n, partial(run_jobs, client, [Job(f"t{i}", twice, (i,)) for i in range(n)], [spec()]))


def test_a_key_that_is_revoked_in_mid_run_stops_it_and_the_next_run_pays_only_for_the_rest(faulty, make_client):
    calls = iter(range(99))
    server = faulty(lambda key, nth: "revoked_key" if next(calls) == 5 else "")
    with pytest.raises(ModelAuthError, match="refused the key .This key has been revoked.; set a valid one and run"):
        run_all(make_client(server, concurrency=1), 6)
    server.revoked = False
    assert run_all(make_client(server), 6) == [0, 1, 2, 3, 4, 5]
    paid = [asked.key for asked in server.log if asked.delivered]
    assert len(paid) == len(set(paid)) == 12 and len(server.log) == 13


def test_a_run_through_all_faults_at_once_pays_each_reply_once(faulty, make_client):
    shares = {fault: 0.06 for fault in PASSING if fault != "hang"}
    server = faulty(mixture(shares, seed=3))
    client = make_client(server, attempts=5)
    assert run_all(client, 40) == list(range(40))
    paid = [asked.key for asked in server.log if asked.delivered]
    assert len(paid) == len(set(paid)) == client.tally.made == len(client._cache) == 80
    assert len(server.log) > 110 and {asked.fault for asked in server.log} == {"", *shares}


JUDGED = [*LASTING, "refusal", "wrong_schema"]


@pytest.mark.parametrize("fault", JUDGED)
def test_a_judge_that_meets_a_fault_leaves_its_criterion_unscored_and_never_says_no(faulty, make_client, rubric, fault):
    client = make_client(faulty(always(fault), lambda body: says("YES")), **soon(fault, 1, hang_s=0.4))
    found = judged(client, [transcript()], rubric, settings=config(reasks=0))
    by_judge = [verdict for verdict in found.values() if verdict.judge == "strict"]
    assert {(verdict.criterion, verdict.answer) for verdict in by_judge} == {
        (criterion, None) for criterion in ("warm", "curious", "late", "safe")
    }
    assert all(verdict.unscored and "hosted_vllm/strict" in verdict.unscored for verdict in by_judge)


@pytest.mark.parametrize("fault", PASSING)
def test_a_talk_that_met_a_passing_fault_is_the_talk_that_met_none(faulty, make_client, fault):
    calls = iter(range(99))
    server = faulty(lambda key, nth: fault if next(calls) == 3 else "", script)
    found = talk(make_client(server, **soon(fault)))
    assert [(e.user, e.assistant) for e in found.exchanges] == [("u1", "c1"), ("u2", "c2"), ("u3", "c3")]
    assert found.failure is None and [asked.fault for asked in server.log] == ["", "", "", fault, "", "", ""]


@pytest.mark.parametrize("fault", LASTING)
def test_a_talk_that_a_fault_ends_keeps_what_was_said_and_says_why(faulty, make_client, fault):
    calls = iter(range(99))
    server = faulty(lambda key, nth: fault if next(calls) >= 2 else "", script)
    found = talk(make_client(server, **soon(fault, 1)))
    assert [(e.user, e.assistant) for e in found.exchanges] == [("u1", "c1")]
    assert found.ended == "failed" and found.failure.startswith("exchange 2: hosted_vllm/user ")


@pytest.mark.parametrize("jump_s", [-86400.0, 86400.0])
def test_a_clock_that_is_set_while_a_run_goes_on_changes_nothing(faulty, make_client, monkeypatch, jump_s):
    real, jumps = time.time, iter([0.0, *[jump_s] * 9999])
    monkeypatch.setattr("time.time", lambda: real() + next(jumps))
    server = faulty(in_order("busy", "", "error_500", "busy_untold"))
    assert run_all(make_client(server), 5) == [0, 1, 2, 3, 4]
    assert len(server.log) == 13


@pytest.mark.parametrize("off_s", [-86400.0, 0.0, 86400.0])
def test_a_date_to_wait_for_is_read_by_the_providers_clock_and_not_by_ours(monkeypatch, off_s):
    monkeypatch.setattr("tunewright.faults.time.time", lambda: 784111777.0 + off_s)
    headers = {"retry-after": formatdate(784111777 + 20, usegmt=True), "date": formatdate(784111777, usegmt=True)}
    assert retry_after_s(headers) == 20.0


LINES = "\n".join(f"{number}. a line of the reply" for number in range(10_000))


def test_a_reply_of_ten_thousand_lines_is_kept_whole_and_told_on_one_line(fake_server, make_client):
    client = make_client(fake_server(LINES))
    assert [ask(client).text, ask(client).text] == [LINES, LINES]
    assert digest(client._cache.get(make_request(spec(), HI, 0, 0, None).key)["text"]) == digest(LINES)
    with pytest.raises(ItemFailure) as caught:
        choose(client)
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 500])
def test_an_error_of_ten_thousand_lines_is_told_on_one_short_line(fake_server, make_client, status):
    server = fake_server(lambda body: Answer(LINES, status=status))
    with pytest.raises(ItemFailure) as caught:
        ask(make_client(server, attempts=1))
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


def test_a_judge_that_writes_ten_thousand_lines_is_unscored_and_a_talk_of_them_is_judged(
    fake_server, make_client, rubric
):
    long = transcript(user=LINES, n=3)
    calls = iter(range(99))
    found = judged(
        make_client(fake_server(lambda body: Answer(LINES) if next(calls) < 1 else says())),
        [long],
        rubric,
        settings=config(reasks=0),
    )
    answers = [verdict.answer for verdict in found.values() if verdict.judge == "strict"]
    assert answers.count(None) == 1 and answers.count("YES") == 3
