"""What goes wrong with one request to a provider, in one form whatever carried it, and what that means.

A transport raises a Fault. Whether trying again can help, and whether the fault is this request's alone or every
request's, is decided here and nowhere else.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from tunewright.errors import ModelAuthError, ModelSetupError
from tunewright.items import ItemFailure, OutageError
from tunewright.keys import hide
from tunewright.plain import plain

PASSING = (408, 409, 425, 429)  # besides 5xx: the same request can succeed later
LONGEST_WAIT_S = 600.0  # a provider that asks for more is out of quota: better to stop than to sit there
WORDS_KEPT = 300
ASKING = ("user", "system", "developer", "tool", "function")  # the roles of those who write no reply
TOO_LONG = re.compile(r"context_length|context (length|size|window)|prompt is too long", re.IGNORECASE)


@dataclass
class Fault(Exception):
    """One failed try. `status` is None where there was no HTTP answer, or one with status 200 and no reply in it."""

    words: str
    status: int | None = None
    retry_after_s: float | None = None
    may_pass: bool = False

    def __str__(self) -> str:
        return self.words

    @property
    def is_refusal(self) -> bool:
        """Whether it says that too much is asked of the provider at once (429), and waiting helps."""
        return self.status == 429 and self.may_pass

    @property
    def is_about_key(self) -> bool:
        """Whether the provider does not take the key."""
        return self.status in (401, 403)


def http_fault(status: int, words: str, headers: Mapping[str, str], secrets: Sequence[str]) -> Fault:
    """The fault that an HTTP status tells of; no secret is in its words, though some providers repeat the key."""
    told, wait_s = one_line(words, secrets), retry_after_s(headers)
    for_good = "insufficient_quota" in told or "request too large" in told.lower()  # OpenAI gives both as 429
    for_good = for_good or (status == 500 and bool(TOO_LONG.search(told)))  # some servers give it as 500
    patient = wait_s is None or wait_s <= LONGEST_WAIT_S
    return Fault(told, status, wait_s, patient and not for_good and (status in PASSING or status >= 500))


def fault_in_body(body: str, secrets: Sequence[str]) -> Fault:
    """A body with status 200 and no reply in it; one that names an HTTP status counts as that (OpenRouter)."""
    try:
        code = json.loads(body)["error"]["code"]
    except (KeyError, TypeError, ValueError, RecursionError):
        code = None
    return told_with_200(error_words(body), code, secrets)


def told_with_200(words: str, code: object, secrets: Sequence[str]) -> Fault:
    """The fault that an error inside a response with status 200 tells of; its code may be an HTTP status or a word."""
    named = re.fullmatch("[45][0-9][0-9]", str(code))
    if named or TOO_LONG.search(words):
        return http_fault(int(str(code)) if named else 400, words, {}, secrets)
    return malformed(f"the response holds no reply: {words}", secrets)


def refuse_role(role: str | None, secrets: Sequence[str]) -> None:
    """Raise the fault of a message that no model wrote: some proxies give the request back."""
    if role in ASKING:
        raise malformed(f"the message in the response has the role {role}", secrets)


def malformed(words: str, secrets: Sequence[str]) -> Fault:
    """A response that holds no reply: an error body behind a proxy, half of one, a login page. Tried again."""
    return Fault(one_line(words, secrets), may_pass=True)


def one_line(words: str, secrets: Sequence[str]) -> str:
    """A provider's own words on one line, cut, with every secret taken out and nothing that steers a terminal."""
    return plain(hide(" ".join(words.split()), secrets))[:WORDS_KEPT]


def error_words(body: str) -> str:
    """What an error body says: the message, in the forms of OpenAI, vLLM, llama.cpp and FastAPI, else the text."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return body
    for _ in range(2):  # {"error": {"message": ...}}, {"error": "..."}, {"message": ...}, {"detail": ...}
        if not isinstance(value, dict):
            break
        code = value.get("code") if value.get("code") == "insufficient_quota" else None
        found = value.get("error") or value.get("message") or value.get("detail")
        value = f"{found} ({code})" if code else found or value
    return value if isinstance(value, str) else json.dumps(value)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks to wait (a number or an HTTP date); None where it asks nothing readable.

    A date is compared with the provider's own `Date`, where it sends one: this machine's clock may be wrong, or be set
    while a run goes on.
    """
    named = headers.get("retry-after")
    if named is None:
        return None
    try:
        return max(0.0, float(named))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(named).timestamp()
    except (TypeError, ValueError):
        return None
    try:
        now = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        now = time.time()
    return max(0.0, until - now)


def final(fault: Fault, model: str, key_names: Sequence[str], tries: int) -> Exception:
    """What a fault that was not mended means: the key, the account or the model (every request), or this item alone."""
    words = fault.words
    if fault.is_about_key:
        where = f" in {', '.join(f'${name}' for name in key_names)}" if key_names else ""
        return ModelAuthError(
            f"{model}: the provider refused the key{where} ({words}); "
            "set a valid one and run again: finished calls are in the cache"
        )
    if fault.status == 402 or (fault.status == 429 and "insufficient_quota" in words):
        return ModelSetupError(f"{model}: the provider wants payment ({words}); finished calls are in the cache")
    if fault.status == 404:
        return ModelSetupError(f"{model}: the provider knows no such model ({words}); edit conf/llm/")
    if fault.retry_after_s is not None and fault.retry_after_s > LONGEST_WAIT_S:
        return ModelSetupError(
            f"{model}: the provider asks to wait {fault.retry_after_s / 60:.0f} minutes ({words}); "
            "run again then: finished calls are in the cache"
        )
    if fault.may_pass:
        return OutageError(f"{model} failed {tries} times: {words}")
    return ItemFailure(f"{model} refused the request: {words}")
