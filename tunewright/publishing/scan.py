"""The search through everything that would be uploaded: secrets, personal data, paths of this machine, forgotten ids.

Text files are read whole, JSON Lines record by record with every string decoded; in other texts the escapes of JSON and
YAML are read as what they stand for, since the n of \\n before a key would hide its beginning. Secrets are looked for
without zero bytes too, which stand between the letters of UTF-16. Of a binary file (weights, pictures) only the first
256 KiB and the headers of safetensors and GGUF, where their metadata are. Personal data are not
looked for among weights, in lock files, whose versions look like addresses, and in the base model's vocabulary. The
same message stands in several slices of a conversation and is looked at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tunewright.forgotten import Forgotten
from tunewright.gguf_reading import MAGIC, header_bytes
from tunewright.personal_data import find_personal_data, mask
from tunewright.publishing.parcel import Upload
from tunewright.publishing.secret_patterns import find_secrets

HEAD_BYTES = 256 * 1024
HEADER_BYTES_MAX = 100_000_000  # of safetensors, by its own definition; vocabularies in GGUF take a tenth
ID_FIELDS = ("id", "transcript_id", "persona_id")
HOME = re.compile(r"(?<![\w.])(?:/(?:home|Users)/|[A-Za-z]:\\+Users\\+)[\w.-]+|(?<![\w.])/(?:root)/[\w.-]+")
Sort = Literal["secret", "personal data", "path of this machine", "forgotten"]
ESCAPE = re.compile(r"\\(?:([\\nrtbf/\"])|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")  # of a JSON or YAML string
MEANT = {"/": "/", '"': '"', "\\": r"\\"}  # by the letter of an escape; all others are white space
OF_NOBODY = re.compile(r"\.lock$|^(?:tokenizer[^/]*|vocab\.json|merges\.txt)$")
SECRET: Sort = "secret"
PERSONAL: Sort = "personal data"
PLACE: Sort = "path of this machine"


@dataclass(frozen=True)
class Finding:
    """Something in a file, in a line (from 1), in a conversation where it is in one; the value never whole."""

    sort: Sort
    kind: str
    masked: str
    path: str
    line: int
    conversation: str | None

    def __str__(self) -> str:
        where = f"{self.path}, line {self.line}" + (f", conversation {self.conversation}" if self.conversation else "")
        return f"{where}: {self.kind} {self.masked}"


@dataclass(frozen=True)
class Search:
    """What is looked for beside the known patterns."""

    own: Mapping[str, str]  # secrets of this machine, by variable
    public: Sequence[str]  # contacts that are nobody's in particular
    forgotten: Forgotten
    folders: Sequence[str]  # of this machine: its home, the project

    def of_text(self, text: str) -> Iterator[tuple[Sort, str, str]]:
        """All that is in a text: sort, kind and masked value."""
        for secret in find_secrets(text, self.own):
            yield SECRET, secret.kind, secret.masked
        for datum in find_personal_data(text, self.public):
            yield "personal data", datum.kind, datum.masked
        for path in HOME.finditer(text):
            yield PLACE, "home folder", mask(path.group())
        for folder in self.folders:
            if folder in text:
                yield PLACE, "folder of this machine", mask(folder)

    def of_line(self, line: str) -> Iterator[tuple[Sort, str, str]]:
        """All in a line of a text file, its escapes read; paths as written too, for a Windows one looks like some."""
        plain = unescaped(line)
        yield from self.of_text(plain)
        if plain != line:
            yield from (hit for hit in self.of_text(line) if hit[0] == PLACE)
        if "\0" in line:
            for secret in find_secrets(line.replace("\0", ""), self.own):
                yield SECRET, secret.kind, secret.masked

    def of_ids(self, record: Mapping[str, Any]) -> Iterator[tuple[Sort, str, str]]:
        """Ids of a record that were forgotten."""
        for field in ID_FIELDS:
            if str(record.get(field)) in self.forgotten:
                yield "forgotten", f"{field} that was forgotten", str(record[field])


def unescaped(text: str) -> str:
    """A text with the escapes of JSON and YAML strings as what they stand for; an escaped backslash stays as it is."""
    if "\\" not in text:
        return text
    return ESCAPE.sub(lambda m: MEANT.get(m[1], " ") if m[1] else chr(int(m[2] or m[3], 16)), text)


def machine_folders() -> list[str]:
    """The home and the working directory, where they are long enough to be nothing else."""
    return [str(folder) for folder in (Path.home(), Path.cwd()) if len(folder.parts) > 2]


def scan(uploads: Iterable[Upload], search: Search) -> list[Finding]:
    """All findings in all files, each once, in the order of the files."""
    found = dict[Finding, None]()
    seen: set[str] = set()
    for upload in uploads:
        found.update(dict.fromkeys(_in_file(upload, search, seen)))
    return list(found)


def _in_file(upload: Upload, search: Search, seen: set[str]) -> Iterator[Finding]:
    of_people = upload.is_text and not OF_NOBODY.search(upload.path)
    lines = upload.lines() if upload.is_text else [metadata(upload).decode("latin-1")]
    for number, line in enumerate(lines, 1):
        record = _record(line) if upload.path.endswith(".jsonl") else None
        if record is not None:
            yield from _in_record(upload.origin, number, record, search, seen)
        else:
            hits = (hit for hit in search.of_line(line) if of_people or hit[0] != PERSONAL)
            yield from (Finding(*hit, upload.origin, number, None) for hit in hits)


def metadata(upload: Upload) -> bytes:
    """The beginning of a binary file; of safetensors and GGUF the whole header."""
    head = upload.head(8)
    header = 8 + int.from_bytes(head, "little") if upload.path.endswith(".safetensors") else 0
    if head.startswith(MAGIC) and isinstance(upload.source, Path):
        header = header_bytes(upload.source)
    return upload.head(max(HEAD_BYTES, min(header, HEADER_BYTES_MAX)))


def _record(line: str) -> dict[str, Any] | None:
    """The record of a line; None for a line that holds none, which is then searched as text."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _in_record(path: str, number: int, record: dict[str, Any], search: Search, seen: set[str]) -> Iterator[Finding]:
    conversation = record.get("transcript_id") or record.get("id")
    yield from (Finding(*hit, path, number, conversation) for hit in search.of_ids(record))
    for text in texts_of(record):
        if text not in seen:
            seen.add(text)
            yield from (Finding(*hit, path, number, conversation) for hit in search.of_text(text))


def texts_of(value: Any) -> Iterator[str]:
    """Every string inside a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)
