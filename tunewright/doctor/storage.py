"""Room on the disk, and the cache of model replies."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tunewright.base_models import BaseModelConfig
from tunewright.cache import RESCUE
from tunewright.config import Config, load
from tunewright.doctor.finding import Finding
from tunewright.locations import cache_dir

Dtype = Literal["float32", "bfloat16", "float16"]
GIB = 1024**3
BYTES_PER_WEIGHT: dict[Dtype, int] = {"float32": 4, "bfloat16": 2, "float16": 2}
Q8_0_BYTES = 34 / 32  # a block of 32 weights: 32 bytes and a scale of two (llama.cpp, ggml-common.h)


class Merging(Config):
    """The params section train.merge."""

    dtype: Dtype


def model_bytes(parameters: int, merge_dtype: Dtype) -> float:
    """What models/ takes: the base in 16 bits, the merged model, two GGUF files; and as much again in DVC's cache."""
    each = BYTES_PER_WEIGHT["bfloat16"] + BYTES_PER_WEIGHT[merge_dtype] + 2 * Q8_0_BYTES
    return 2 * parameters * each


ELSEWHERE = "set TUNEWRIGHT_CACHE to a folder that can be written"


def room() -> Iterator[Finding]:
    """Free space where models are written against what they will take."""
    base = load("base_model", BaseModelConfig)
    need = model_bytes(base.parameters, load("train.merge", Merging).dtype)
    free = shutil.disk_usage(Path.cwd()).free
    found = (
        f"{free / GIB:.1f} GiB free here; models of {base.title} take about {need / GIB:.1f} GiB, DVC's copies counted"
    )
    if free < need:
        yield Finding("disk", "fault", found, "free space, or put DVC's cache elsewhere: dvc cache dir FOLDER")
    else:
        yield Finding("disk", "ok", found)


def replies() -> Iterator[Finding]:
    """Whether the cache of replies can be written, and whether its database is whole."""
    folder = cache_dir()
    if not os.access(folder, os.W_OK):
        found = f"{folder} is read-only: what it holds is used, and no new call can be stored"
        yield Finding("cache", "note", found, ELSEWHERE)
        return
    path = folder / "replies.sqlite"
    if not path.exists():
        yield Finding("cache", "ok", f"{folder} is empty")
        return
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            [(verdict,), *_] = database.execute("PRAGMA quick_check(1)")
            [(count,)] = database.execute("SELECT count(*) FROM replies")
    except sqlite3.Error as error:
        verdict, count = str(error), 0
    if verdict != "ok":
        yield Finding("cache", "fault", f"{path}: {verdict}", RESCUE.format(path=path))
    else:
        yield Finding("cache", "ok", f"{count} replies, {path.stat().st_size / 1e6:.0f} MB in {folder}")
