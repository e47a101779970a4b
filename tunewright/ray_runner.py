"""`runner=ray`: the requests to models are made by workers of a Ray cluster.

A worker is an actor that makes requests and does nothing else: it reads no file, writes none and keeps nothing. It is
told the address and the key with each request and has no key in its environment, where dashboards would show it.
The first request that is not in the cache joins the cluster; a run that finds all its answers there never starts Ray.

Addresses in llm.connections are looked up on the workers. Embedded models stay in this process (providers.py).
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

import tunewright
from tunewright.carrying import MakeCarrier
from tunewright.config import Config, validate
from tunewright.errors import ModelSetupError, RunnerError, TunewrightError
from tunewright.faults import WORDS_KEPT, Fault
from tunewright.halt import Halt
from tunewright.models import Connection, Reply
from tunewright.providers import sender
from tunewright.requests import Request, Target
from tunewright.worker_pool import GO_ON, Pool, WorkerLostError

AT_ONCE = 10_000  # requests in one worker: never the bound, which is llm.connections.*.concurrency
KNOCK_S = 10.0
OBJECT_STORE_BYTES = 100 * 1024 * 1024  # of a cluster of our own: nothing large ever lies there
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}  # the second silences a warning


class RayConfig(Config):
    """The section `runner` of a run on Ray. `address` None: a cluster of its own on this machine, for this run."""

    kind: Literal["ray"]
    address: str | None
    workers: int = Field(ge=1)
    cpus_per_worker: float = Field(gt=0)
    start_timeout_s: float = Field(gt=0)

    @field_validator("address")
    @classmethod
    def _of_a_cluster(cls, address: str | None) -> str | None:
        if address is not None and "://" in address:
            raise ValueError(
                f"{address!r} is an address for Ray Client, which is not used here: run on a machine of the cluster "
                "and give auto, or HOST:6379"
            )
        return address


def carrier_of(section: dict[str, Any], params: Path) -> MakeCarrier:
    """What makes the carrier that a params file's section `runner` describes; raises ConfigError."""
    config = validate(section, RayConfig, params, "runner")
    return lambda halt: RayCarrier(config, halt)


class RayCarrier:
    """Carries requests to workers of the cluster; joins it at the first."""

    def __init__(self, config: RayConfig, halt: Halt) -> None:
        self._config, self._halt = config, halt
        self._pool: asyncio.Task[Pool] | None = None

    async def send(self, request: Request, connection: Connection, target: Target) -> Reply:
        """Make one request on some worker; raises what a transport raises, ModelSetupError and RunnerError."""
        if self._pool is None:
            self._pool = asyncio.ensure_future(self._join())
        pool = await self._halt.wait(asyncio.shield(self._pool))
        return await pool.send(request, connection, target)

    def close(self) -> None:
        """Leave the cluster; one of our own ends."""
        if self._pool is not None:
            self._pool = None
            _leave()

    async def _join(self) -> Pool:
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            await asyncio.to_thread(join, self._config)  # some seconds, in which Ctrl-C is to be heard
        finally:
            _restore(before)
        make = _actor_class(self._config)
        return Pool(lambda: RayWorker(make.remote()), self._config.workers, self._config.start_timeout_s, self._halt)


class Requester:
    """What runs on a worker: the transports of providers.py, and no more."""

    def ready(self) -> None:
        """Answer, as a sign of life."""

    async def send(self, request: Request, connection: Connection, target: Target) -> Reply | Exception:
        """A reply, or the fault of this try: Ray would wrap it in its own errors if it were raised."""
        try:
            return await sender(request.spec, connection)(request, connection, target)
        except (Fault, TunewrightError) as error:
            return error


class RayWorker:
    """One actor, in the words of worker_pool.py."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def ready(self) -> None:
        """Return when the actor is there; raises WorkerLostError."""
        await _answer_of(self._actor.ready.remote())

    async def send(self, request: Request, connection: Connection, target: Target) -> Reply:
        """Make one request there."""
        answer = await _answer_of(self._actor.send.remote(request, connection, target))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stop(self) -> None:
        """Kill the actor: if it does live on somewhere, what it makes is not waited for."""
        import ray  # pyright: ignore[reportMissingImports]

        ray.kill(self._actor)


async def _answer_of(reference: Any) -> Any:
    """What an actor answers; Ray's errors become WorkerLostError, or RunnerError where another worker cannot help."""
    from ray.exceptions import RayError, RayTaskError  # pyright: ignore[reportMissingImports]

    try:
        return await reference
    except RayTaskError as error:
        raise RunnerError(f"a Ray worker cannot make requests ({_last_line(error)}); {GO_ON}") from None
    except RayError as error:
        raise WorkerLostError(_last_line(error)) from None


def join(config: RayConfig) -> None:
    """Join the cluster, or start one. Raises ModelSetupError where there is no Ray or no cluster."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ModelSetupError("runner=ray needs Ray; install it with: pip install -e '.[ray]'") from None
    try:
        _knock(config.address)
        ray.init(**init_arguments(config))
    except Exception as error:  # ConnectionError, RuntimeError, ValueError and Ray's own kinds, by what is wrong
        where = "on this machine" if config.address is None else f"at runner.address {config.address!r}"
        raise ModelSetupError(
            f"no Ray cluster {where} ({_last_line(error)}); start one with: ray start --head, and on each other "
            "machine: ray start --address=HEAD:6379; or leave Ray out: dvc exp run -S runner=local"
        ) from None


def _knock(address: str | None) -> None:
    """Raise OSError at once where nobody listens: Ray would try for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()


def init_arguments(config: RayConfig) -> dict[str, Any]:
    """How to call ray.init; workers elsewhere get this code with it, and nothing of the workspace."""
    code = {"py_modules": [str(Path(tunewright.__file__).parent)], "excludes": ["__pycache__"]}
    shared: dict[str, Any] = {"runtime_env": code, "log_to_driver": False, "logging_level": "ERROR"}
    if config.address is not None:
        return shared | {"address": config.address}
    n_cpus = math.ceil(config.workers * config.cpus_per_worker)
    own = {"address": "local", "num_cpus": n_cpus, "num_gpus": 0, "object_store_memory": OBJECT_STORE_BYTES}
    return shared | own | {"include_dashboard": False}


def _actor_class(config: RayConfig) -> Any:
    import ray  # pyright: ignore[reportMissingImports]

    remote: Any = ray.remote
    return remote(num_cpus=config.cpus_per_worker, max_restarts=0, max_concurrency=AT_ONCE)(Requester)


def _leave() -> None:
    import ray  # pyright: ignore[reportMissingImports]

    ray.shutdown()


def _restore(handlers: dict[Any, Any]) -> None:
    """Put back the signal handlers that ray.init replaces: else SIGTERM would end the run at once."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _last_line(error: BaseException) -> str:
    """The line of Ray's many that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:WORDS_KEPT] if lines else type(error).__name__
