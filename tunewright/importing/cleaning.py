"""Turns to exchanges: one user message, one reply, from the first user message to the last reply."""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.importing.rows import RowFault, Turn, check_text
from tunewright.records import Exchange, Record

JOINT = "\n\n"  # between merged messages


class Cleaning(Record):
    """What one conversation lost or had joined on the way in, in messages."""

    n_messages: int = 0  # as in the file
    n_ignored: int = 0  # system prompts and other speakers that are ignored
    n_empty: int = 0
    n_merged: int = 0  # joined to the one before, of the same speaker
    n_leading: int = 0  # replies before any user message
    n_trailing: int = 0  # user messages without a reply


def cleaned(turns: Sequence[Turn]) -> tuple[tuple[Exchange, ...], Cleaning]:
    """The exchanges of a conversation, and what was done to it.

    Raises RowFault for broken text and for a conversation without one exchange.
    """
    for number, turn in enumerate(turns, 1):
        check_text(turn.text, f"message {number}")
    spoken = [Turn(t.speaker, tidy(t.text)) for t in turns if t.speaker != "ignored"]
    full = [t for t in spoken if t.text]
    joined = merged(full)
    leading = int(bool(joined) and joined[0].speaker == "assistant")
    trailing = int(len(joined) > leading and joined[-1].speaker == "user")
    kept = joined[leading : len(joined) - trailing]
    if not kept:
        raise RowFault("no exchange", f"{len(turns)} messages and no user message with a reply to it")
    pairs = zip(kept[::2], kept[1::2], strict=True)
    return tuple(Exchange(user=said.text, assistant=reply.text) for said, reply in pairs), Cleaning(
        n_messages=len(turns),
        n_ignored=len(turns) - len(spoken),
        n_empty=len(spoken) - len(full),
        n_merged=len(full) - len(joined),
        n_leading=leading,
        n_trailing=trailing,
    )


def merged(turns: Sequence[Turn]) -> list[Turn]:
    """Consecutive messages of one speaker as one, joined by a blank line."""
    found: list[Turn] = []
    for turn in turns:
        if found and found[-1].speaker == turn.speaker:
            found[-1] = Turn(turn.speaker, found[-1].text + JOINT + turn.text)
        else:
            found.append(turn)
    return found


def tidy(text: str) -> str:
    """Line ends as one character, nothing around the text."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
