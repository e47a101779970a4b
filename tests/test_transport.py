"""Requests without litellm: broken responses, keys in turn, and what is never imported."""

import asyncio
import subprocess
import sys

import pytest
from pydantic import ValidationError

from bench.fake_model_server import Answer
from tests.conftest import HI, ROOT, ask, in_turn, spec
from tunewright.errors import ModelAuthError, ModelSetupError
from tunewright.faults import error_words, http_fault, retry_after_s
from tunewright.items import ItemFailure
from tunewright.keys import Keys
from tunewright.models import Connection
from tunewright.providers import is_direct

HALF = b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"choices": [{"message"'
REPLY = b'{"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]}'


def whole(body, status=b"200 OK"):
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


def ask_raw(make_client, *responses, **rest):
    """Ask a server that sends these bytes, one after the other, closing the connection after each."""
    left = list(responses)

    async def handle(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length"))
        await reader.readexactly(length)
        writer.write(left.pop(0))
        await writer.drain()
        writer.close()

    async def scene():
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        client = make_client(type("Server", (), {"url": f"http://127.0.0.1:{address[1]}/v1"}), **rest)
        try:
            return await client.complete(spec(), HI)
        finally:
            server.close()

    return asyncio.run(scene())


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch):
    monkeypatch.setattr("tunewright.service.random.uniform", lambda low, high: 0.0)


@pytest.mark.parametrize(
    "broken",
    [
        HALF,
        b"",
        whole(REPLY[:40]),
        whole(b'{"error": {"message": "overloaded"}}'),
        whole(b'{"choices": []}'),
        whole(b'{"choices": [{"message": {"content": ["a"]}}]}'),
        whole(b"[1, 2]"),
        whole(b"<html>Please log in</html>"),
    ],
)
def test_a_response_that_is_broken_is_asked_for_again(make_client, broken):
    assert ask_raw(make_client, broken, whole(REPLY)).text == "Hello."


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (whole(b'{"error": {"message": "overloaded"}}'), "holds no reply: overloaded"),
        (whole(b"<html>Please log in</html>"), "not JSON: '<html>Please log in</html>'"),
        (HALF, "no connection to .*, or it broke"),
    ],
)
def test_a_response_that_stays_broken_fails_its_item_with_what_it_was(make_client, broken, words):
    with pytest.raises(ItemFailure, match=f"hosted_vllm/m failed 2 times: .*{words}"):
        ask_raw(make_client, broken, broken, attempts=2)


def test_a_server_that_is_not_there_fails_the_item(make_client):
    nowhere = type("Server", (), {"url": "http://127.0.0.1:9/v1"})
    with pytest.raises(ItemFailure, match=r"failed 2 times: no connection to http://127\.0\.0\.1:9/v1"):
        ask(make_client(nowhere, attempts=2))


@pytest.mark.parametrize("address", ["localhost:8000/v1", "http://"])
def test_an_address_that_is_none_is_refused_before_any_call(make_client, address):
    with pytest.raises(ValidationError, match="expected http://HOST or https://HOST"):
        make_client(type("Server", (), {"url": address}))


def test_reasoning_that_a_server_leaves_in_the_reply_is_taken_out(make_client):
    body = b'{"choices": [{"message": {"content": "<think>Hm.\\nSo?</think>\\nYes <think>."}}]}'
    assert ask_raw(make_client, whole(body)).text == "\nYes <think>."


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"message": "no", "type": "x"}}', "no"),
        ('{"error": "no"}', "no"),
        ('{"object": "error", "message": "no"}', "no"),
        ('{"detail": "Not Found"}', "Not Found"),
        ("gateway", "gateway"),
        ('{"error": {"message": "pay", "code": "insufficient_quota"}}', "pay (insufficient_quota)"),
    ],
)
def test_error_bodies_are_read_in_the_forms_that_servers_give_them(body, words):
    assert error_words(body) == words


def test_retry_after_is_read_as_seconds_and_as_a_date(monkeypatch):
    monkeypatch.setattr("tunewright.faults.time.time", lambda: 784111777.0 - 30)  # RFC 9110's example, 30 s before
    read = [retry_after_s({"retry-after": text}) for text in ("1.5", "Sun, 06 Nov 1994 08:49:37 GMT", "-3", "soon")]
    assert [*read, retry_after_s({})] == [1.5, 30.0, 0.0, None, None]


