"""Requests that others make: what the params name, what stays here, and Ray itself (slow)."""

import asyncio
import hashlib
import json
import os
import pickle
import signal
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.fake_model_server import Answer
from tests.conftest import HI, ask, spec
from tunewright.carrying import carrier_of
from tunewright.errors import BudgetError, ConfigError, ModelSetupError, OfflineMissError
from tunewright.faults import Fault
from tunewright.halt import Halt
from tunewright.llm import Client
from tunewright.models import Budget, Connection
from tunewright.providers import sender
from tunewright.ray_runner import RayCarrier, RayConfig, init_arguments
from tunewright.runner import Job, run, run_jobs
from tunewright.weights import Weights

RAY = RayConfig(kind="ray", address=None, workers=2, cpus_per_worker=0.5, start_timeout_s=60)
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install -e '.[ray]'")


def params(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(f"llm: {{connections: {{}}}}\n{text}\n")
    return path


class Carried:
    """Makes requests here, and notes which; a `send` that the test may replace."""

    def __init__(self, halt):
        self.carried, self.n_closed = [], 0

    async def send(self, request, connection, target):
        self.carried.append((request.messages[-1]["content"], target.api_key))
        return await sender(request.spec, connection)(request, connection, target)

    def close(self):
        self.n_closed += 1


@pytest.fixture
def carried_client(cache_folder):
    """A factory: a client of a fake server whose requests are carried; the carrier is its `providers._carrier`."""
    made = []

    def make(server, carrier=Carried, budget=None, **rest):
        fields = {"concurrency": 4, "timeout_s": 10, "attempts": 3, "api_base": server.url} | rest
        connections = {"hosted_vllm": Connection.model_validate(fields)}
        made.append(Client(connections, carrier=carrier, budget=budget or Budget()))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_a_file_without_a_runner_or_with_the_local_one_has_no_carrier(tmp_path):
    assert carrier_of(params(tmp_path, "")) is None
    assert carrier_of(params(tmp_path, "runner: {kind: local}")) is None


def test_a_runner_that_is_not_known_is_told_with_those_that_are(tmp_path):
    with pytest.raises(ConfigError, match="runner.kind: found 'slurm', expected one of local, ray"):
        carrier_of(params(tmp_path, "runner: {kind: slurm}"))


def test_a_key_that_ray_s_section_does_not_have_is_told(tmp_path):
    section = "{kind: ray, address: null, worker: 2, workers: 2, cpus_per_worker: 1, start_timeout_s: 9}"
    with pytest.raises(ConfigError, match="found unknown key 'runner.worker', expected 'workers'"):
        Client.from_params(params(tmp_path, f"runner: {section}"))


def test_naming_ray_does_not_import_it_and_neither_does_a_run_whose_answers_are_cached(
    fake_server, carried_client, monkeypatch
):
    monkeypatch.setitem(sys.modules, "ray", None)  # an import fails
    server = fake_server("Hello.")
    ask(carried_client(server))
    again = carried_client(server, carrier=partial(RayCarrier, RAY))
    assert run(again, "one", 1, lambda advance: again.complete(spec(), HI)).text == "Hello."
    assert len(server.requests) == 1


def test_without_ray_the_first_request_says_what_to_install(fake_server, carried_client, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    client = carried_client(fake_server("Hello."), carrier=partial(RayCarrier, RAY))
    with pytest.raises(ModelSetupError, match="runner=ray needs Ray; install it with"):
        asyncio.run(client.complete(spec(), HI))


def test_offline_and_plan_carry_nothing(fake_server, carried_client, monkeypatch, tmp_path):
    monkeypatch.setenv("TUNEWRIGHT_OFFLINE", "1")
    client = carried_client(fake_server("Hello."))
    with pytest.raises(OfflineMissError):
        ask(client)
    assert client.providers._carrier.carried == []
    monkeypatch.delenv("TUNEWRIGHT_OFFLINE")
    monkeypatch.setenv("TUNEWRIGHT_PLAN", str(tmp_path / "plan.jsonl"))
    planning = Client.from_params(params(tmp_path, "runner: {kind: ray}"))  # not even read
    assert ask(planning).is_placeholder
    planning.close()


def test_a_carried_request_takes_its_key_along_and_the_run_lets_the_carrier_go(
    fake_server, carried_client, monkeypatch
):
    monkeypatch.setenv("MODEL_KEY", "secret")
    client = carried_client(fake_server("Hello.", api_key="secret"), api_key_env="MODEL_KEY")
    run(client, "one", 1, lambda advance: client.complete(spec(), HI))
    carrier = client.providers._carrier
    assert (carrier.carried, carrier.n_closed) == ([("hi", "secret")], 1)


def test_a_fault_of_a_carried_request_is_tried_again_here_as_any_other(fake_server, carried_client):
    left = [Answer(status=500), Answer(status=429, headers={"retry-after": "0"}), Answer("Hello.")]
    client = carried_client(fake_server(lambda body: left.pop(0)))
    assert ask(client).text == "Hello."
    assert len(client.providers._carrier.carried) == 3 and client.tally.made == 1


def test_when_the_budget_is_spent_nothing_more_is_carried(fake_server, carried_client):
    client = carried_client(fake_server("Hello."), budget=Budget(tokens=30), concurrency=1)  # 15 a call

    async def work(client, text):
        return await client.complete(spec(), [{"role": "user", "content": text}])

    jobs = [Job(text, work, (text,)) for text in "abcd"]
    with pytest.raises(BudgetError, match=r"2 of 4 done\. the budget of 30 tokens is spent"):
        run(client, "letters", 4, partial(run_jobs, client, jobs, [spec()]))
    assert [text for text, _ in client.providers._carrier.carried] == ["a", "b"]


def test_an_embedded_model_is_never_carried(cache_folder):
    connection = Connection(concurrency=1, timeout_s=1, attempts=1)
    client = Client({"embedded": connection}, carrier=Carried)
    embedded = spec("embedded/m", weights=Weights(path="models/m.gguf"))
    with pytest.raises(ModelSetupError, match="models/m.gguf"):
        asyncio.run(client.complete(embedded, HI))
    assert client.providers._carrier.carried == []
    client.close()


def test_what_a_worker_answers_survives_the_way_back():
    fault = Fault("too much", 429, 2.5, may_pass=True)
    assert pickle.loads(pickle.dumps(fault)) == fault
    error = ModelSetupError("no address")
    assert str(pickle.loads(pickle.dumps(error))) == "no address"


def test_a_cluster_of_our_own_has_room_for_the_workers_and_no_part_of_the_environment_is_sent():
    own, joined = init_arguments(RAY), init_arguments(RAY.model_copy(update={"address": "auto"}))
    assert (own["address"], own["num_cpus"], joined["address"]) == ("local", 1, "auto")
    assert "num_cpus" not in joined
    assert [set(arguments["runtime_env"]) for arguments in (own, joined)] == [{"py_modules", "excludes"}] * 2
    (shipped,) = joined["runtime_env"]["py_modules"]
    assert (Path(shipped) / "ray_runner.py").exists()


async def chain(client, name):
    """Three calls, each with the last reply in it."""
    said = [name]
    for _ in range(3):
        reply = await client.complete(spec(), [{"role": "user", "content": " ".join(said)}])
        said.append(reply.text)
    return said


def by_hash(body):
    return Answer(hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest(), delay_s=0.02)


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_ray_gives_what_a_local_run_gives_a_lost_worker_included_and_local_then_asks_nothing(
    fake_server, carried_client, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("MODEL_KEY", "secret")
    server = fake_server(by_hash, api_key="secret")
    jobs = [Job(str(n), chain, (str(n),)) for n in range(20)]

    def results(client):
        return run(client, "chains", 20, partial(run_jobs, client, jobs, [spec()]))

    class LosesOne(RayCarrier):
        async def send(self, request, connection, target):
            if len(server.requests) >= 30 and not lost:
                pool = await self._pool
                lost.append(next(iter(pool._in_hand)))
                lost[0].stop()
            return await super().send(request, connection, target)

    lost = []
    handler = signal.getsignal(signal.SIGTERM)
    client = carried_client(server, carrier=partial(LosesOne, RAY), api_key_env="MODEL_KEY")
    found = results(client)
    assert signal.getsignal(signal.SIGTERM) == handler
    assert lost and client.tally.made == 60
    assert 60 <= len(server.requests) <= 64  # at most the four that were out are asked twice
    assert "a worker was lost" in " ".join(capsys.readouterr().err.split())
    n_asked = len(server.requests)
    local = carried_client(server, carrier=None, api_key_env="MODEL_KEY")
    assert results(local) == found and (local.tally.made, len(server.requests)) == (0, n_asked)
    monkeypatch.setenv("TUNEWRIGHT_CACHE", str(tmp_path / "other"))
    assert results(carried_client(server, carrier=None, api_key_env="MODEL_KEY")) == found
    assert "MODEL_KEY" not in json.dumps(init_arguments(RAY)) and os.environ["MODEL_KEY"] == "secret"


def test_an_address_of_ray_client_is_refused_with_what_to_give_instead(tmp_path):
    section = "{kind: ray, address: 'ray://head:10001', workers: 2, cpus_per_worker: 1, start_timeout_s: 9}"
    with pytest.raises(ConfigError, match="runner.address: 'ray://head:10001' is an address for Ray Client.*give auto"):
        carrier_of(params(tmp_path, f"runner: {section}"))


@needs_ray
def test_an_address_without_a_cluster_is_told_at_once_with_the_command_that_starts_one():
    config = RAY.model_copy(update={"address": "127.0.0.1:9"})
    carrier = RayCarrier(config, Halt())
    with pytest.raises(ModelSetupError, match=r"no Ray cluster at runner.address '127.0.0.1:9'.*ray start --head"):
        asyncio.run(carrier.send(None, None, None))
    carrier.close()
