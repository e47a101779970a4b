"""Keys and passwords in texts: of known formats, values of this machine's own variables, and high-entropy assignments.

Own patterns, after trying bc-detect-secrets 1.5.52 (Yelp's detect-secrets had its last release in May 2024) on lines
of chat JSON: of eight planted kinds it found four - not hf_, sk-ant-, sk-proj-, AIza nor a private key, since its
entropy plugins want quotes around a value - took 3 s for a megabyte, and reported two hashes of params.yaml.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tunewright.personal_data import mask

RUN = re.compile(r"[\w+/=-]*")  # what a key inside it is part of
SWITCH = re.compile(r"[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])")  # inside words of prose there is hardly one
RUN_CHARS_MAX = 200  # a longer one is a picture in Base64, in which some keys' beginnings turn up by chance
ENTROPY_MIN = 3.3  # bits a character; words and dates lie below, random base64 of 16 characters at about 3.7
OWN_VALUE_CHARS_MIN = 8  # a shorter value of a variable is a placeholder, and would be found in every other word
_KNOWN = {
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "Anthropic key": r"\bsk-ant-[\w-]{20,}",
    "OpenAI key": r"\bsk-(?!ant-)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}",
    "AWS key id": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "Google key": r"\bAIza[\w-]{35}",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
    "GitLab token": r"\bglpat-[\w-]{20,}",
    "Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "Stripe key": r"\b[rs]k_live_[A-Za-z0-9]{16,}",
    "Groq key": r"\bgsk_[A-Za-z0-9]{40,}",
    "PyPI token": r"\bpypi-AgE[\w-]{50,}",
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "JSON web token": r"\beyJ[\w-]{8,2048}\.eyJ[\w-]{8,4096}\.[\w-]{8,}",
    "password in a URL": r"\b[a-z][a-z0-9+.-]{1,15}://[^\s/:@]+:[^\s/@]{3,}@[\w.-]+",
}
# at the beginning of a word; and right after a letter or an underscore, where "task-" holds "sk-"
_PATTERNS = {kind: (re.compile(one), re.compile(one.removeprefix(r"\b"))) for kind, one in _KNOWN.items()}
_ANY = re.compile("hf_|sk-|AKIA|ASIA|AIza|gh[pousr]_|github_pat_|glpat-|xox|k_live_|gsk_|pypi-|PRIVATE KEY|eyJ|://")
_ASSIGNED = re.compile(
    r"(?i)(?:api[_-]?key|access[_-]?key|secret(?:[_-]?key)?|auth[_-]?token|access[_-]?token|password|passwd|pwd)"
    r"[\"']?\s*(?:[:=]|\bis\b)\s*[\"']?(?P<value>[A-Za-z0-9+/=_.!@#$%^&*-]{12,})"
)


@dataclass(frozen=True)
class Secret:
    """One finding: its kind, and its value with all but the ends hidden."""

    kind: str
    masked: str


def find_secrets(text: str, own: Mapping[str, str]) -> list[Secret]:
    """All secrets of a text. `own`: values of this machine's variables that must not be in it, by variable."""
    found = [Secret(f"value of {name}", mask(value)) for name, value in own.items() if value in text]
    if _ANY.search(text):
        found += [Secret(kind, mask(key)) for kind in _PATTERNS for key in _keys(kind, text)]
    known = {secret.masked for secret in found}
    assigned = (m["value"] for m in _ASSIGNED.finditer(text))
    found += [Secret("assigned secret", mask(v)) for v in assigned if looks_random(v) and mask(v) not in known]
    return list(dict.fromkeys(found))


def _keys(kind: str, text: str) -> Iterator[str]:
    """The keys of one kind: all that begin a word; of what is left, those that begin within one and are no words."""
    at_word, within = _PATTERNS[kind]
    if not within.search(text):  # at_word fits nowhere else, and takes five times as long
        return
    yield from (match.group() for match in at_word.finditer(text))
    yield from (match.group() for match in within.finditer(at_word.sub(" ", text)) if _is_random(match))


def _is_random(match: re.Match[str]) -> bool:
    """Whether a match within a word looks random and is no part of a blob."""
    start, end = match.span()
    before, after = match.string[max(0, start - RUN_CHARS_MAX) : start], match.string[end : end + RUN_CHARS_MAX]
    n_chars = len(match.group()) + sum(len(run.group()) for side in (before[::-1], after) if (run := RUN.match(side)))
    return looks_random(match.group()) and len(SWITCH.findall(match.group())) >= 2 and n_chars < RUN_CHARS_MAX


def looks_random(value: str) -> bool:
    """Whether a value looks made by a machine: letters and digits mixed, and a high entropy."""
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return mixed and entropy(value) >= ENTROPY_MIN


def entropy(text: str) -> float:
    """Shannon's entropy of a text's characters, in bits a character."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def own_secrets(names: Sequence[str], environment: Mapping[str, str], token: str | None) -> dict[str, str]:
    """The values of named variables that are set and long enough to be one, and the Hub's token."""
    found = {f"${name}": environment.get(name, "") for name in names} | {"the Hub's token": token or ""}
    return {name: value for name, value in found.items() if len(value) >= OWN_VALUE_CHARS_MIN}
