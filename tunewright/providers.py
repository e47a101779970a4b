"""Which transport a model takes, and where it is: from a ModelSpec to a service that answers.

A server of one's own that speaks the OpenAI chat protocol is called directly; everybody else through litellm.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from tunewright import serving
from tunewright.carrying import MakeCarrier
from tunewright.errors import ModelSetupError
from tunewright.halt import Halt
from tunewright.models import EMBEDDED, Connection, ModelSpec, Reply
from tunewright.requests import Request, Target
from tunewright.service import Locate, Send, Service, Stored
from tunewright.weights import Weights, fetch

DIRECT = {  # providers whose servers speak the OpenAI chat protocol, and what is added to their api_base
    "hosted_vllm": "",
    "llamafile": "",
    "lm_studio": "",
    "ollama": "/v1",
    "ollama_chat": "/v1",
    "openai": "",  # only at another address than these:
}
NOT_DIRECT = ("openai.com", "azure.com")  # their newer models rename max_tokens and more, which litellm knows
_start = threading.Lock()  # of several first calls one fetches and starts an embedded model


class Providers:
    """Calls models where their connections say they are, from here or from where a carrier takes the requests."""

    def __init__(
        self, connections: dict[str, Connection], halt: Halt, stored: Stored, carrier: MakeCarrier | None = None
    ) -> None:
        self._connections, self._halt, self._stored = connections, halt, stored
        self._carrier = carrier(halt) if carrier else None
        self._services: dict[tuple[str, Weights | None], Service] = {}

    def connection(self, spec: ModelSpec) -> Connection:
        """The connection of a model's provider; raises ModelSetupError when conf/llm names none."""
        try:
            return self._connections[spec.provider]
        except KeyError:
            known = ", ".join(sorted(self._connections)) or "none"
            raise ModelSetupError(
                f"{spec.model}: no connection for provider {spec.provider!r} in llm.connections (there: {known}); "
                "add one in conf/llm/ and run: make params"
            ) from None

    async def call(self, request: Request) -> Reply:
        """A reply to a request; raises what `Service.call` raises."""
        which = (request.spec.model, request.spec.weights)
        service = self._services.get(which)
        if service is None:
            service = self._services[which] = self._service(request.spec)
        return await service.call(request)

    def services(self) -> Iterator[tuple[str, Service]]:
        """The models that were called, and their services."""
        for (model, _), service in self._services.items():
            yield model, service

    def close(self) -> None:
        """Let go what carried requests."""
        if self._carrier:
            self._carrier.close()

    def _service(self, spec: ModelSpec) -> Service:
        connection = self.connection(spec)
        carrier = None if spec.provider == EMBEDDED else self._carrier  # that one serves this process alone
        send = carrier.send if carrier else sender(spec, connection)
        return Service(spec.model, connection, send, _locate(spec, connection), self._halt, self._stored)


def sender(spec: ModelSpec, connection: Connection) -> Send:
    """What makes the requests to a model; imports aiohttp alone or litellm."""
    if is_direct(spec, connection):
        from tunewright.transport import send

        return send
    from tunewright.through_litellm import register, send

    register(spec)
    return send


def is_direct(spec: ModelSpec, connection: Connection) -> bool:
    """Whether a model is called without litellm."""
    if spec.provider == EMBEDDED:
        return True
    host = urlsplit(connection.api_base or "").hostname or ""
    elsewhere = not any(host == known or host.endswith(f".{known}") for known in NOT_DIRECT)
    return spec.provider in DIRECT and connection.api_base is not None and elsewhere


def _locate(spec: ModelSpec, connection: Connection) -> Locate:
    """From a key to where a request goes; an embedded model is started by the first to ask."""
    if spec.provider == EMBEDDED:
        return _locate_embedded(spec, connection)
    base, name = connection.api_base, spec.model  # as litellm wants them
    if is_direct(spec, connection):
        suffix = DIRECT[spec.provider]
        base, name = str(base).rstrip("/").removesuffix(suffix) + suffix, spec.model.split("/", 1)[1]

    async def elsewhere(key: str) -> Target:
        return Target(base, name, key)

    return elsewhere


def _locate_embedded(spec: ModelSpec, connection: Connection) -> Locate:
    weights, name, target = spec.weights, spec.model.split("/", 1)[1], None
    if weights is None:
        raise ModelSetupError(f"{spec.model}: an embedded model needs `weights` in conf/llm/")

    async def embedded(_: str) -> Target:
        nonlocal target
        if target is None:
            endpoint = await asyncio.to_thread(_serve, weights, connection)
            target = Target(endpoint.api_base, name, endpoint.api_key)
        return target

    return embedded


def _serve(weights: Weights, connection: Connection) -> serving.Endpoint:
    slots, context = connection.concurrency, connection.context_tokens_per_slot
    with _start:
        return serving.serve(fetch(weights), slots, context, connection.threads, connection.gpu_layers)
