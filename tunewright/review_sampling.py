"""Which conversations people should read: a small batch whole; of many some for their reasons and some by lot.

A batch of at most `at_most` is read whole. Of more, each reason gets its share of the places, the gravest first, and
within a reason the heaviest first, then by stable hash. What is left over is drawn at random from all conversations,
whatever was picked: the number of draws is fixed before any, so each conversation has the same probability, and the
drawn items alone give unbiased rates. Who is both picked and drawn takes one place, so a queue may be a little shorter.

The order is of use to a reader who stops early: one conversation of each reason in turn, the gravest reason first, so
that every five show several kinds of things and the first five the worst of each. The queue depends on what was
generated and on labels of earlier versions, never on labels of today's texts: it stays as it is while it is read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from pydantic import Field, model_validator

from tunewright.config import Config
from tunewright.records import stable_unit
from tunewright.review_queue import JUDGED, QueueItem, Reason, ReasonKind
from tunewright.review_reasons import Candidate

TURNS: tuple[ReasonKind, ...] = (*JUDGED, "new persona type", "random", "batch")
ROUNDING = 1e-9


class ReasonShares(Config):
    """Shares of the places in a queue (0 to 1); the rest is drawn at random."""

    gate: float = Field(ge=0, le=1)
    disagreement: float = Field(ge=0, le=1)
    near_threshold: float = Field(ge=0, le=1)
    unscored: float = Field(ge=0, le=1)
    perfect: float = Field(ge=0, le=1)
    new_persona_type: float = Field(ge=0, le=1)
    left_out: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _leaves_some(self) -> ReasonShares:
        total = sum(self.model_dump().values())
        if total >= 1 - ROUNDING:
            raise ValueError(f"the shares sum to {total:g}; expected under 1: the rest is drawn at random")
        return self

    def places(self, kind: ReasonKind, at_most: int) -> int:
        """The places that a reason may take."""
        return int(getattr(self, kind.replace(" ", "_")) * at_most + ROUNDING)


@dataclass(frozen=True)
class LeftOut:
    """A conversation that nobody scored: it failed, or the simulator review left it out."""

    transcript_id: str
    content_hash: str
    why: str


@dataclass(frozen=True)
class Queue:
    """The items in reading order, and what they were picked from."""

    items: tuple[QueueItem, ...]
    n_whole: int  # conversations that could be drawn
    n_left_out: int
    n_drawn: int


def pick(
    candidates: Sequence[Candidate],
    left_out: Sequence[LeftOut],
    read_types: Collection[str],
    at_most: int,
    shares: ReasonShares,
    seed: int,
) -> Queue:
    """The queue, of at most `at_most`; `read_types`: types of people whom somebody read in an earlier version."""
    pool = sorted(candidates, key=lambda c: _lot("pick", c, seed))
    if len(pool) <= at_most:
        turn: dict[Candidate, ReasonKind] = {c: c.found[0].reason.kind if c.found else "batch" for c in pool}
        drawn, room = set(pool), at_most - len(pool)
    else:
        room = min(shares.places("left out", at_most), len(left_out))
        turn = _picked(pool, read_types, at_most, shares)
        drawn = set(sorted(pool, key=lambda c: _lot("draw", c, seed))[: at_most - room - len(turn)])
        turn = dict.fromkeys((c for c in pool if c in drawn), "random") | turn
    order = _in_turns(turn)
    new_types = _new_types(order, turn, read_types)
    probability = len(drawn) / len(pool) if pool else None
    items = [_item(c, new_types.get(c), probability if c in drawn else None, len(pool), len(drawn)) for c in order]
    last = sorted(left_out, key=lambda one: _lot("left out", one, seed))[:room]
    return Queue((*items, *map(_left_out_item, last)), len(pool), len(left_out), len(drawn))


def _lot(what: str, one: Candidate | LeftOut, seed: int) -> float:
    """A number in [0, 1) of a text: made anew, a conversation is drawn anew, and adding others moves few."""
    return stable_unit("review", what, seed, one.transcript_id, one.content_hash)


def _picked(
    pool: Sequence[Candidate], read_types: Collection[str], at_most: int, shares: ReasonShares
) -> dict[Candidate, ReasonKind]:
    """Who takes the places of the reasons, and for which; nobody takes two."""
    taken: dict[Candidate, ReasonKind] = {}
    for kind in JUDGED:
        takers = [c for c in pool if c.weight(kind) is not None and c not in taken]
        heaviest = sorted(takers, key=lambda c: -(c.weight(kind) or 0.0))[: shares.places(kind, at_most)]
        taken |= dict.fromkeys(heaviest, kind)
    seen = {*read_types, *(c.persona_type for c in taken)}
    firsts = {c.persona_type: c for c in reversed(pool) if c.persona_type is not None and c.persona_type not in seen}
    some = [c for c in pool if firsts.get(c.persona_type) is c][: shares.places("new persona type", at_most)]
    return taken | dict.fromkeys(some, "new persona type")


def _in_turns(turn: Mapping[Candidate, ReasonKind]) -> list[Candidate]:
    """One of each reason after the other, the gravest reason first; within a reason the heaviest first."""
    queues = [[c for c, own in turn.items() if own == kind] for kind in TURNS]
    ordered = [sorted(q, key=lambda c: -(c.weight(kind) or 0.0)) for kind, q in zip(TURNS, queues, strict=True)]
    return [c for row in zip_longest(*ordered) for c in row if c is not None]


def _new_types(
    order: Sequence[Candidate], turn: Mapping[Candidate, ReasonKind], read_types: Collection[str]
) -> dict[Candidate, str]:
    """The one conversation of each unread type that is to be read for it: who has its place for that, else the first."""
    owners: dict[str, Candidate] = {}
    for c in sorted(order, key=lambda c: turn[c] != "new persona type"):
        if c.persona_type is not None and c.persona_type not in read_types:
            owners.setdefault(c.persona_type, c)
    return {c: name for name, c in owners.items()}


def _item(c: Candidate, new_type: str | None, probability: float | None, n_whole: int, n_drawn: int) -> QueueItem:
    reasons = [found.reason for found in c.found]
    if new_type is not None:
        says = f"nobody has read such a person in an earlier version: {new_type}"
        reasons.append(Reason(kind="new persona type", says=says))
    if probability is not None and n_drawn == n_whole:
        reasons.append(Reason(kind="batch", says=f"one of {n_whole} new conversations: so few are read whole"))
    elif probability is not None:
        reasons.append(Reason(kind="random", says=f"drawn at random: {n_drawn} of {n_whole}, each as likely"))
    return QueueItem(
        transcript_id=c.transcript_id, content_hash=c.content_hash, reasons=tuple(reasons), drawn=probability
    )


def _left_out_item(one: LeftOut) -> QueueItem:
    reason = Reason(kind="left out", says=f"nobody scored it: {one.why}")
    return QueueItem(transcript_id=one.transcript_id, content_hash=one.content_hash, reasons=(reason,), drawn=None)
