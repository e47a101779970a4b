"""Text files that people write - configuration, design, prompts, briefs - read whole or refused with a clear error.

A file is UTF-8 (a byte order mark is no part of its text), of a bounded size, and holds no control characters: those
come from damaged files and from attempts to hide something, and neither a model nor a terminal should get them.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from tunewright.errors import ConfigError, TunewrightError

MAX_BYTES = 16 * 1024 * 1024  # the largest file of the shipped design has a hundredth of that
CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")  # tabs, line ends and form feeds are text
WIDE = (b"\xff\xfe", b"\xfe\xff")  # how UTF-16 begins
AGAIN = "and run the same command again"


def read_text(
    path: str | Path,
    missing: str = "",
    error: type[TunewrightError] = ConfigError,
    absent: type[TunewrightError] | None = None,
) -> str:
    """A text file's text, line ends as newlines.

    Raises `error` for a path that is no readable text file; where there is none, `absent` (`error` if not given), whose
    message says what was expected and how to make it: `missing`.
    """
    try:
        raw = _bytes_of(Path(path))
    except FileNotFoundError:
        hint = missing or f"expected a text file; restore it with: git checkout -- {path}"
        raise (absent or error)(f"{path}: no such file; {hint}") from None
    except (OSError, ValueError) as fault:  # ValueError: a NUL character in the path
        why = getattr(fault, "strerror", None) or str(fault)
        raise error(
            f"{str(path)[:200]!r}: cannot be read: found {why!r}, expected a text file; "
            "mend its path or its rights and run the same command again"
        ) from None
    if len(raw) > MAX_BYTES:
        raise error(
            f"{path}: found more than {MAX_BYTES:,} bytes, expected a text that a person can read; take out what does "
            f"not belong there {AGAIN}"
        )
    return _decoded(raw, path, error)


def _bytes_of(path: Path) -> bytes:
    """At most one byte more than MAX_BYTES of a regular file; a device or a pipe would not end, or not begin."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise OSError(None, "a folder" if stat.S_ISDIR(mode) else "a device or pipe")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _decoded(raw: bytes, path: str | Path, error: type[TunewrightError]) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line, found = raw.count(b"\n", 0, fault.start) + 1, f"byte 0x{raw[fault.start]:02x} in line"
        found = "UTF-16" if raw.startswith(WIDE) else f"{found} {line}"
        raise error(f"{path}: not UTF-8 text: found {found}, expected UTF-8; save it as UTF-8 {AGAIN}") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if control := CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise error(
            f"{path}, line {line}: found the control character U+{ord(control[0]):04X}, expected text; take it "
            f"out {AGAIN}"
        )
    return text