def test_a_provider_that_asks_for_an_hour_stops_the_run(fake_server, make_client):
    server = fake_server(lambda body: Answer("later", status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(ModelSetupError, match="asks to wait 60 minutes"):
        ask(make_client(server))
    assert len(server.requests) == 1


def test_a_429_for_want_of_money_or_for_one_request_s_size_is_not_tried_again():
    faults = [http_fault(429, words, {}, []) for words in ("x (insufficient_quota)", "Request too large for m", "slow")]
    assert [fault.may_pass for fault in faults] == [False, False, True]


@pytest.mark.parametrize(
    ("model", "base", "direct"),
    [
        ("hosted_vllm/m", "http://gpu:8000/v1", True),
        ("openai/m", "http://gpu:8000/v1", True),
        ("openai/m", "https://eu.api.openai.com/v1", False),
        ("openai/m", "https://x.openai.azure.com/v1", False),
        ("openai/m", None, False),
        ("ollama_chat/m", "http://localhost:11434", True),
        ("ollama/m", None, False),
        ("anthropic/m", "http://gateway/v1", False),
        ("embedded/m", None, True),
    ],
)
def test_servers_of_ones_own_are_called_directly_and_all_others_through_litellm(model, base, direct):
    assert is_direct(spec(model), Connection(concurrency=1, timeout_s=1, attempts=1, api_base=base)) is direct


def test_a_direct_run_imports_no_litellm(fake_server, tmp_path):
    server = fake_server("Hello.")
    script = f"""
import asyncio, sys
from pathlib import Path
from tunewright.cache import ReplyCache
from tunewright.llm import Client
from tunewright.models import Connection, ModelSpec
connection = Connection(concurrency=1, timeout_s=9, attempts=1, api_base={server.url!r})
client = Client({{"hosted_vllm": connection}}, ReplyCache(Path({str(tmp_path)!r})))
spec = ModelSpec(model="hosted_vllm/m", temperature=0.0, max_tokens=9)
print(asyncio.run(client.complete(spec, [{{"role": "user", "content": "hi"}}])).text, client.tally, file=sys.stderr)
client.close()
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr.startswith("Hello. 1 model calls made") and "Unclosed" not in done.stderr
    assert not {"litellm", "openai"} & set(done.stdout.split())


@pytest.fixture
def two_keys(monkeypatch):
    for name in ("KEY_A", "KEY_B"):
        monkeypatch.setenv(name, f"sk-{name}-0123456789")
    return {"api_key_env": ["KEY_A", "KEY_B"]}


def test_keys_are_taken_in_turn_and_those_that_rest_last(two_keys):
    keys = Keys(two_keys["api_key_env"], "m")
    assert [keys.take(0.0)[0] for _ in range(3)] == ["KEY_A", "KEY_B", "KEY_A"]
    assert keys.rest("KEY_B", 10.0, 0.0)
    assert [keys.take(1.0)[0] for _ in range(2)] == ["KEY_A", "KEY_A"]
    assert not keys.rest("KEY_A", 20.0, 1.0)
    assert keys.take(2.0)[0] == "KEY_B"  # both rest; this one less long
    assert [keys.take(30.0)[0] for _ in range(2)] == ["KEY_A", "KEY_B"]


def test_a_refused_key_is_used_no_more_while_another_is_taken(fake_server, make_client, two_keys, capsys):
    server = fake_server("Hello.", api_key="sk-KEY_B-0123456789")
    client = make_client(server, attempts=1, **two_keys)
    for sample in range(3):
        assert ask(client, sample=sample).text == "Hello."
    assert len(server.requests) == 4  # the first with each key, then with the good one alone
    said = capsys.readouterr().err
    assert said.count("$KEY_A was refused and is used no more") == 1 and "sk-KEY" not in said


def test_when_the_last_key_is_refused_the_run_stops_and_names_them_all(fake_server, make_client, two_keys):
    with pytest.raises(ModelAuthError, match=r"refused the key in \$KEY_A, \$KEY_B"):
        ask(make_client(fake_server("Hello.", api_key="another"), **two_keys))


def test_a_429_on_one_key_moves_to_the_next_and_cuts_nothing(fake_server, make_client, two_keys):
    server = fake_server(in_turn(Answer(status=429, headers={"Retry-After": "30"}), Answer("Hello.")))
    client = make_client(server, attempts=1, **two_keys)
    assert ask(client).text == "Hello."
    [(_, service)] = client.providers.services()
    assert not service.line.limit.history
