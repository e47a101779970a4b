"""K-quants through a llama-quantize on PATH; without one another format is made and told."""

from __future__ import annotations

import stat

import pytest

from tunewright import quantizing
from tunewright.errors import TrainingError
from tunewright.quantizing import Stored, store

SCRIPT = """#!/bin/sh
if [ "$3" = q6_k ]; then echo 'main: failed to quantize'; exit 3; fi
echo 'llama_model_quantize_impl: WARNING: 180 of 272 tensor(s) required fallback quantization'
printf "%s of " "$3" > "$2"; cat "$1" >> "$2"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A place without llama-quantize, and a converter that writes its format."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(quantizing, "convert", lambda folder, target, name: target.write_text(name))
    monkeypatch.setattr(quantizing, "TOOL", "llama-quantize-of-this-test")
    return tmp_path


def add_tool(folder):
    (folder / "bin").mkdir()
    tool = folder / "bin" / "llama-quantize-of-this-test"
    tool.write_text(SCRIPT)
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)


def test_the_converter_s_own_formats_need_no_tool(folder):
    assert store(folder, folder / "m.gguf", "bf16") == Stored("bf16", "bf16")
    assert (folder / "m.gguf").read_text() == "bf16"
    assert Stored("bf16", "bf16").told("base", 1) == ""


def test_without_the_tool_q8_0_is_made_and_the_terminal_is_told_size_and_command(folder):
    made = store(folder, folder / "m.gguf", "q4_k_m")
    assert made == Stored("q4_k_m", "q8_0")
    assert (folder / "m.gguf").read_text() == "q8_0"
    told = made.told("tuned", 145_000_000)
    assert "q4_k_m was asked for and q8_0 made instead, 145 MB" in told
    assert told.endswith("dvc repro -f train-export@tuned")


def test_with_the_tool_16_bits_are_quantized_and_other_formats_are_counted(folder):
    add_tool(folder)
    made = store(folder, folder / "m.gguf", "q4_k_m")
    assert made == Stored("q4_k_m", "q4_k_m", 180)
    assert (folder / "m.gguf").read_text() == "q4_k_m of auto"
    assert sorted(path.name for path in folder.iterdir()) == ["bin", "m.gguf"]
    assert made.told("tuned", 1).startswith("180 matrices are stored in a wider format than q4_k_m")


def test_a_tool_that_fails_leaves_nothing_and_its_last_line(folder):
    add_tool(folder)
    with pytest.raises(TrainingError, match=r"exit code 3.: main: failed to quantize"):
        store(folder, folder / "m.gguf", "q6_k")
    assert [path.name for path in folder.iterdir()] == ["bin"]
