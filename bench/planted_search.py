"""Planted keys, and the search for them in everything that a run wrote: every file, and what files hold in other forms.

A key is looked for whole and by each of its halves, as UTF-8 and UTF-16, in Base64 at its three alignments, in
hexadecimal and percent-encoded; in what git and gzip compressed, and in every value of every SQLite database besides its
pages, which can cut a long value in two.
"""

from __future__ import annotations

import base64
import gzip
import re
import secrets
import sqlite3
import subprocess
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

KEYS = {  # variable: how a provider's keys begin, and how many characters follow
    "OPENAI_API_KEY": ("sk-proj-", 48),
    "ANTHROPIC_API_KEY": ("sk-ant-api03-", 48),
    "GEMINI_API_KEY": ("AIza", 35),
    "MODEL_KEY_A": ("vllm-a-", 40),
    "MODEL_KEY_B": ("vllm-b-", 40),
    "MISTRAL_API_KEY": ("", 32),
    "DEEPSEEK_API_KEY": ("sk-", 32),
    "GROQ_API_KEY": ("gsk_", 52),
    "OPENROUTER_API_KEY": ("sk-or-v1-", 64),
    "AZURE_API_KEY": ("", 64),
    "HF_TOKEN": ("hf_", 34),
    "AWS_SECRET_ACCESS_KEY": ("", 40),
    "LABEL_STUDIO_API_KEY": ("", 40),
}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
BLOCK = 1 << 24
SQLITE, GZIP, ZIP = b"SQLite format 3\0", b"\x1f\x8b", b"PK\x03\x04"


def planted() -> dict[str, str]:
    """A new random key for every variable."""
    return {name: begin + "".join(secrets.choice(ALPHABET) for _ in range(n)) for name, (begin, n) in KEYS.items()}


@dataclass(frozen=True)
class Trace:
    """A key, or half of one, somewhere."""

    name: str
    form: str
    place: str

    def __str__(self) -> str:
        return f"{self.place}: {self.name} ({self.form})"


class Needles:
    """All forms of all keys as one pattern over bytes."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._of: dict[bytes, tuple[str, str]] = {}
        for name, key in keys.items():
            for form, needle in forms(key):
                self._of.setdefault(needle, (name, form))
        longest_first = sorted(self._of, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first)))
        self._overlap = len(longest_first[0])

    def in_bytes(self, data: bytes, place: str) -> set[Trace]:
        """What a piece of data holds."""
        return {Trace(*self._of[found.group()], place) for found in self._pattern.finditer(data)}

    def in_file(self, path: Path, place: str) -> set[Trace]:
        """What a file holds, in blocks that overlap, and what it holds inside."""
        found, before = set[Trace](), b""
        with path.open("rb") as file:
            head = file.read(16)
            file.seek(0)
            while block := file.read(BLOCK):
                found |= self.in_bytes(before + block, place)
                before = block[-self._overlap :]
        for inner in inside(path, head):
            found |= self.in_bytes(inner, f"{place} (inside)")
        return found


def forms(key: str) -> Iterator[tuple[str, bytes]]:
    """What a key can look like, by the name of the form."""
    half = len(key) // 2
    for part, text in (("whole", key), ("first half", key[:half]), ("second half", key[half:])):
        yield part, text.encode()
        yield f"{part}, UTF-16", text.encode("utf-16-le")
        yield f"{part}, UTF-16 big-endian", text.encode("utf-16-be")
        yield f"{part}, hexadecimal", text.encode().hex().encode()
        yield f"{part}, percent-encoded", quote(text, safe="").encode()
    for shift in range(3):  # what does not depend on the bytes around it
        coded = base64.b64encode(b"\0" * shift + key.encode())
        yield "whole, Base64", coded[4 if shift else 0 : len(coded) - 4]


def inside(path: Path, head: bytes) -> Iterator[bytes]:
    """What a file holds in another form: values of a database, what is compressed."""
    if head == SQLITE:
        yield from values(path)
    elif head.startswith(GZIP):
        yield gzip.decompress(path.read_bytes())
    elif head.startswith(ZIP):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif "objects" in path.parts and head[:1] == b"x":  # a loose object of git
        yield zlib.decompress(path.read_bytes())


def values(path: Path) -> Iterator[bytes]:
    """Every row of every table of a database, as text."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in db.execute(f'SELECT * FROM "{table}"'):
                yield "\n".join(v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in row).encode()


def in_git(repository: Path, needles: Needles) -> tuple[int, set[Trace]]:
    """How many objects git has, packed ones too, and what they hold."""
    command = ["git", "-C", str(repository), "cat-file", "--batch-all-objects", "--batch"]
    said = subprocess.run(command, capture_output=True, check=True).stdout
    return len(re.findall(rb"(?m)^[0-9a-f]{40} (?:blob|tree|commit|tag) \d+$", said)), needles.in_bytes(said, "git")
