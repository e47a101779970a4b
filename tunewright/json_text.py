"""JSON that anybody may have written: one way to read it, and one way to say what is wrong with it.

Beside text that is no JSON there is text that Python's reader gives up on (nesting as deep as its stack, numbers of
thousands of digits), and bytes that are no text. All become one kind of fault, with the place in words.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NoReturn

FOUND_CHARS = 80  # of a value that a message shows
# An escaped half of a character (a lone surrogate), which UTF-8 cannot hold; whole ones and backslashes are group 1.
HALF = re.compile(r"(\\\\|\\ud[89ab]..\\ud[c-f]..)|\\ud[89a-f]..", re.IGNORECASE)
BOM, UTF_16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


class JsonFault(ValueError):
    """A text is no JSON value; says where in it, and what was found there."""


def json_value(raw: bytes | str, **options: Any) -> Any:
    """The value of a JSON text; `options` are those of json.loads. Raises JsonFault.

    A byte order mark before bytes is passed over. NaN and Infinity, which are no JSON, are refused.
    """
    text = raw if isinstance(raw, str) else _decoded(raw)
    try:
        return json.loads(text, **{"parse_constant": no_constant, **options})
    except (ValueError, RecursionError) as error:
        raise JsonFault(fault_words(error, text)) from None


def said_value(text: str, **options: Any) -> Any:
    """The value of a JSON text that a model wrote, which may break a character off; raises JsonFault.

    It speaks in Python's own words where Python has some: a model is told them, and what it is told is in a cache key.
    """
    whole = HALF.sub(lambda found: found[1] or "\\ufffd", text)
    try:
        return json.loads(whole, **{"parse_constant": no_constant, **options})
    except json.JSONDecodeError as error:
        raise JsonFault(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise JsonFault(fault_words(error, whole)) from None


def fault_words(error: Exception, text: str) -> str:
    """What Python's reader of JSON says of a text, in words: the place, and what was found there."""
    if isinstance(error, RecursionError):
        return "found brackets nested deeper than any record has them"
    if not isinstance(error, json.JSONDecodeError):  # NaN, a key twice, an integer of too many digits
        return f"found {str(error).partition(';')[0]}"
    found = briefly(text[error.pos : error.pos + 30]) if error.pos < len(text) else "the end of the text"
    what = (error.msg[:1].lower() + error.msg[1:]).removesuffix(" at")  # "Unterminated string starting at"
    return f"{what} at line {error.lineno}, character {error.colno}: found {found}"


def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object without a key that is given twice: as `object_pairs_hook` it makes a fault of one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(key for key, _ in pairs)
        raise ValueError(f"the key {briefly(next(key for key, n in times.items() if n > 1))} twice in one object")
    return found


def no_constant(name: str) -> NoReturn:
    """As `parse_constant` makes a fault of NaN and Infinity."""
    raise ValueError(f"{name}, which is no JSON number")


def encoding_fault(raw: bytes) -> str:
    """What is wrong with bytes that should be UTF-8 text, in words; "" where nothing is."""
    if raw.startswith(UTF_16):
        return "found UTF-16 text"
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return f"found the byte {raw[error.start]:#04x} (line {line}, byte {error.start + 1}), which is no UTF-8"
    return ""


def briefly(value: object) -> str:
    """A value as a message shows it: the beginning of it, however long it is."""
    if isinstance(value, bytes):
        value = value[: 4 * FOUND_CHARS].decode("utf-8", "replace")
    text = repr(value[:FOUND_CHARS]) if isinstance(value, str) else repr(value)
    more = len(text) > FOUND_CHARS + 2 or (isinstance(value, str) and len(value) > FOUND_CHARS)
    return text[: FOUND_CHARS + 2] + "..." * more


def _decoded(raw: bytes) -> str:
    if wrong := encoding_fault(raw):
        raise JsonFault(wrong)
    return raw.removeprefix(BOM).decode()
