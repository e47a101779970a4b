"""Requests that can wait go through the Batch API over real HTTP: at half the price, once, and over a killed run."""

import asyncio
import json
import os
import signal

import pytest

from bench.fake_batches import FakeBatchServer
from bench.fake_model_server import Answer
from tests.conftest import HI, ROOT, in_turn, spec, transcript
from tests.test_judging import config
from tunewright.batch_lines import read_results
from tunewright.errors import BudgetError, InterruptedRunError, ModelAuthError, ModelSetupError
from tunewright.items import ItemFailure
from tunewright.judge_asking import Asking
from tunewright.judging import judge_transcripts
from tunewright.llm import Client
from tunewright.models import Budget, Connection, Judge, Price
from tunewright.runner import Job, run, run_jobs

OPTION = {
    "window": "24h", "price_factor": 0.5, "max_requests": 50_000, "max_bytes": 10_000_000, "attempts": 2,
    "quiet_s": 0.02, "poll_s": 0.02,
}  # fmt: skip
JUDGE = spec("openai/judge", price=Price(input_usd_per_mtok=10, output_usd_per_mtok=20))  # 10 and 5 tokens: 200 uUSD


@pytest.fixture
def batch_server():
    running = []

    def start(script="Yes.", **rest):
        scripted = script if callable(script) else lambda body: Answer(script)
        running.append(FakeBatchServer(scripted, **rest).__enter__())
        return running[-1]

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture
def client_of(cache_folder):
    made = []

    def make(server, budget=None, provider="openai", connection=None, **option):
        fields = {"concurrency": 2, "timeout_s": 5, "attempts": 3, "api_base": server.url, "batch_api": OPTION | option}
        connections = {provider: Connection.model_validate(fields | (connection or {}))}
        made.append(Client(connections, budget=Budget(**(budget or {}))))
        return made[-1]

    yield make
    for client in made:
        client.close()


async def one(client, text, model=JUDGE):
    return (await client.complete(model, [{"role": "user", "content": text}])).text


async def several(client, text, n):
    return await client.in_turn(JUDGE, [lambda i=i: one(client, f"{text}{i}") for i in range(n)])


def jobs(n, work=one, *more):
    return [Job(f"t{i}", work, (f"q{i}", *more), can_wait=True) for i in range(n)]


def answers(client, work):
    return asyncio.run(run_jobs(client, work, [JUDGE]))


def notes(folder):
    return sorted((folder / "batches").glob("*.json"))


def test_all_that_can_wait_goes_in_one_batch_at_half_the_price_and_into_the_cache(
    batch_server, client_of, cache_folder
):
    server = batch_server(lambda body: Answer(body["messages"][0]["content"].upper()))
    client = client_of(server)
    assert answers(client, jobs(3, several, 4)) == [[f"Q{i}{k}" for k in range(4)] for i in range(3)]
    assert len(server.batches) == 1 and len(server.paid) == len(set(server.paid)) == 12
    assert server.log.count("GET content") == 1  # litellm does not read the results once more
    assert client.tally.made == 12 and client.tally.usd == pytest.approx(12 * 0.5 * 200e-6)
    assert notes(cache_folder) == []
    assert answers(client_of(server), jobs(3, several, 4))[2][3] == "Q23"
    assert len(server.batches) == 1


def test_a_line_is_the_request_as_a_direct_call_would_make_it(batch_server, client_of):
    server = batch_server()
    client = client_of(server)
    answers(client, jobs(1))
    direct = client_of(server)
    asyncio.run(one(direct, "other"))
    [batch] = server.batches.values()
    [line] = server.lines(batch)
    assert (line["method"], line["url"], len(line["custom_id"])) == ("POST", "/v1/chat/completions", 64)
    assert line["body"] | {"messages": HI} == server.requests[-1] | {"messages": HI}
    assert line["body"]["messages"] == [{"role": "user", "content": "q0"}]


@pytest.mark.parametrize("odd", ["[" * 100_000, "oops", "5", '{"custom_id": ["k"]}'])
def test_a_line_of_results_that_is_none_costs_no_other_its_reply(odd):
    body = {"choices": [{"message": {"role": "assistant", "content": "Yes."}}]}
    good = json.dumps({"custom_id": "k", "response": {"status_code": 200, "body": body}})
    assert read_results(f"{odd}\n{good}\n", [])["k"].text == "Yes."


def test_a_result_whose_response_is_no_object_may_pass():
    assert read_results('{"custom_id": "k", "response": 5}', [])["k"].may_pass


def test_calls_that_cannot_wait_are_made_at_once(batch_server, client_of):
    server = batch_server()
    client = client_of(server)
    assert asyncio.run(run_jobs(client, [Job("t", one, ("q",))], [JUDGE])) == ["Yes."]
    assert not server.batches and len(server.requests) == 1 and client.tally.usd == pytest.approx(200e-6)


