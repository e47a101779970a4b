"""Which number format a GGUF file is stored in: what llama.cpp's converter writes itself, and the K-quants.

K-quants need llama.cpp's own `llama-quantize` on PATH: the weights are written in 16 bits first and then quantized.
Where it is missing the file is Q8_0, and whoever reads the terminal or the facts is told so.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tunewright.errors import TrainingError
from tunewright.gguf_export import convert

Quantization = Literal[
    "q8_0", "f16", "bf16", "f32",  # the converter's own
    "q2_k", "q3_k_s", "q3_k_m", "q3_k_l", "q4_k_s", "q4_k_m", "q5_k_s", "q5_k_m", "q6_k",
]  # fmt: skip
WRITTEN = ("q8_0", "f16", "bf16", "f32")
INSTEAD = "q8_0"
SIXTEEN_BITS = "auto"  # the converter's word for f16 or bf16, whichever loses less of the stored weights
TOOL = "llama-quantize"
BUILD = "cmake -B build && cmake --build build --target llama-quantize"  # in llama.cpp's sources
FALLBACKS = re.compile(r"(\d+) of \d+ tensor\(s\) required fallback quantization")


@dataclass(frozen=True)
class Stored:
    """How a file's weights are stored, and what was asked for."""

    asked: Quantization
    given: Quantization
    fallback_tensors: int = 0  # K-quants want rows of 256 numbers; matrices with others take another format

    def told(self, variant: str, n_bytes: int) -> str:
        """A line for the terminal; empty where there is nothing to tell."""
        if self.given != self.asked:
            return (
                f"{self.asked} was asked for and {self.given} made instead, {n_bytes / 1e6:,.0f} MB: no {TOOL} on "
                f"PATH. Build it in llama.cpp's sources ({BUILD}), put it on PATH and run: "
                f"dvc repro -f train-export@{variant}"
            )
        if self.fallback_tensors:
            return (
                f"{self.fallback_tensors} matrices are stored in a wider format than {self.given}: their rows are no "
                "multiple of 256 numbers, so that the file is larger than its name says"
            )
        return ""


def store(folder: Path, target: Path, asked: Quantization) -> Stored:
    """Write a model directory as a GGUF file; raises TrainingError when the converter or llama-quantize fails."""
    if asked in WRITTEN:
        convert(folder, target, asked)
        return Stored(asked, asked)
    tool = shutil.which(TOOL)
    if tool is None:
        convert(folder, target, INSTEAD)
        return Stored(asked, INSTEAD)
    whole = target.with_name(f"{target.stem}.16bit.tmp")
    try:
        convert(folder, whole, SIXTEEN_BITS)
        return Stored(asked, asked, quantize(tool, whole, target, asked))
    finally:
        whole.unlink(missing_ok=True)


def quantize(tool: str, whole: Path, target: Path, quantization: Quantization) -> int:
    """Run llama-quantize; returns how many matrices it stored in another format than the one asked for."""
    draft = target.with_name(target.name + ".tmp")
    command = [tool, str(whole), str(draft), quantization]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode or not draft.exists():
        draft.unlink(missing_ok=True)
        reason = (done.stdout.strip().splitlines() or ["it gave no reason"])[-1]
        raise TrainingError(f"{target}: {TOOL} failed (exit code {done.returncode}): {reason}")
    os.replace(draft, target)
    found = FALLBACKS.search(done.stdout)
    return int(found.group(1)) if found else 0
