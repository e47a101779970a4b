"""Conversations in JSON values: OpenAI messages, ShareGPT, and the `messages` columns of Hugging Face datasets.

A file is JSON Lines, one JSON array, one JSON object, or parquet. What is no JSON in one line of JSON Lines is that
row's fault alone; in an array nothing after it can be found, so the file is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewright.errors import MissingInputError, RecordError
from tunewright.importing.rows import (
    ImportConfig,
    Rejected,
    Row,
    RowFault,
    Turn,
    field_names,
    first_named,
    rejected,
    speaker_of,
)
from tunewright.json_text import JsonFault, briefly, fault_words, json_value, once

SPACE = " \t\r\n"
TEXT_PARTS = ("text", "input_text", "output_text")


@dataclass(frozen=True)
class Shape:
    """Where a format keeps its turns, and in each turn the speaker and the text."""

    lists: tuple[str, ...]
    speaker: str
    text: str


SHAPES = {
    "openai": Shape(("messages",), "role", "content"),
    "sharegpt": Shape(("conversations", "conversation"), "from", "value"),
    "messages": Shape(("messages", "conversation", "conversations"), "role", "content"),
}


@dataclass(frozen=True)
class Value:
    """One JSON value and its place, or what is wrong with it."""

    line: int
    raw: str
    value: Any = None
    fault: RowFault | None = None


def json_values(text: str, path: Path) -> Iterator[Value]:
    """All values of a JSON Lines, array or single-object file."""
    if text.lstrip(SPACE).startswith("["):
        yield from _array(text, path)
    elif (whole := _single_object(text)) is not None:
        yield whole
    else:
        yield from _lines(text)


def _lines(text: str) -> Iterator[Value]:
    for number, raw in enumerate(text.split("\n"), 1):  # not splitlines: U+2028 ends no line of JSON
        raw = raw.strip(SPACE)
        if not raw:
            continue
        try:
            yield Value(number, raw, json_value(raw, object_pairs_hook=once, parse_constant=float))
        except JsonFault as fault:
            yield Value(number, raw, fault=RowFault("not JSON", _of_one_line(str(fault))))


def _of_one_line(fault: str) -> str:
    """What is wrong with a line, without its own count of lines."""
    return fault.replace("at line 1, character", "at character")


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder()  # as lenient as Python's, so that a fault costs its own row


def _strict(line: int, text: str, value: Any) -> Value:
    try:
        json_value(text, object_pairs_hook=once, parse_constant=float)
    except JsonFault as fault:
        return Value(line, text, fault=RowFault("not JSON", _of_one_line(str(fault))))
    return Value(line, text, value)


def _single_object(text: str) -> Value | None:
    """An object over several lines; None when the first line is a value of its own, or the text is no object."""
    start = len(text) - len(text.lstrip(SPACE))
    try:
        found, end = _decoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    if "\n" not in text[start:end] or text[end:].strip(SPACE):
        return None
    return _strict(text.count("\n", 0, start) + 1, text[start:end], found)


def _array(text: str, path: Path) -> Iterator[Value]:
    decoder, at, line = _decoder(), text.index("[") + 1, 1 + text.count("\n", 0, text.index("["))
    separator = False
    while True:
        start = at
        while at < len(text) and text[at] in SPACE:
            at += 1
        line += text.count("\n", start, at)
        mark = text[at : at + 1]
        if mark == "]":
            if rest := text[at + 1 :].strip(SPACE):
                raise _broken(path, line, f"found {briefly(rest)} after the end of the array")
            return
        if separator:
            if mark != ",":
                raise _broken(path, line, f"found {mark or 'the end of the file'!r}, expected a comma or ]")
            at, separator = at + 1, False
            continue
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise _broken(path, line, fault_words(error, text)) from None
        yield _strict(line, text[at:end], value)
        line += text.count("\n", at, end)
        at, separator = end, True


def _broken(path: Path, line: int, what: str) -> RecordError:
    return RecordError(
        f"{path}, line {line}: the JSON array cannot be read on from here ({what}), expected values with commas "
        "between; mend it, or save the rows as JSON Lines, where a bad row costs no other, and import again"
    )


def parquet_values(path: Path) -> Iterator[Value]:
    """The rows of a parquet file; their numbers stand for lines."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise MissingInputError(
            f"{path}: found parquet, expected pyarrow to read it with; install it with: pip install -e '.[parquet]'"
        ) from None
    number = 0
    try:
        for batch in ParquetFile(path).iter_batches():
            for value in batch.to_pylist():
                number += 1
                yield Value(number, json.dumps(value, ensure_ascii=False, default=str), value)
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        raise RecordError(
            f"{path}: found what cannot be read as parquet after row {number} ({briefly(str(error))}), expected a "
            "whole parquet file; save or copy it again"
        ) from None


def rows_of(values: Iterator[Value], shape: Shape, config: ImportConfig) -> Iterator[Row | Rejected]:
    """Each value as a row, or why not."""
    for one in values:
        try:
            if one.fault:
                raise one.fault
            yield _row(one, shape, config)
        except RowFault as fault:
            yield rejected(one.line, one.raw, fault)


def _row(one: Value, shape: Shape, config: ImportConfig) -> Row:
    value = one.value
    if not isinstance(value, dict):
        raise RowFault("shape", f"found {_kind(value)}, expected an object with {' or '.join(shape.lists)}")
    messages = next((value[name] for name in shape.lists if value.get(name) is not None), None)
    if not isinstance(messages, list):
        found = field_names(value) or "no field"
        raise RowFault("shape", f"found {found}; expected a list in {' or '.join(shape.lists)}")
    turns = tuple(_turn(m, f"message {n}", shape, config) for n, m in enumerate(messages, 1))
    names = (first_named(value, config.fields.conversation), first_named(value, config.fields.user))
    return Row(one.line, one.raw, turns, *names)


def _turn(message: Any, where: str, shape: Shape, config: ImportConfig) -> Turn:
    if not isinstance(message, dict) or shape.speaker not in message:
        found = field_names(message) if isinstance(message, dict) else _kind(message)
        raise RowFault("shape", f"{where} has {found or 'nothing'}; expected {shape.speaker} and {shape.text}")
    if message.get("tool_calls") or message.get("function_call"):
        raise RowFault("tool call", f"{where} calls a tool; only conversations in words are taken")
    speaker = speaker_of(message[shape.speaker], where, config.speakers)
    return Turn(speaker, _text(message.get(shape.text), where))


def _text(content: Any, where: str) -> str:
    """A message's words; none for null. Parts of a list are joined as they stand."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise RowFault("shape", f"{where}: its text is {_kind(content)}, expected text or a list of text parts")
    return "".join(_part(part, where) for part in content)


def _part(part: Any, where: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else _kind(part)
    if kind not in TEXT_PARTS or not isinstance(part.get("text"), str):
        raise RowFault("not text", f"{where} has a part of type {briefly(kind)}; only text parts are taken")
    return part["text"]


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__
