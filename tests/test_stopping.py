"""A budget that is spent and signals that are sent: no new call, those in flight stored, and the run can go on."""

import signal
import subprocess
import sys
import time

import pytest

from bench.fake_model_server import Answer
from tests.conftest import ROOT, ask
from tests.stoppable import client_of, run_all
from tunewright.accounts import budget_of
from tunewright.cache import ReplyCache
from tunewright.errors import BudgetError, ConfigError, ModelSetupError
from tunewright.models import Budget


def test_a_budget_stops_before_the_next_call_keeps_what_came_and_the_next_run_goes_on(fake_server, tmp_path):
    server = fake_server(lambda body: Answer("x", completion_tokens=1, delay_s=0.01))
    first = client_of(server.url, tmp_path / "c", usd=7)
    with pytest.raises(BudgetError, match=r"^2 of 5 done\. the budget of 7 USD is spent .*raise llm\.budget"):
        run_all(first, 5)
    assert 7 <= first.tally.made <= 8 and first.tally.made == len(server.requests) == len(first._cache)
    second = client_of(server.url, tmp_path / "c", usd=8)
    assert run_all(second, 5) == [0, 1, 2, 3, 4]  # 7 or 8 of the 15 calls are paid already
    assert second.tally.made + first.tally.made == 15 and len(server.requests) == 15


def test_a_budget_of_tokens_counts_what_the_provider_does_not(fake_server, tmp_path, monkeypatch):
    uncounted = {"choices": [{"message": {"content": "y" * 80}}]}
    monkeypatch.setattr("bench.fake_model_server.completion", lambda body, answer: uncounted)
    client = client_of(fake_server("x").url, tmp_path / "c", tokens=20)
    ask(client)
    with pytest.raises(BudgetError, match=r"the budget of 20 tokens is spent \(0\.0000 USD and 20 tokens in 1 calls\)"):
        ask(client, sample=1)


def test_a_budget_that_is_spent_by_the_last_call_is_no_error(fake_server, tmp_path):
    server = fake_server(lambda body: Answer("x", completion_tokens=1))
    assert run_all(client_of(server.url, tmp_path / "c", usd=6), 2) == [0, 1]


def test_a_budget_in_usd_and_an_unknown_price_stop_before_the_first_call(fake_server, tmp_path):
    server = fake_server("x")
    with pytest.raises(ModelSetupError, match="a budget of 5 USD and no price for this model"):
        ask(client_of(server.url, tmp_path / "c", usd=5))
    assert server.requests == []


def test_the_environment_s_budget_goes_before_the_configured_one(monkeypatch):
    monkeypatch.setenv("TUNEWRIGHT_BUDGET_USD", "2.5")
    assert budget_of(Budget(usd=1, tokens=7)) == Budget(usd=2.5, tokens=7)
    for named in ("much", "nan", "-1"):  # a comparison with nan is never true: the budget would have no end
        monkeypatch.setenv("TUNEWRIGHT_BUDGET_USD", named)
        with pytest.raises(ConfigError, match=f"TUNEWRIGHT_BUDGET_USD: found '{named}', expected a number"):
            budget_of(Budget())


def start(server, folder):
    command = [sys.executable, "-m", "tests.stoppable", server.url, str(folder), "40"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def wait_for(server, n):
    while len(server.requests) < n:
        time.sleep(0.01)


def test_a_first_signal_waits_for_calls_in_flight_stores_them_and_starts_none(fake_server, tmp_path):
    signals = {signal.SIGINT: 130, signal.SIGTERM: 143}
    servers = {number: fake_server(lambda body: Answer("x", delay_s=0.3)) for number in signals}
    running = {number: start(server, tmp_path / number.name) for number, server in servers.items()}
    for number, process in running.items():
        wait_for(servers[number], 4)
        process.send_signal(number)
    for number, process in running.items():
        _, said = process.communicate(timeout=60)
        cache, n_sent = ReplyCache(tmp_path / number.name), len(servers[number].requests)
        assert (process.returncode, len(cache)) == (signals[number], n_sent) and n_sent < 120
        assert f"{number.name}: waiting for 2 calls in flight; once more stops at once" in said
        assert f"of 40 done. by {number.name}; finished model calls are in the cache, run the same command" in said
        cache.close()


def test_a_second_signal_stops_at_once(fake_server, tmp_path):
    server = fake_server(lambda body: Answer("x", delay_s=2 if len(server.requests) > 2 else 0))
    process = start(server, tmp_path / "c")
    wait_for(server, 4)
    process.send_signal(signal.SIGINT)
    assert "once more" in process.stderr.readline() + process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    cache = ReplyCache(tmp_path / "c")
    assert process.returncode == 130 and "stopped: by a second SIGINT, calls in flight were dropped" in said
    assert "Traceback" not in said and len(cache) < len(server.requests)
    cache.close()
