"""Which conversations people should read: a small batch whole; of many some for their reasons and some by lot.

A batch of at most `at_most` is read whole, by lot. Of more, each reason gets its share of the places, the gravest
first, and within a reason the heaviest first, then by stable hash. What is left over is drawn at random from all
conversations, whatever was picked: the number of draws is fixed before any, so each conversation has the same
probability, and the drawn items alone give unbiased rates. Who is both picked and drawn takes one place, so a queue may
be a little shorter.

The order serves a reader who stops early. Picked ones take turns by reason, the gravest first, so that the first show
the worst of each and every five are of several kinds. The drawn ones, in the order of the draw and whatever else is the
matter with them, are spread evenly among them, so that those read so far are a random sample too.

The queue depends on what was generated and judged, and on labels of earlier versions, never on labels of today's
texts: it stays as it is while it is read. (A judge that is trusted because of them may change scores, and so the picks;
the draw is a beginning of one fixed order and keeps who was in it, unless picks take the places of its last ones.)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from pydantic import Field, model_validator

from tunewright.config import Config
from tunewright.records import stable_unit
from tunewright.review_queue import JUDGED, QueueItem, Reason, ReasonKind
from tunewright.review_reasons import Candidate

Picked = dict[ReasonKind, list[Candidate]]  # the gravest reason first
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


@dataclass(frozen=True)
class Lots:
    """The draw: of how many, how many, and whose ids."""

    n_whole: int
    n_drawn: int
    ids: set[str]

    def reason(self, transcript_id: str) -> list[Reason]:
        """Why the draw brought a conversation here; nothing where it did not."""
        if transcript_id not in self.ids:
            return []
        if self.n_drawn == self.n_whole:
            return [Reason(kind="batch", says=f"one of {self.n_whole} new conversations: so few are read whole")]
        return [Reason(kind="random", says=f"drawn at random: {self.n_drawn} of {self.n_whole}, each as likely")]


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
    whole = len(pool) <= at_most
    room = at_most - len(pool) if whole else min(shares.places("left out", at_most), len(left_out))
    picked = {} if whole else _picked(pool, read_types, at_most, shares)
    n_drawn = len(pool) if whole else at_most - room - sum(map(len, picked.values()))
    drawn = sorted(pool, key=lambda c: _lot("draw", c, seed))[:n_drawn]
    order = _spread(_in_turns(picked), drawn)
    new_types = _new_types([*picked.get("new persona type", ()), *order], read_types)
    lots = Lots(len(pool), n_drawn, {c.transcript_id for c in drawn})
    last = sorted(left_out, key=lambda one: _lot("left out", one, seed))[:room]
    items = [*(_item(c, c.transcript_id in new_types, lots) for c in order), *map(_left_out_item, last)]
    return Queue(tuple(items), len(pool), len(left_out), n_drawn)


def _lot(what: str, one: Candidate | LeftOut, seed: int) -> float:
    """A number in [0, 1) of a text: made anew, a conversation is drawn anew, and adding others moves few."""
    return stable_unit("review", what, seed, one.transcript_id, one.content_hash)


def _picked(pool: Sequence[Candidate], read_types: Collection[str], at_most: int, shares: ReasonShares) -> Picked:
    """Who takes the places of each reason; nobody takes two."""
    picked: Picked = {}
    left = list(pool)
    for kind in JUDGED:
        picked[kind] = _heaviest(kind, left)[: shares.places(kind, at_most)]
        left = [c for c in left if c not in picked[kind]]
    seen = {*read_types, *(c.persona_type for found in picked.values() for c in found)}
    firsts = _new_types(left, seen)
    some = [c for c in left if c.transcript_id in firsts]
    picked["new persona type"] = some[: shares.places("new persona type", at_most)]
    return picked


def _heaviest(kind: ReasonKind, some: Sequence[Candidate]) -> list[Candidate]:
    """Those for which a reason holds, the heaviest first."""
    weighed = [(c.weight(kind), c) for c in some]
    return [c for weight, c in sorted(weighed, key=lambda pair: -(pair[0] or 0.0)) if weight is not None]


def _in_turns(picked: Picked) -> list[Candidate]:
    """One of each reason after the other."""
    return [c for row in zip_longest(*picked.values()) for c in row if c is not None]


def _spread(picked: Sequence[Candidate], drawn: Sequence[Candidate]) -> list[Candidate]:
    """Both in their order, evenly mixed, a picked one first; who is in both stands where the draw puts it."""
    only = [c for c in picked if c not in drawn]
    placed = [(n / len(only), c) for n, c in enumerate(only)]
    placed += [((n + 0.5) / len(drawn), c) for n, c in enumerate(drawn)]
    return [c for _, c in sorted(placed, key=lambda place: place[0])]


def _new_types(order: Sequence[Candidate], read_types: Collection[str | None]) -> set[str]:
    """The ids of the first of each type of person that nobody has read."""
    firsts = {c.persona_type: c.transcript_id for c in reversed(order)}
    return {transcript_id for name, transcript_id in firsts.items() if name is not None and name not in read_types}


def _item(c: Candidate, new_type: bool, lots: Lots) -> QueueItem:
    says = f"nobody has read such a person in an earlier version: {c.persona_type}"
    reasons = [found.reason for found in c.found]
    reasons += [Reason(kind="new persona type", says=says)] if new_type else []
    reasons += lots.reason(c.transcript_id)
    drawn = lots.n_drawn / lots.n_whole if c.transcript_id in lots.ids else None
    return QueueItem(transcript_id=c.transcript_id, content_hash=c.content_hash, reasons=tuple(reasons), drawn=drawn)


def _left_out_item(one: LeftOut) -> QueueItem:
    reason = Reason(kind="left out", says=f"nobody scored it: {one.why}")
    return QueueItem(transcript_id=one.transcript_id, content_hash=one.content_hash, reasons=(reason,), drawn=None)
