"""Model files: GGUF, safetensors, tokenizers and their chat templates, Modelfiles, results of lm-evaluation-harness."""

# ruff: noqa: E501 (a case is a line)

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from tests.corpus.harness import MB, Case
from tests.corpus.ways import file_way, write
from tunewright.base_models import parameter_count, tokenizer_from_gguf
from tunewright.chat_tokenizer import load_tokenizer
from tunewright.errors import ConfigError, ModelSetupError, RecordError, TrainingError
from tunewright.gguf_export import check_stored_template, check_template
from tunewright.lm_eval_results import lm_eval_numbers
from tunewright.modelfile_reading import read_modelfile
from tunewright.records import Message
from tunewright.training.hub_adapter import weights_fault

BASE = Path("models/base")
HELLO = (Message(role="user", content="Hello"),)
WORDS = {
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
    "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None, "decoder": None,
    "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
}  # fmt: skip
CLASS = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}


def tokenizer() -> None:
    """A model directory with a tokenizer that counts words; transformers is imported, which takes memory of its own."""
    import transformers

    assert transformers.AutoTokenizer
    write("models/base/tokenizer.json", json.dumps(WORDS))
    write("models/base/tokenizer_config.json", json.dumps(CLASS | {"chat_template": "{{ messages[0].content }}"}))


def render() -> str:
    return load_tokenizer(BASE).render(HELLO)


GGUF = file_way("m.gguf", lambda: tokenizer_from_gguf(Path("m.gguf"), 2048))
EXPORTED = file_way("models/gguf/tuned.gguf", lambda: check_stored_template(Path("models/gguf/tuned.gguf"), BASE, "x"))
SAFETENSORS = file_way("models/base/model.safetensors", lambda: parameter_count(BASE))
ADAPTER = file_way("adapter.safetensors", lambda: weights_fault(Path("adapter.safetensors"), 8))
TOKENIZER = file_way("models/base/tokenizer.json", render, tokenizer, "models/base")
CONFIG = file_way("models/base/tokenizer_config.json", render, tokenizer, "models/base")
TEMPLATE = file_way("models/base/chat_template.jinja", render, tokenizer, "models/base")
EXPORT_TEMPLATE = file_way(
    "t.jinja", lambda: check_template(Path("t.jinja").read_text("utf-8"), BASE), where="models/base"
)
MODELFILE = file_way("Modelfile", lambda: read_modelfile(Path("Modelfile")), lambda: write("m.gguf", b"GGUF"))


def other_side() -> None:
    write("data/lm_eval/tuned/results_1.json", json.dumps({"results": {"t": {"acc,none": 0.5}}}))


LM_EVAL = file_way("data/lm_eval/base/results_1.json", lm_eval_numbers, other_side, "data/lm_eval")


def gguf(*keys: bytes, version: int = 3, n_tensors: int = 0, n_keys: int | None = None) -> bytes:
    """The beginning of a GGUF file."""
    counts = struct.pack("<QQ", n_tensors, len(keys) if n_keys is None else n_keys)
    return b"GGUF" + struct.pack("<I", version) + counts + b"".join(keys)