def test_newer_models_get_the_names_that_they_know(batch_server, client_of):
    server = batch_server()
    model = spec("openai/gpt-5.1", temperature=None)
    asyncio.run(run_jobs(client_of(server), jobs(1, one, model), [model]))
    assert set(server.requests[0]) == {"model", "messages", "max_completion_tokens"}


def test_no_batch_is_larger_than_its_bounds(batch_server, client_of):
    server = batch_server()
    answers(client_of(server, max_requests=3), jobs(7))
    assert sorted(len(server.lines(batch)) for batch in server.batches.values()) == [1, 3, 3]


def test_what_a_busy_provider_refused_goes_into_the_next_batch(batch_server, client_of):
    server = batch_server(in_turn(Answer("a"), Answer("busy", 429), Answer("c"), Answer("b")))
    assert answers(client_of(server), jobs(3)) == ["a", "b", "c"]
    assert [len(server.lines(batch)) for batch in server.batches.values()] == [3, 1]


def test_a_request_that_is_wrong_in_itself_fails_alone_and_at_once(batch_server, client_of):
    server = batch_server(in_turn(Answer("a"), Answer("too long", 400)))
    good, bad = answers(client_of(server), jobs(2))
    assert good == "a" and str(bad) == "openai/judge refused the request: too long"
    assert len(server.batches) == 1


def test_an_expired_batch_gives_what_it_has_and_the_rest_is_asked_once_more(batch_server, client_of):
    server = batch_server()
    server.faults.expire = 1
    assert answers(client_of(server), jobs(4)) == ["Yes."] * 4
    assert [len(server.lines(batch)) for batch in server.batches.values()] == [4, 2]
    assert len(server.paid) == len(set(server.paid)) == 4


def test_requests_that_expire_twice_fail_with_that_reason(batch_server, client_of):
    server = batch_server()
    server.faults.expire = 2
    first, second = answers(client_of(server), jobs(2))
    assert first == "Yes." and isinstance(second, ItemFailure)
    assert "failed 2 times: This request could not be executed before the batch expired" in str(second)


def test_a_batch_that_the_provider_cannot_read_is_sent_once_more(batch_server, client_of):
    server = batch_server()
    server.faults.fail = 2
    [failure] = answers(client_of(server), jobs(1))
    assert (
        str(failure)
        == "openai/judge failed 2 times: batch batch_2 ended as failed without it (the file cannot be read)"
    )


def test_every_question_about_every_talk_is_in_the_first_batch_and_what_is_asked_again_in_the_second(
    batch_server, client_of, rubric, monkeypatch
):
    monkeypatch.chdir(ROOT)  # prompts/shared/judge.md is read from there
    good = json.dumps({"evidence": [1], "reasoning": "It shows.", "answer": "YES"})
    server = batch_server(lambda b: Answer("No." if "do curious?" in str(b) and len(b["messages"]) == 2 else good))
    settings = config().model_copy(update={"judges": (Judge(name="strict", **JUDGE.model_dump()),)})
    talks = [transcript("t1"), transcript("t2", assistant="Oh")]
    work = judge_transcripts(client_of(server), talks, Asking(rubric, settings, {}), {"t1", "t2"}, settings, None)
    verdicts = [v for v in asyncio.run(work) if v.judge == "strict"]
    assert [len(server.lines(batch)) for batch in server.batches.values()] == [8, 2]  # four judged criteria
    assert [v.answer for v in verdicts] == ["YES"] * 8


def test_what_replies_lead_to_goes_into_a_second_smaller_batch(batch_server, client_of):
    server = batch_server(lambda body: Answer("" if body["messages"][0]["content"] == "q1" else "Yes."))
    answers(client_of(server), jobs(3))
    assert [len(server.lines(batch)) for batch in server.batches.values()] == [3, 1, 1]  # empty: asked twice more


def test_a_run_that_was_killed_is_taken_up_without_paying_twice(batch_server, client_of, cache_folder):
    server = batch_server()
    server.held = True

    async def killed():
        work = asyncio.ensure_future(run_jobs(client_of(server), jobs(5), [JUDGE]))
        while not server.batches or b'"batch":"batch_1"' not in notes(cache_folder)[0].read_bytes():
            await asyncio.sleep(0.01)
        work.cancel()

    asyncio.run(killed())
    server.held = False
    client = client_of(server)
    assert answers(client, jobs(7)) == ["Yes."] * 7
    assert [len(server.lines(batch)) for batch in server.batches.values()] == [5, 2]
    assert client.tally.made == 7 and notes(cache_folder) == []


def test_a_batch_whose_id_was_never_told_is_found_by_its_file(batch_server, client_of, monkeypatch):
    monkeypatch.setattr("tunewright.batch_run.backoff_s", lambda fault, tries: 0.01)
    server = batch_server()
    server.faults.lose_reply = 1
    assert answers(client_of(server), jobs(3)) == ["Yes."] * 3
    assert len(server.batches) == 1 and "GET batches" in server.log


