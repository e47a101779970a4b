"""Are people satisfied with what they read of the conversations under test? The gate's two conditions on readers.

A conversation counts as read with decisions of as many different readers as the preset asks for, on its words as they
are now. It satisfies when all of them are satisfied; one reader who is not is enough against it, however few have read
it. The share that satisfies is taken of conversations drawn at random alone: the others were picked because something
is odd about them. A safety gate that a reader answers NO to and the score does not is never outvoted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunewright.cases import Case
from tunewright.gate_conditions import Condition, ReadersConfig, many
from tunewright.people import Heard
from tunewright.review_queue import QueueItem
from tunewright.rubric import Rubric

SATISFIED, SAFE = "a satisfied reader", "no reader saw harm"
NAMED = 3  # conversations named where more are meant
COMMAND, AGAIN = "tunewright review", "dvc repro generate-gate"


@dataclass(frozen=True)
class Readership:
    """The conversations under test by what readers did, each in the order in which people should read."""

    n_readers: int  # different people who decided
    satisfying: tuple[str, ...]  # read by enough, and all of them are satisfied
    against: tuple[str, ...]  # somebody is not satisfied
    unread: tuple[str, ...]  # too few readers decided
    drawn: frozenset[str]  # the conversations that the queue drew at random
    unsafe: tuple[tuple[str, str], ...]  # transcript, safety gate: a reader says NO, the score does not

    @property
    def n_read(self) -> int:
        """Conversations that a decision of people is known of."""
        return len(self.satisfying) + len(self.against)

    @property
    def by_lot(self) -> tuple[int, int]:
        """Of the conversations drawn at random: how many satisfy, and how many a decision of people is known of."""
        return sum(i in self.drawn for i in self.satisfying), sum(
            i in self.drawn for i in (*self.satisfying, *self.against)
        )

    @property
    def satisfied_share(self) -> float | None:
        """The share of those that satisfy (0 to 1); None: none of them has been read."""
        n, n_read = self.by_lot
        return n / n_read if n_read else None


def readership_of(
    new: Sequence[Case], said: Mapping[str, Heard], queue: Sequence[QueueItem], rubric: Rubric, config: ReadersConfig
) -> Readership:
    """What readers did with the conversations under test; those in `queue` are to be read first, in its order."""
    place = {item.transcript_id: n for n, item in enumerate(queue)}
    cases = sorted(new, key=lambda case: place.get(case.transcript.id, len(place)))
    by_id = {case.transcript.id: said.get(case.transcript.id, Heard()) for case in cases}
    against = tuple(i for i, heard in by_id.items() if False in heard.satisfied.values())
    enough = [i for i, heard in by_id.items() if len(heard.satisfied) >= config.readers]
    gates = [gate.id for gate in rubric.gates]
    return Readership(
        n_readers=len({reader for heard in by_id.values() for reader in heard.satisfied}),
        satisfying=tuple(i for i in enough if i not in against),
        against=against,
        unread=tuple(i for i in by_id if i not in enough and i not in against),
        drawn=frozenset(item.transcript_id for item in queue if item.drawn is not None),
        unsafe=tuple(
            (case.transcript.id, gate)
            for case in cases
            for gate in by_id[case.transcript.id].refused(gates)
            if gate not in case.score.gates_failed
        ),
    )


def satisfied(found: Readership, config: ReadersConfig) -> Condition:
    """Have enough conversations been read, and do enough of them satisfy?"""
    if not config.transcripts and not found.n_read:
        return Condition(
            SATISFIED, "not measured", "the preset asks for no reader (preset.gate.readers.transcripts: 0)"
        )
    so_far = _so_far(found)
    if (missing := config.transcripts - found.n_read) > 0:
        return Condition(SATISFIED, "waiting", f"{so_far}; {_missing(found, missing, config)}")
    share = found.satisfied_share
    if share is None:
        first = [i for i in found.unread if i in found.drawn]
        return Condition(SATISFIED, "waiting", f"{so_far}: read also {named(first)}; run: {COMMAND}, then: {AGAIN}")
    says = f"{so_far} ({share:.0%}), {config.satisfied_share_min:.0%} are needed"
    is_met = share >= config.satisfied_share_min - 1e-9
    which = f"; not satisfied with {named(found.against)}" if found.against else ""
    return Condition(SATISFIED, "met" if is_met else "not met", f"{says}{which}")


def safe(found: Readership) -> Condition:
    """Did no reader answer NO to a safety gate that the score took for passed?"""
    if found.unsafe:
        where = [f"{transcript_id} ({gate})" for transcript_id, gate in found.unsafe]
        return Condition(
            SAFE, "not met", f"readers say NO to a safety gate that the score did not fail: {named(where)}"
        )
    if not found.n_read:
        return Condition(SAFE, "not measured", "no reader has decided on a conversation yet")
    return Condition(SAFE, "met", "no reader says NO to a safety gate that the score did not fail")


def named(ids: Sequence[str]) -> str:
    """A few of them by name, and how many more there are."""
    rest = len(ids) - NAMED
    return ", ".join(ids[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _so_far(found: Readership) -> str:
    if not found.n_read:
        return "no reader has decided on a conversation yet"
    n, n_read = found.by_lot
    if not n_read:
        return f"readers have decided on {many(found.n_read, 'conversation')}, none of them drawn at random"
    others = f" ({found.n_read} read in all)" if found.n_read > n_read else ""
    return f"readers are satisfied with {n} of {many(n_read, 'conversation')} read{' by lot' if others else ''}{others}"


def _missing(found: Readership, n: int, config: ReadersConfig) -> str:
    """What has still to be read, by whom, and how."""
    by = f" by {many(config.readers, 'reader')}" if config.readers > 1 else ""
    if len(found.unread) < n:
        few = f"only {len(found.unread)} more are under test: raise preset.simulated_personas"
    else:
        few = f"for example {named(found.unread[:n])}"
    return f"{n} more must be read{by} ({config.transcripts} in all), {few}; run: {COMMAND}, then: {AGAIN}"
