"""The embedded server: real weights, in this process, on loopback, behind a key, gone with the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tunewright.errors import ModelSetupError
from tunewright.serving import serve

ROOT = Path(__file__).parents[1]
QUESTION = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 5}


def ask(api_base: str, key: str) -> dict:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"{api_base}/chat/completions", json.dumps(QUESTION).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_it_answers_on_loopback_to_its_key_only(gguf: Path) -> None:
    endpoint = serve(gguf, slots=1, context_tokens_per_slot=256, threads=2)
    assert endpoint.api_base.startswith("http://127.0.0.1:")
    assert ask(endpoint.api_base, endpoint.api_key)["choices"][0]["message"]["content"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(endpoint.api_base, "guess")
    refused.value.close()
    assert refused.value.code == 401


def test_the_same_arguments_give_the_server_that_runs(gguf: Path) -> None:
    assert serve(gguf, 1, 256, 2) is serve(gguf, 1, 256, 2)


def test_it_dies_with_its_process(gguf: Path) -> None:
    script = f"from pathlib import Path; from tunewright.serving import serve; path = Path({str(gguf)!r})"
    command = [sys.executable, "-c", script + "; print(serve(path, 1, 256, 2).api_base)"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=True)
    with pytest.raises(urllib.error.URLError):
        ask(done.stdout.strip().splitlines()[-1], "any")


def test_a_file_that_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "not.gguf"
    path.write_bytes(b"no model")
    with pytest.raises(ModelSetupError, match="not.gguf"):
        serve(path, 1, 256, 2)
