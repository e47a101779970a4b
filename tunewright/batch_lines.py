"""The lines of a batch: requests as a provider's Batch API takes them, and what it answered to each.

The form is OpenAI's, which the providers in `batches.SUPPORTED` share: JSON Lines, a request per line under an id of
ours, which is its key in the reply cache. Replies come in a file of their own, refused requests in another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from tunewright.faults import Fault, error_words, http_fault, malformed, one_line
from tunewright.models import Reply
from tunewright.transport import read_reply

ENDPOINT = "/v1/chat/completions"
Results = dict[str, Reply | Fault]  # by key
T = TypeVar("T")


def request_line(key: str, body: dict[str, Any]) -> bytes:
    """One request of a batch's file."""
    line = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def chunks(items: Sequence[tuple[T, bytes]], max_items: int, max_bytes: int) -> Iterator[list[tuple[T, bytes]]]:
    """The items in order, in as few lists as these bounds allow; one that is too large alone is a list of its own."""
    chunk, size = [], 0
    for item in items:
        if chunk and (len(chunk) == max_items or size + len(item[1]) > max_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += len(item[1])
    if chunk:
        yield chunk


def read_results(text: str, secrets: Sequence[str]) -> Results:
    """What a file of results holds: a reply or a fault for every line that says whose it is."""
    found: Results = {}
    for line in filter(str.strip, text.split("\n")):
        try:
            value = json.loads(line)
            key = str(value["custom_id"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # whosoever it is finds no result, and is asked again
        try:
            found[key] = _read(value, secrets)
        except Fault as fault:
            found[key] = fault
    return found


def _read(value: dict[str, Any], secrets: Sequence[str]) -> Reply:
    """A line's reply; raises its fault."""
    response = value.get("response")
    response = response if isinstance(response, dict) else {}
    status = response.get("status_code")
    body = json.dumps(response.get("body"))
    if status == 200:
        return read_reply(body, secrets)
    if isinstance(status, int):
        raise http_fault(status, error_words(body), {}, secrets)
    if value.get("error"):  # it was never tried: the batch expired or was cancelled before
        raise Fault(one_line(error_words(json.dumps(value)), secrets), may_pass=True)
    raise malformed(f"the result holds neither a response nor an error: {json.dumps(value)}", secrets)
