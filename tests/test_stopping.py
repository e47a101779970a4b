"""A budget that is spent and signals that are sent: no new call, those in flight stored, and the run can go on."""

import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from bench.fake_model_server import Answer
from tests.conftest import ROOT, ask, spec
from tunewright.accounts import budget_of
from tunewright.cache import ReplyCache
from tunewright.errors import BudgetError, ConfigError, ModelSetupError
from tunewright.llm import Client
from tunewright.models import Budget, Connection, Price
from tunewright.runner import Job, run, run_jobs

PRICED = spec(price=Price(input_usd_per_mtok=0, output_usd_per_mtok=1e6))  # one USD a token out


async def three_calls(client, number):
    for turn in range(3):
        await client.complete(PRICED, [{"role": "user", "content": f"{number} {turn}"}])
    return number


def client_of(server, folder, concurrency=2, **budget):
    folder.mkdir(exist_ok=True)
    connection = Connection(concurrency=concurrency, timeout_s=10, attempts=1, api_base=server.url)
    return Client({"hosted_vllm": connection}, ReplyCache(folder), budget=Budget(**budget))


def run_all(client, n):
    jobs = [Job(f"t{number}", three_calls, (number,)) for number in range(n)]
    return run(client, "talks", n, partial(run_jobs, client, jobs, [PRICED]))


def test_a_budget_stops_before_the_next_call_keeps_what_came_and_the_next_run_goes_on(fake_server, tmp_path):
    server = fake_server(lambda body: Answer("x", completion_tokens=1, delay_s=0.01))
    first = client_of(server, tmp_path / "c", usd=7)
    with pytest.raises(BudgetError, match=r"^2 of 5 done\. the budget of 7 USD is spent .*raise llm\.budget"):
        run_all(first, 5)
    assert 7 <= first.tally.made <= 8 and first.tally.made == len(server.requests) == len(first._cache)
    second = client_of(server, tmp_path / "c", usd=8)
    assert run_all(second, 5) == [0, 1, 2, 3, 4]  # 7 or 8 of the 15 calls are paid already
    assert second.tally.made + first.tally.made == 15 and len(server.requests) == 15


def test_a_budget_of_tokens_counts_what_the_provider_does_not(fake_server, make_client, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "bench.fake_model_server._completion", lambda b, a: {"choices": [{"message": {"content": "y" * 80}}]}
    )
    client = client_of(fake_server("x"), tmp_path / "c", tokens=20)
    ask(client)
    with pytest.raises(BudgetError, match=r"the budget of 20 tokens is spent \(0\.0000 USD and 20 tokens in 1 calls\)"):
        ask(client, sample=1)


def test_a_budget_that_is_spent_by_the_last_call_is_no_error(fake_server, tmp_path):
    server = fake_server(lambda body: Answer("x", completion_tokens=1))
    assert run_all(client_of(server, tmp_path / "c", usd=6), 2) == [0, 1]


def test_a_budget_in_usd_and_an_unknown_price_stop_before_the_first_call(fake_server, tmp_path):
    server = fake_server("x")
    with pytest.raises(ModelSetupError, match="a budget of 5 USD and no price for this model"):
        ask(client_of(server, tmp_path / "c", usd=5))
    assert server.requests == []


def test_the_environment_s_budget_goes_before_the_configured_one(monkeypatch):
    monkeypatch.setenv("TUNEWRIGHT_BUDGET_USD", "2.5")
    assert budget_of(Budget(usd=1, tokens=7)) == Budget(usd=2.5, tokens=7)
    monkeypatch.setenv("TUNEWRIGHT_BUDGET_USD", "much")
    with pytest.raises(ConfigError, match="TUNEWRIGHT_BUDGET_USD is 'much'; expected a number"):
        budget_of(Budget())


SCRIPT = """
import sys, yaml
from functools import partial
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.test_stopping import client_of, run_all
from tunewright.errors import run_main

class Server:
    url = {url!r}

run_main(lambda: print("all", run_all(client_of(Server, Path({folder!r})), 40)))
"""


def start(server, folder):
    script = SCRIPT.format(root=str(ROOT), url=server.url, folder=str(folder))
    return subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait_for(server, n):
    while len(server.requests) < n:
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_first_signal_waits_for_calls_in_flight_stores_them_and_starts_none(fake_server, tmp_path, number, code):
    server = fake_server(lambda body: Answer("x", delay_s=0.3))
    process = start(server, tmp_path / "c")
    wait_for(server, 4)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    n_sent = len(server.requests)
    cache = ReplyCache(tmp_path / "c")
    assert (process.returncode, len(cache)) == (code, n_sent) and 4 <= n_sent <= 6
    assert f"{number.name}: waiting for 2 calls in flight; once more stops at once" in said
    assert f"of 40 done. by {number.name}; finished model calls are in the cache, run the same command to go on" in said
    cache.close()


def test_a_second_signal_stops_at_once(fake_server, tmp_path):
    server = fake_server(lambda body: Answer("x", delay_s=30 if len(server.requests) > 2 else 0))
    process = start(server, tmp_path / "c")
    wait_for(server, 4)
    process.send_signal(signal.SIGINT)
    assert "once more" in process.stderr.readline() + process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130 and "stopped: by a second SIGINT, calls in flight were dropped" in said
    assert "Traceback" not in said
