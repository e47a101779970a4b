"""Embedded models: GGUF files served inside this process by llama.cpp (xllamacpp).

A server starts on the first call that needs it, on loopback with a key made for this process, speaks the OpenAI
protocol, and ends with the process.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tunewright.errors import ModelSetupError


@dataclass(frozen=True)
class Endpoint:
    """Where an OpenAI-compatible server listens, and its key."""

    api_base: str
    api_key: str


@lru_cache(maxsize=8)
def serve(
    gguf: Path,
    slots: int,
    context_tokens_per_slot: int | None,
    threads: int | None,
    gpu_layers: int | None = None,
    adapter: Path | None = None,
) -> Endpoint:
    """Serve a GGUF file with `slots` parallel requests; the same arguments give the same running server.

    None for the context means the model's own for each slot, for threads one per core, for gpu_layers none. An
    `adapter` (LoRA, as GGUF) is added to the weights whenever they are used.

    Raises ModelSetupError when xllamacpp is missing or cannot load the file.
    """
    try:
        xllamacpp: Any = import_module("xllamacpp")
    except ImportError:
        raise ModelSetupError("embedded models need xllamacpp; install it with: pip install -e '.[local]'") from None
    key = secrets.token_urlsafe(24)
    params = xllamacpp.CommonParams()
    params.n_ctx = slots * (context_tokens_per_slot or 0)  # shared by the slots; 0: the model's own
    params.n_gpu_layers = gpu_layers or 0
    if adapter:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    try:
        server = xllamacpp.Server(_params(params, gguf, slots, threads or os.cpu_count() or 1, key))
    except Exception as error:  # xllamacpp raises RuntimeError and its own kinds
        beside = f" with {adapter}" if adapter else ""
        raise ModelSetupError(f"{gguf}: llama.cpp cannot serve this file{beside} ({error})") from None
    _running.append(server)
    return Endpoint(f"{server.listening_address}/v1", key)


_running: list[Any] = []  # servers live as long as something refers to them


def stop() -> None:
    """End every server of this process: a model's memory is wanted for another."""
    serve.cache_clear()
    _running.clear()


def _params(params: Any, gguf: Path, slots: int, threads: int, key: str) -> Any:
    params.model.path = str(gguf)
    params.n_parallel = slots
    params.kv_unified = True  # one buffer for all slots: a third faster on the CPU than one each
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # any free one
    params.api_keys = [key]
    params.ui = False
    params.verbosity = -1
    return params
