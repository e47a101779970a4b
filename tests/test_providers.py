"""One call over real HTTP: what is sent, what is tried again, what is refused, and that no key is shown."""

import time

import pytest

from bench.fake_model_server import Answer
from bench.faulty_server import PASSING, FaultyServer, Pace, always, in_order
from tests.conftest import HI, ask, in_turn, spec
from tunewright.errors import ModelAuthError, ModelSetupError
from tunewright.items import ItemFailure

KEY = "sk-very-secret-0123456789"
AT_ONCE = {"Retry-After": "0.01"}


@pytest.fixture
def key_in_env(monkeypatch):
    monkeypatch.setenv("TEST_MODEL_KEY", KEY)
    return {"api_key_env": "TEST_MODEL_KEY"}


def test_the_reply_and_what_was_asked_for_go_over_the_wire(fake_server, make_client):
    server = fake_server(lambda body: Answer("Hello.", finish_reason="length", prompt_tokens=7, completion_tokens=2))
    reply = ask(make_client(server), spec(temperature=0.25, max_tokens=33))
    assert (reply.text, reply.finish_reason, reply.prompt_tokens, reply.completion_tokens) == ("Hello.", "length", 7, 2)
    sent = server.requests[0]
    assert (sent["model"], sent["messages"], sent["temperature"], sent["max_tokens"]) == ("m", HI, 0.25, 33)


def test_no_temperature_means_that_none_is_sent(fake_server, make_client):
    server = fake_server("Hello.")
    ask(make_client(server), spec(temperature=None))
    assert "temperature" not in server.requests[0]


def test_a_busy_server_is_asked_again_no_sooner_than_it_said(fake_server, make_client):
    asked = []

    def script(body):
        asked.append(time.monotonic())
        return Answer(status=429, headers={"Retry-After": "0.6"}) if len(asked) == 1 else Answer("Hello.")

    assert ask(make_client(fake_server(script))).text == "Hello."
    assert len(asked) == 2 and asked[1] - asked[0] >= 0.6


@pytest.mark.parametrize("model", ["hosted_vllm/m", "deepseek/m"])
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_a_passing_fault_is_tried_again(fake_server, make_client, key_in_env, model, status):
    server = fake_server(in_turn(Answer(status=status, headers=AT_ONCE), Answer("Hello.")))
    client = make_client(server, **key_in_env)
    assert ask(client, spec(model)).text == "Hello."
    assert len(server.requests) == 2 and client.tally.made == 1


def test_tries_end_with_the_attempts_and_the_item_fails(fake_server, make_client):
    server = fake_server(lambda body: Answer("out of order", status=500, headers=AT_ONCE))
    with pytest.raises(ItemFailure, match=r"hosted_vllm/m failed 3 times: .*out of order"):
        ask(make_client(server, attempts=3))
    assert len(server.requests) == 3


def test_a_server_that_does_not_answer_in_time_fails_the_item(fake_server, make_client):
    server = fake_server(lambda body: Answer("late", delay_s=2))
    with pytest.raises(ItemFailure, match="failed 1 times"):
        ask(make_client(server, attempts=1, timeout_s=0.2))


def test_a_request_that_is_refused_fails_its_item_without_another_try(fake_server, make_client):
    server = fake_server(lambda body: Answer("too many tokens", status=400))
    with pytest.raises(ItemFailure, match=r"refused the request: .*too many tokens"):
        ask(make_client(server))
    assert len(server.requests) == 1


@pytest.mark.parametrize("model", ["openai/m", "deepseek/m"])
def test_a_refused_key_stops_at_once_and_names_its_variable_and_not_the_key(
    fake_server, make_client, key_in_env, model
):
    server = fake_server("Hello.", api_key="another")
    with pytest.raises(ModelAuthError) as caught:
        ask(make_client(server, **key_in_env), spec(model))
    assert f"{model}: the provider refused the key in $TEST_MODEL_KEY" in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("model", ["openai/m", "deepseek/m"])
@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_key_that_the_provider_repeats_is_not_shown(fake_server, make_client, key_in_env, model, status):
    server = fake_server(lambda body: Answer(f"Incorrect API key provided: {KEY}", status=status))
    with pytest.raises((ModelAuthError, ModelSetupError, ItemFailure)) as caught:
        ask(make_client(server, **key_in_env), spec(model))
    assert KEY not in str(caught.value)


