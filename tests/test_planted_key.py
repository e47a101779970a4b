"""Planted keys: the search finds every form, and a client whose server says the key back leaves none anywhere."""

import pytest

from bench.echo_server import EchoServer
from bench.fake_model_server import Answer
from bench.planted_key import control
from bench.planted_search import Needles, forms, planted
from tests.conftest import ask
from tunewright.errors import ModelAuthError
from tunewright.items import ItemFailure
from tunewright.llm import Client
from tunewright.models import Connection

KEY = "vllm-a/0123456789abcdefghijkl/nopqrstuvwxyzABCDEF"


def test_keys_are_planted_anew_each_time_and_no_two_are_alike():
    keys = planted()
    assert len({*keys.values(), *planted().values()}) == 2 * len(keys)


@pytest.mark.parametrize(("form", "data"), forms(KEY))
def test_the_search_finds_a_key_in_each_form_and_says_whose_it_is(form, data):
    [trace] = {t for t in Needles({"A_KEY": KEY}).in_bytes(b"before " + data + b" after", "x.txt") if t.form == form}
    assert str(trace) == f"x.txt: A_KEY ({form})"


def test_the_search_finds_keys_that_are_compressed_in_a_database_and_across_blocks(tmp_path):
    keys = {"A_KEY": KEY}
    n, seen = control(tmp_path, keys, Needles(keys, block=4096))
    assert n == seen == 12


def test_the_search_finds_no_key_where_there_is_none(tmp_path):
    (tmp_path / "a.txt").write_text("vllm-a- and MODEL_KEY_A and 0123456789")
    assert Needles({"A_KEY": KEY}).in_file(tmp_path / "a.txt", "a.txt") == set()


def test_a_server_that_says_the_key_back_everywhere_leaves_none_on_disk_or_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MODEL_KEY_A", KEY)
    monkeypatch.setenv("TUNEWRIGHT_CACHE", str(tmp_path / "cache"))
    needles, fields = Needles({"A_KEY": KEY}), {"concurrency": 1, "timeout_s": 10, "attempts": 6}
    with EchoServer(lambda body: Answer("Hello."), revoked=KEY) as server:
        given = fields | {"api_base": server.url, "api_key_env": "MODEL_KEY_A"}
        client = Client({"hosted_vllm": Connection.model_validate(given)})
        said = []
        for n in range(12):
            try:
                said.append(ask(client, messages=[{"role": "user", "content": f"hi {n}"}]).text)
            except (ItemFailure, ModelAuthError) as error:
                said.append(str(error))
        client.close()
        assert sum(server.said.values()) > 8
        assert server.said["401"] and server.said["reply"] and server.said["no JSON"] and server.said["500 in HTML"]
    assert "Hello. (key)" in said or "Hello. Bearer (key)" in said
    assert any("the provider refused the key in $MODEL_KEY_A" in text for text in said)
    out = "".join([*said, *capsys.readouterr()])
    assert needles.in_bytes(out.encode(), "terminal") == set()
    files = [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    assert any(p.name == "replies.sqlite" for p in files)
    assert {t for p in files for t in needles.in_file(p, p.name)} == set()
