"""What goes into one repository of the Hub: files from disk or made here, each under its path there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

CARD, EVALUATION = "README.md", "evaluation/"
PROBE_BYTES = 8192  # a file with a zero byte in its beginning is no text
TEXTS = (".md", ".json", ".jsonl", ".yaml", ".lock", ".jinja", ".txt")  # whatever bytes a model put into them
Kind = Literal["dataset", "model"]
Part = Literal["dataset", "adapter", "merged", "gguf"]
Files = Mapping[str, int]  # bytes by path in a repository
PARTS: tuple[Part, ...] = ("dataset", "adapter", "merged", "gguf")
OWN_PATHS: dict[Part, tuple[str, ...]] = {  # what is a part's in its repository, whatever version put it there
    "dataset": ("data/*", "pipeline/*"),
    "adapter": ("adapter/*",),
    "merged": ("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer*")
    + ("chat_template.jinja", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt"),
    "gguf": ("*.gguf", "Modelfile*"),
}


@dataclass(frozen=True)
class Upload:
    """One file: its path in the repository, where its bytes are, and whether each line is a record."""

    path: str
    source: Path | bytes

    @property
    def n_bytes(self) -> int:
        """Its size."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    @property
    def is_text(self) -> bool:
        """Whether it is to be searched as text: by its name, or without a zero byte in its beginning."""
        return self.path.endswith(TEXTS) or b"\0" not in self.head(PROBE_BYTES)

    def head(self, n: int) -> bytes:
        """Its first bytes."""
        if isinstance(self.source, bytes):
            return self.source[:n]
        with self.source.open("rb") as file:
            return file.read(n)

    def lines(self) -> Sequence[str]:
        """A text file's lines; what is no UTF-8 is shown as U+FFFD."""
        data = self.source if isinstance(self.source, bytes) else self.source.read_bytes()
        return data.decode("utf-8", "replace").split("\n")

    @property
    def origin(self) -> str:
        """Where to look for what is found in it: the file on disk, else the path in the repository."""
        return str(self.source) if isinstance(self.source, Path) else self.path


@dataclass(frozen=True)
class Parcel:
    """The files for one repository, without its card."""

    kind: Kind
    repo: str  # its name, without a namespace
    parts: tuple[Part, ...]
    uploads: tuple[Upload, ...]

    @property
    def files(self) -> Files:
        """Bytes by path."""
        return {upload.path: upload.n_bytes for upload in self.uploads}

    def replaces(self, path: str) -> bool:
        """Whether a path of the repository is this parcel's to put or to take away."""
        return part_of(path) in self.parts or (self.kind == "model" and path.startswith(EVALUATION))


def part_of(path: str) -> Part | None:
    """Which part a path of a repository belongs to; None for what is not ours (or is in every one, as the card is)."""
    at_root = "/" not in path
    for part, patterns in OWN_PATHS.items():
        if any(fnmatchcase(path, p) and ("/" in p or at_root) for p in patterns):
            return part
    return None


def parts_of(paths: Iterable[str]) -> set[Part]:
    """The parts that some files of a repository make up."""
    return {part for part in map(part_of, paths) if part}


def json_file(path: str, value: object) -> Upload:
    """A file of one JSON value, made here."""
    return Upload(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