def test_a_run_killed_before_the_batch_was_begun_begins_it_from_the_uploaded_file(
    batch_server, client_of, cache_folder
):
    server = batch_server()
    answers(client_of(server), jobs(2))
    lines = server.files["file-1"].splitlines()
    keys = [json.loads(line)["custom_id"] for line in lines]
    (cache_folder / "replies.sqlite").unlink()
    server.batches.clear()
    note = {"model": "openai/judge", "identity": "openai/judge", "input_file": "file-1", "batch": None, "keys": keys}
    (cache_folder / "batches" / "a.json").write_text(json.dumps(note))
    assert answers(client_of(server), jobs(2)) == ["Yes."] * 2
    assert server.log.count("POST files") == 1 and len(server.batches) == 1


def test_replies_of_a_batch_that_nobody_needs_any_more_are_kept(batch_server, client_of, cache_folder):
    server = batch_server()
    server.held = True

    async def killed():
        work = asyncio.ensure_future(run_jobs(client_of(server), jobs(3), [JUDGE]))
        while not server.batches:
            await asyncio.sleep(0.01)
        work.cancel()

    asyncio.run(killed())
    server.held = False
    answers(client_of(server), jobs(1))
    assert answers(client_of(server), jobs(3)) == ["Yes."] * 3
    assert len(server.paid) == 3


def test_an_outage_while_a_batch_is_out_is_waited_through(batch_server, client_of, monkeypatch):
    monkeypatch.setattr("tunewright.batch_run.backoff_s", lambda fault, tries: 0.01)
    server = batch_server()
    server.faults.status = {503: 4}  # more than `attempts`
    assert answers(client_of(server), jobs(1)) == ["Yes."]


def test_a_batch_that_the_provider_does_not_know_says_which_file_to_delete(batch_server, client_of):
    server = batch_server()
    server.faults.status = {404: 1}
    with pytest.raises(ModelSetupError, match=r"does not know batch batch_1 .*delete .*batches/\w+\.json to pay"):
        answers(client_of(server), jobs(1))


def test_a_refused_key_stops_the_run(batch_server, client_of, monkeypatch):
    monkeypatch.setenv("TEST_MODEL_KEY", "wrong")
    server = batch_server(api_key="right")
    with pytest.raises(ModelAuthError, match=r"refused the key in \$TEST_MODEL_KEY"):
        answers(client_of(server, connection={"api_key_env": "TEST_MODEL_KEY"}), jobs(2))


def test_a_provider_without_a_batch_api_is_told_with_those_that_have_one(batch_server, client_of):
    model = spec("anthropic/claude")
    client = client_of(batch_server(), provider="anthropic")
    with pytest.raises(ModelSetupError, match="it has of azure, hosted_vllm, litellm_proxy, openai"):
        asyncio.run(run_jobs(client, jobs(1, one, model), [model]))


# at worst a request takes 0 tokens in ("q0" is half of one) and 50 out: 0.5 x 50 x 20 = 500 uUSD; it does take 100
def test_no_more_is_sent_at_once_than_the_budget_can_pay_at_worst(batch_server, client_of):
    server = batch_server()
    assert answers(client_of(server, {"usd": 0.00125}), jobs(4)) == ["Yes."] * 4  # 2 fit; 1050 are left: 2
    assert [len(server.lines(batch)) for batch in server.batches.values()] == [2, 2]


def test_the_run_stops_when_what_is_left_may_not_pay_one_request(batch_server, client_of):
    server = batch_server()
    with pytest.raises(BudgetError, match=r"^2 of 4 done\. what is left of the budget \(0\.00065 USD; spent: 0\.0002"):
        answers(client_of(server, {"usd": 0.00065}), jobs(4))  # one, then one of 550 left, then 450 are
    assert len(server.paid) == 2


def test_a_run_that_stops_while_it_gathers_sends_nothing(batch_server, client_of):
    server = batch_server()
    client = client_of(server, quiet_s=0.1)

    async def stopped():
        asyncio.get_running_loop().call_later(0.02, client.halt.stop, InterruptedRunError("by SIGINT", 2))
        with pytest.raises(InterruptedRunError, match="0 of 2 done"):
            await run_jobs(client, jobs(2), [JUDGE])
        await asyncio.sleep(0.15)

    asyncio.run(stopped())
    assert server.log == []


def test_ctrl_c_leaves_the_batch_with_the_provider_and_says_so(batch_server, client_of):
    server = batch_server()
    server.held = True

    async def work(client):
        async def stop_once_it_is_out():
            while not server.batches:
                await asyncio.sleep(0.05)
            os.kill(os.getpid(), signal.SIGINT)

        _, found = await asyncio.gather(stop_once_it_is_out(), run_jobs(client, jobs(3), [JUDGE]))
        return found

    client = client_of(server)
    with pytest.raises(
        InterruptedRunError, match=r"0 of 3 done\. by SIGINT; a batch of 3 requests goes on at the prov"
    ):
        run(client, "judging", 3, lambda advance: work(client))
    server.held = False
    assert answers(client_of(server), jobs(3)) == ["Yes."] * 3
    assert len(server.batches) == 1 and len(server.paid) == 3