def key(name: str, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", kind) + value


def text(words: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(words) if length is None else length) + words


def tensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def results(values: Any, **rest: Any) -> bytes:
    return json.dumps({"results": values} | rest).encode()


def bad_gguf(name: str, data: bytes, *says: str) -> Case:
    return Case(f"GGUF: {name}", GGUF, data, ModelSetupError, says)


def bad_weights(name: str, data: bytes, *says: str) -> Case:
    return Case(f"safetensors: {name}", SAFETENSORS, data, TrainingError, says)


def bad_adapter(name: str, data: bytes, word: str) -> Case:
    return Case(f"an adapter from a job: {name}", ADAPTER, data, gives=lambda fault: word in fault)


def bad_results(name: str, data: bytes, *says: str) -> Case:
    return Case(f"lm-eval: {name}", LM_EVAL, data, RecordError, says)


def no_task(found: Any) -> bool:
    """Nothing to compare."""
    return not found["tasks"]


def no_error_bar(found: Any) -> bool:
    """One task, whose standard error is unknown."""
    return [row["base_stderr"] for row in found["tasks"]] == [None]


def bad_modelfile(name: str, data: bytes, *says: str) -> Case:
    return Case(f"Modelfile: {name}", MODELFILE, data, ConfigError, says)


NESTED = struct.pack("<IQ", 9, 1) * 1000
SQUARE = {"lora_A": {"dtype": "F32", "shape": [8, 1], "data_offsets": [0, 32]}}

CASES = [
    bad_gguf("an empty file", b"", "b''"),
    bad_gguf("a login page", b"<!DOCTYPE html><html>Sign in", "b'<!DO'"),
    bad_gguf("a pointer of Git LFS", b"version https://git-lfs.github.com/spec/v1\n", "b'vers'"),
    bad_gguf("a pickle", b"\x80\x04\x95cposix\nsystem\n", "beginning"),
    bad_gguf("cut off after the magic", b"GGUF", "cut off"),
    bad_gguf("version 1", gguf(version=1), "version 1"),
    bad_gguf("the other byte order", b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version"),
    bad_gguf("2^60 keys", gguf(n_keys=1 << 60), "keys announced"),
    bad_gguf("2^60 tensors", gguf(n_tensors=1 << 60), "tensors"),
    bad_gguf("a text of 2^60 bytes", gguf(key("a", 8, text(b"x", 1 << 60))), "text of"),
    bad_gguf("a key's name of 2^60 bytes", gguf(text(b"a", 1 << 60) + b"\0" * 16), "text of"),
    bad_gguf("an array of 2^40 numbers", gguf(key("a", 9, struct.pack("<IQ", 0, 1 << 40))), "array of"),
    bad_gguf("arrays in arrays, 1,000 deep", gguf(key("a", 9, NESTED)), "type 9"),
    bad_gguf("a value of an unknown type", gguf(key("a", 99, b"\0" * 16)), "type 99"),
    bad_gguf("cut off after a value's type", gguf(key("ab", 4, b"")), "a value of 4 bytes"),
    bad_gguf("no vocabulary", gguf(key("tokenizer.ggml.pre", 8, text(b"smollm"))), "tokenizer.ggml.tokens"),
    bad_gguf("no pre-tokenizer", gguf(key("a", 4, b"\0" * 4)), "tokenizer.ggml.pre"),
    bad_gguf("another pre-tokenizer", gguf(key("tokenizer.ggml.pre", 8, text(b"\x1b[2Jllama"))), "smollm"),
    bad_gguf("a text that is no UTF-8", gguf(key("tokenizer.ggml.pre", 8, text(b"\xff\xfe"))), "utf-8"),
    bad_gguf("a key twice", gguf(*2 * [key("tokenizer.ggml.pre", 8, text(b"smollm"))]), "tokenizer.ggml.pre"),
    Case("GGUF, exported: no chat template", EXPORTED, gguf(key("a", 4, b"\0" * 4)), TrainingError, ("another chat",)),
    Case("GGUF, exported: cut off", EXPORTED, gguf(n_keys=3), ModelSetupError, ("cut off",)),
    bad_weights("an empty file", b""),
    bad_weights("a login page", b"<!DOCTYPE html><html>"),
    bad_weights("a header of 2^60 bytes", tensors({}, length=1 << 60)),
    bad_weights("a header that is no JSON", tensors(b"{oops")),
    bad_weights("cut off", tensors({"w": {"dtype": "F32", "shape": [1 << 20], "data_offsets": [0, 4 << 20]}})),
    bad_weights(
        "offsets that overlap",
        tensors({n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in "ab"}, b"\0" * 4),
    ),
    bad_weights("a pickle under this name", b"\x80\x04\x95\x1c\0\0\0\0\0\0\0\x8c\x05posix\x94"),
    bad_adapter("rubbish", b"rubbish", "safetensors"),
    bad_adapter("no matrix", tensors({}), "no matrix"),
    bad_adapter("NaN", tensors(SQUARE, struct.pack("<8f", *[float("nan")] * 8)), "not finite"),
    bad_adapter("another rank", tensors({"lora_A": SQUARE["lora_A"] | {"shape": [4, 2]}}, b"\0" * 32), "rank 8"),
    Case("tokenizer.json: cut off", TOKENIZER, b'{"version": "1.0", ', TrainingError, ("no readable tokenizer",)),
    Case("tokenizer.json: a list", TOKENIZER, b"[]", TrainingError, ("no readable tokenizer",)),
    Case(
        "tokenizer.json: no model",
        TOKENIZER,
        json.dumps(WORDS | {"model": None}).encode(),
        TrainingError,
        ("tokenizer",),
    ),
    Case("tokenizer_config.json: cut off", CONFIG, b'{"tokenizer_class": ', TrainingError, ("no readable tokenizer",)),
    Case(
        "tokenizer_config.json: code of its own",
        CONFIG,
        json.dumps(CLASS | {"chat_template": "x", "auto_map": {"AutoTokenizer": ["evil.Evil", None]}}).encode(),
        gives=lambda said: said == "x",
    ),
    Case(
        "tokenizer_config.json: no chat template", CONFIG, json.dumps(CLASS).encode(), TrainingError, ("without chat",)
    ),
    Case("chat template: no Jinja", TEMPLATE, b"{% for m in messages %}", TrainingError, ("cannot render",)),
    Case(
        "chat template: reaches for Python's classes",
        TEMPLATE,
        b"{{ ''.__class__.__mro__[1].__subclasses__() }}",
        TrainingError,
        ("cannot render",),
    ),
    Case(
        "chat template: opens a file", TEMPLATE, b"{{ open('/etc/passwd').read() }}", TrainingError, ("cannot render",)
    ),
    Case(
        "chat template: a loop of 10^9 rounds",
        TEMPLATE,
        b"{% for i in range(1000000000) %}{{ i }}{% endfor %}",
        TrainingError,
        ("cannot render", "OverflowError"),
    ),
    Case(
        "chat template: includes another file",
        TEMPLATE,
        b"{% include '/etc/passwd' %}",
        TrainingError,
        ("cannot render",),
    ),
    Case(
        "chat template: refuses the conversation",
        TEMPLATE,
        b"{{ raise_exception('\x1b[31mroles must alternate') }}",
        TrainingError,
        ("roles must alternate",),
    ),
    Case(
        "chat template: words in braces stay words",
        TEMPLATE,
        b"{{ '{{ 7 * 7 }}' }}",
        gives=lambda said: said == "{{ 7 * 7 }}",
    ),
    Case(
        "chat template: a generation block, for export",
        EXPORT_TEMPLATE,
        b"{%- generation %}x{% endgeneration %}",
        TrainingError,
        ("generation",),
    ),
    bad_modelfile("no FROM", b"PARAMETER seed 1\n", "FROM"),
    bad_modelfile("a file outside its folder", b"FROM ../../etc/passwd\n", "beside the Modelfile"),
    bad_modelfile("a quote that does not end", b'FROM ./m.gguf\nTEMPLATE """{{ .Prompt }}\n', "line 2"),
    bad_modelfile("a seed of words", b"FROM ./m.gguf\nPARAMETER seed many\n", "line 2"),
    bad_modelfile("NUL", b"FROM ./m.gguf\n\0\n", "'\\x00'"),
    bad_modelfile("no UTF-8", b"FROM ./m.gguf\nSYSTEM caf\xe9\n", "UTF-8"),
    bad_results("cut off", b'{"results": ', "end of the text"),
    bad_results("a list", b"[]", "found []"),
    bad_results("no results", b'{"scores": {}}', "no `results`"),
    bad_results("a task that is a number", results({"t": 5}), "t: found 5"),
    Case("lm-eval: NaN is no row", LM_EVAL, results({"t": {"acc,none": float("nan")}}), gives=no_task),
    Case(
        "lm-eval: no error bar",
        LM_EVAL,
        results({"t": {"acc,none": 1, "acc_stderr,none": float("inf")}}),
        gives=no_error_bar,
    ),
    Case("lm-eval: a number of 400 digits is no row", LM_EVAL, results({"t": {"acc,none": 10**400}}), gives=no_task),
    bad_results("other counts", results({"t": {"acc,none": 1}}, **{"n-samples": [5]}), "n-samples"),
    bad_results("nested 200,000 deep", b"[" * 200_000, "nested"),
    bad_results("5 MB of a number", b"9" * (5 * MB), "digits"),
]
