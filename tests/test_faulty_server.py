"""The server that fails on purpose fails as it says, in the same way whatever comes first, and knows what was paid."""

import contextlib
from collections import Counter
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from bench.fake_model_server import Answer
from bench.faulty_server import FaultyServer, in_order, mixture

KEYS = [f"{n:064x}" for n in range(2000)]


def test_a_mixture_gives_each_fault_its_share_whatever_the_order():
    plan = mixture({"busy": 0.1, "half_sent": 0.2}, seed=1)
    drawn = {key: plan(key, 0) for key in KEYS}
    counts = Counter(drawn.values())
    assert 150 < counts["busy"] < 250 and 330 < counts["half_sent"] < 470  # 200 and 400, 3.7 standard deviations
    assert {key: plan(key, 0) for key in reversed(KEYS)} == drawn
    assert {key: mixture({"busy": 0.1, "half_sent": 0.2}, seed=2)(key, 0) for key in KEYS} != drawn


def test_a_request_is_answered_after_so_many_tries():
    plan = mixture({"dropped": 1.0}, seed=1, most_per_request=2)
    assert [plan("k", nth) for nth in range(4)] == ["dropped", "dropped", "", ""]


def test_a_fault_in_the_words_is_the_same_for_every_try_and_beside_other_faults():
    calm, wild = mixture({"refusal": 0.3}, seed=1), mixture({"refusal": 0.3, "busy": 0.5}, seed=1)
    assert all(calm(key, 0) == calm(key, 9) == wild(key, 9) for key in KEYS)
    assert "refusal" in {wild(key, 0) for key in KEYS} and "busy" in {wild(key, 0) for key in KEYS}


def test_a_mixture_of_a_fault_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="no such fault: bussy"):
        mixture({"bussy": 1.0}, seed=1)


def post(server):
    body = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'
    return urlopen(Request(f"{server.url}/chat/completions", body), timeout=10).read()


def test_only_a_reply_that_went_out_whole_counts_as_paid():
    kinds = ["", "error_500", "truncated_json", "error_body", "half_sent", "empty", "refusal"]
    with FaultyServer(lambda body: Answer("Hello."), in_order(*kinds)) as server:
        for _ in kinds:
            with contextlib.suppress(HTTPError, HTTPException):
                post(server)
        log = [(asked.fault, asked.nth, asked.delivered, asked.tokens) for asked in server.log]
    paid = {"": 15, "empty": 15, "refusal": 15}
    assert log == [(kind, n, kind in paid, paid.get(kind, 0)) for n, kind in enumerate(kinds)]
    assert len({asked.key for asked in server.log}) == 1


def test_a_revoked_key_stays_revoked_until_it_is_given_back():
    with FaultyServer(lambda body: Answer("Hello."), in_order("", "revoked_key")) as server:
        post(server)
        for _ in range(2):
            with pytest.raises(HTTPError, match="401"):
                post(server)
        server.revoked = False
        post(server)
        assert [asked.fault for asked in server.log] == ["", "revoked_key", "refused_key", ""]
