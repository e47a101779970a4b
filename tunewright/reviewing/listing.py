"""The list of conversations to read: what is known of each, how far the reader is, filters and search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tunewright.review_queue import Reason
from tunewright.reviewing.material import Material, Reading, in_blind_order
from tunewright.reviewing.opinions import Opinions, Progress

SHOWS = {
    "": "all",
    "undecided": "undecided",
    "decided": "decided",
    "stale": "stale",
    "passed": "passed",
    "failed": "failed",
    "open": "open",
    "disagreement": "judges disagree",
}


@dataclass(frozen=True)
class Row:
    """One line of the list. `hidden`: what judges said of it is not shown before the reader has decided overall."""

    reading: Reading
    n_exchanges: int
    reasons: tuple[Reason, ...]
    hidden: bool
    outcome: str  # passed, failed, open, or "" where hidden or unscored
    score: float | None
    progress: Progress
    stale: bool
    others: tuple[str, ...]
    disputed: bool


@dataclass(frozen=True)
class Totals:
    """How far the reader is with the whole queue."""

    conversations: int
    conversations_decided: int
    answers: int
    answers_decided: int


@dataclass(frozen=True)
class Wish:
    """What the list is narrowed to."""

    show: str = ""
    reason: str = ""
    text: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The wish as GET parameters."""
        return {k: v for k, v in (("show", self.show), ("reason", self.reason), ("q", self.text)) if v}


@dataclass(frozen=True)
class Facet:
    """A way to narrow the list: a link."""

    says: str
    query: dict[str, str]
    n: int
    current: bool


def wish_of(parameters: Mapping[str, str]) -> Wish:
    """The wish in GET parameters; what is unknown counts as not given."""
    show = parameters.get("show", "")
    return Wish(show if show in SHOWS else "", parameters.get("reason", ""), parameters.get("q", "").strip())


def rows_of(material: Material, opinions: Opinions, blind: bool) -> list[Row]:
    """A row for each conversation, in the queue's order; for a blind reader in one that tells nothing."""
    readings = material.readings.values()
    return [_row(reading, opinions, blind) for reading in (in_blind_order(readings) if blind else readings)]


def found_rows(rows: Sequence[Row], text: str, opinions: Opinions) -> list[Row]:
    """The rows that a search is for."""
    return [row for row in rows if _found(row, text, opinions)]


def narrowed(rows: Sequence[Row], wish: Wish) -> list[Row]:
    """The rows that a wish is for, but for its search."""
    return [row for row in rows if _shown(row, wish)]


def facets(rows: Sequence[Row], wish: Wish) -> list[tuple[str, list[Facet]]]:
    """What the rows can be narrowed to from here, each with how many would be left; not what would leave none."""
    shows = [(says, replace(wish, show=value)) for value, says in SHOWS.items()]
    kinds = list(dict.fromkeys(reason.kind for row in rows for reason in row.reasons))
    reasons = [("any reason", replace(wish, reason="")), *((kind, replace(wish, reason=kind)) for kind in kinds)]
    return [(title, _facets(rows, wishes, wish)) for title, wishes in (("Show", shows), ("Picked for", reasons))]


def _facets(rows: Sequence[Row], wishes: Sequence[tuple[str, Wish]], now: Wish) -> list[Facet]:
    found = [Facet(says, one.query, len(narrowed(rows, one)), one == now) for says, one in wishes]
    return [facet for facet in found if facet.n or facet.current]


def totals(progresses: Iterable[Progress]) -> Totals:
    """Sums over conversations."""
    found = list(progresses)
    return Totals(
        conversations=len(found),
        conversations_decided=sum(p.overall is not None for p in found),
        answers=sum(p.asked for p in found),
        answers_decided=sum(p.decided for p in found),
    )


def outcome_of(reading: Reading) -> str:
    """passed, failed or open; "" without a score."""
    if reading.score is None:
        return ""
    return {True: "passed", False: "failed", None: "open"}[reading.score.passed]


def _row(reading: Reading, opinions: Opinions, blind: bool) -> Row:
    progress = opinions.progress(reading)
    hidden = blind and progress.overall is None
    reasons = reading.item.reasons
    return Row(
        reading=reading,
        n_exchanges=len(reading.talk.exchanges),
        reasons=tuple(r for r in reasons if not r.tells_the_judges) if hidden else reasons,
        hidden=hidden,
        outcome="" if hidden else outcome_of(reading),
        score=None if hidden or reading.score is None else reading.score.score,
        progress=progress,
        stale=opinions.has_stale(reading.talk.id),
        others=tuple(opinions.others(reading.talk.id)),
        disputed=bool(not hidden and reading.score and reading.score.disagreements),
    )


def _shown(row: Row, wish: Wish) -> bool:
    if wish.reason and wish.reason not in [r.kind for r in row.reasons]:
        return False
    decided = row.progress.overall is not None
    if wish.show in ("passed", "failed", "open"):
        return row.outcome == wish.show
    kinds = {"": True, "undecided": not decided, "decided": decided, "stale": row.stale, "disagreement": row.disputed}
    return kinds[wish.show]


def _found(row: Row, text: str, opinions: Opinions) -> bool:
    """Whether all words of a search stand in a conversation, its ids, its persona or the reader's notes."""
    if not text:
        return True
    reading = row.reading
    said = [m for e in reading.talk.exchanges for m in (e.user, e.assistant)]
    whole = "\n".join([reading.talk.id, reading.talk.persona_id, reading.title, opinions.notes(reading.talk.id), *said])
    whole = whole.casefold()
    return all(word in whole for word in text.casefold().split())