def test_the_key_is_sent_and_lands_in_no_file(fake_server, make_client, key_in_env, cache_folder):
    server = fake_server("Hello.", api_key=KEY)
    client = make_client(server, **key_in_env)
    assert ask(client, spec("openai/m")).text == "Hello."
    files = [p for p in cache_folder.rglob("*") if p.is_file()]
    assert files and all(KEY.encode() not in p.read_bytes() for p in files)


@pytest.mark.parametrize("value", [None, ""])
def test_a_key_that_is_not_set_is_told_before_any_request(fake_server, make_client, monkeypatch, value):
    monkeypatch.delenv("ABSENT_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("ABSENT_KEY", value)
    server = fake_server("Hello.")
    with pytest.raises(ModelSetupError, match=r"openai/m: \$ABSENT_KEY is not set"):
        ask(make_client(server, api_key_env="ABSENT_KEY"), spec("openai/m"))
    assert server.requests == []


def test_a_model_that_the_provider_does_not_know_is_a_setup_error(fake_server, make_client):
    server = fake_server(lambda body: Answer("no model m here", status=404))
    with pytest.raises(ModelSetupError, match=r"hosted_vllm/m: the provider knows no such model .*no model m here"):
        ask(make_client(server))
    assert len(server.requests) == 1


@pytest.mark.parametrize("model", ["hosted_vllm/m", "deepseek/m"])
@pytest.mark.parametrize(("status", "error"), [(401, ModelAuthError), (403, ModelAuthError), (402, ModelSetupError)])
def test_a_refused_account_stops_the_run_whatever_the_provider(
    fake_server, make_client, key_in_env, model, status, error
):
    server = fake_server(lambda body: Answer("no", status=status))
    with pytest.raises(error):
        ask(make_client(server, **key_in_env), spec(model))
    assert len(server.requests) == 1


def test_a_response_without_a_reply_in_it_is_tried_again(fake_server, make_client):
    server = fake_server(in_turn(Answer(text=None), Answer("Hello.")))  # None: a body without choices
    assert ask(make_client(server)).text == "Hello."


def test_a_reply_that_ran_out_of_tokens_says_so(fake_server, make_client):
    server = fake_server(in_turn(Answer("Hel", finish_reason="length"), Answer("Hello.")))
    client = make_client(server)
    assert ask(client).is_cut and not ask(client, sample=1).is_cut


@pytest.fixture
def no_backoff(monkeypatch):
    monkeypatch.setattr("tunewright.service.random.uniform", lambda low, high: 0.0)
    monkeypatch.setattr("tunewright.limits.FIRST_PAUSE_S", 0.01)


@pytest.mark.parametrize("fault", PASSING)
def test_through_litellm_a_fault_that_passes_costs_one_more_try(make_client, no_backoff, fault):
    with FaultyServer(lambda body: Answer("Hello."), in_order(fault), pace=Pace(retry_after_s=0.01)) as server:
        client = make_client(server, attempts=2, timeout_s=0.4 if fault == "hang" else 10)
        assert ask(client, spec("deepseek/m")).text == "Hello."
        assert [(asked.fault, asked.delivered) for asked in server.log] == [(fault, False), ("", True)]
        assert (client.tally.made, len(client._cache)) == (1, 1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("truncated_json", "failed 2 times: .*Unable to get json response"),
        ("error_body", "failed 2 times: the response holds no reply: The engine is overloaded"),
        ("wrong_role", "failed 2 times: the message in the response has the role user"),
        ("context_overflow", "refused the request: .*maximum context length is 4096 tokens"),
        ("filtered", "gave an empty reply 3 times: the provider's filter took the words"),
    ],
)
def test_through_litellm_a_fault_that_lasts_fails_its_item_with_what_it_was(make_client, no_backoff, fault, words):
    match = f"^deepseek/m {words}"
    with FaultyServer(lambda body: Answer("Hello."), always(fault)) as server, pytest.raises(ItemFailure, match=match):
        ask(make_client(server, attempts=2), spec("deepseek/m"))
