"""Two versions of one conversation: the first exchange that differs, and how, in a few words. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

AROUND_WORDS = 4  # unchanged words that are shown on each side of a change
SHOWN_WORDS = 40  # of a difference; the rest is told as "..."
PARTS = ("user", "assistant")


@dataclass(frozen=True)
class FirstChange:
    """Where two versions of a transcript part. `exchange` counts from 1; 0 when the words are the same."""

    id: str
    exchange: int
    who: str
    words: str


def first_change(id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> FirstChange:
    """The first message that differs, as a word difference; the fields that differ where the words are the same."""
    old, new = (list(t.get("exchanges") or ()) for t in (before, after))
    for number, (left, right) in enumerate(zip(old, new, strict=False), 1):
        for who in PARTS:
            if left.get(who) != right.get(who):
                return FirstChange(id, number, who, word_difference(left.get(who) or "", right.get(who) or ""))
    if len(old) != len(new):
        return FirstChange(id, min(len(old), len(new)) + 1, "length", f"{len(old)} exchanges -> {len(new)}")
    fields = [k for k in dict.fromkeys([*before, *after]) if before.get(k) != after.get(k)]
    return FirstChange(id, 0, "same words", f"differs in: {', '.join(fields)}")


def word_difference(before: str, after: str) -> str:
    """A text's change by words: [-taken out-]{+put in+}, with a few words around each change."""
    old, new = before.split(), after.split()
    pieces: list[str] = []
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for place, (what, i, j, k, m) in enumerate(blocks):
        if what == "equal":
            pieces += _context(old[i:j], place > 0, place < len(blocks) - 1)
        else:
            pieces += [f"[-{' '.join(old[i:j])}-]"] * (j > i) + [f"{{+{' '.join(new[k:m])}+}}"] * (m > k)
    shown = " ".join(pieces).split() if pieces else ["(only spaces or line ends differ)"]
    return " ".join(shown[:SHOWN_WORDS]) + (" ..." if len(shown) > SHOWN_WORDS else "")


def _context(words: Sequence[str], has_before: bool, has_after: bool) -> list[str]:
    """Unchanged words near a change; what lies farther away becomes "..."."""
    head = list(words[:AROUND_WORDS]) if has_before else []
    tail = list(words[-AROUND_WORDS:]) if has_after else []
    if len(head) + len(tail) >= len(words):
        return list(words)
    return [*head, "...", *tail]
