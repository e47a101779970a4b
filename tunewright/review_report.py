"""reports/review.md: what to read, how, and why each conversation was picked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tunewright.document import Block, Code, Heading, Table, Text
from tunewright.review_queue import Progress, QueueItem, ReasonKind
from tunewright.review_sampling import Queue

COMMAND = "tunewright review"
BY_LOT = "In an order by lot: who stops early has read a random sample of them."
ORDER = "Reasons take turns, the gravest first: every five conversations are of several kinds."
MIXED = " Those drawn at random stand between the others: who stops early has read a random sample too."
MEANS: dict[ReasonKind, str] = {
    "gate": "a safety gate failed or was not scored",
    "disagreement": "judges differ: on a gate, or by so much that it is reported",
    "near threshold": "one criterion more or less decides",
    "unscored": "what nobody scored, a person can answer",
    "perfect": "too good, or a rubric that asks too little",
    "new persona type": "nobody has read such a person in an earlier version",
    "random": "rates of all conversations are estimated from these alone",
    "batch": "so few that all are read",
    "left out": "failed, or left out by the simulator review: was that right?",
}


def counts(items: Sequence[QueueItem]) -> dict[ReasonKind, int]:
    """How many conversations of a queue have each reason; one conversation may have several."""
    found = Counter(kind for item in items for kind in {reason.kind for reason in item.reasons})
    return {kind: found[kind] for kind in MEANS}


def queue_blocks(queue: Queue, done: Progress) -> list[Block]:
    """The page's beginning: what is to be done and how."""
    title = Heading("What people should read", 1)
    if not queue.items:
        return [title, Text("Nothing: this run made no conversation.", "lead")]
    return [
        title,
        Text(f"{_asked(queue)} {_done(done)}", "lead"),
        Code(COMMAND),
        _by_reason(queue),
        Text(_estimates(queue), "note"),
    ]


def item_blocks(queue: Queue) -> list[Block]:
    """The page's end: every conversation with all its reasons, in reading order."""
    rows = [(str(n), item.transcript_id, _why(item)) for n, item in enumerate(queue.items, 1)]
    if not rows:
        return []
    return [
        Heading("The queue"),
        Text(ORDER + MIXED if queue.n_drawn < queue.n_whole else BY_LOT, "note"),
        Table(("", "conversation", "why"), rows),
    ]


def _asked(queue: Queue) -> str:
    n_whole = sum(item.reasons[0].kind != "left out" for item in queue.items)
    n_left_out = len(queue.items) - n_whole
    more = f", and {n_left_out} of {queue.n_left_out} that were left out" if n_left_out else ""
    return f"To read: {n_whole} of {queue.n_whole} new conversations{more}."


def _done(done: Progress) -> str:
    if not done.n_begun:
        return "Nobody has read any of them yet."
    return f"{done.n_decided} are decided, {done.n_begun - done.n_decided} more are begun."


def _by_reason(queue: Queue) -> Block:
    rows = [(kind, str(n), MEANS[kind]) for kind, n in counts(queue.items).items() if n]
    return Table(("reason", "conversations", "why it is read"), rows)


def _estimates(queue: Queue) -> str:
    if queue.n_drawn == queue.n_whole:
        return "All new conversations are here: a rate among them is no estimate."
    return (
        f"{queue.n_drawn} of {queue.n_whole} were drawn at random, each as likely; the others are here because "
        "something is odd about them, and no rate of all conversations may be taken from them."
    )


def _why(item: QueueItem) -> str:
    return "; ".join(reason.says for reason in item.reasons)
