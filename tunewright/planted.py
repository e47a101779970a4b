"""Planted flaws: pairs of conversations that differ in one reply, to see where and how long a judge stays awake.

A stretch goes into a good authored conversation early (after its first exchange), in the middle or late (at the end),
once with its good reply and once with the violating one. A judge that reads the whole conversation answers YES to the
one and NO to the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from tunewright.calibration import Planted, PlantedFlaw, tidy
from tunewright.errors import ConfigError
from tunewright.records import Exchange, Transcript

Position = Literal["early", "middle", "late"]
Length = Literal["short", "long"]
POSITIONS: tuple[Position, ...] = ("early", "middle", "late")


class Plant(NamedTuple):
    """One version of one flaw at one place of one host."""

    criterion: str
    flaw: int  # from 1
    host: str
    length: Length
    position: Position
    is_bad: bool
    exchanges: tuple[Exchange, ...]
    reason: str

    @property
    def pair(self) -> str:
        """What the good and the bad version share."""
        return f"{self.criterion}-{self.flaw}-{self.host}-{self.position}"


def spliced(host: Sequence[Exchange], flaw: PlantedFlaw, position: Position, is_bad: bool) -> tuple[Exchange, ...]:
    """The host with the flaw's exchanges put in."""
    at = {"early": 1, "middle": len(host) // 2, "late": len(host)}[position]
    before = [Exchange(user=tidy(t.user), assistant=tidy(t.assistant)) for t in flaw.before]
    last = Exchange(user=tidy(flaw.user), assistant=tidy(flaw.bad if is_bad else flaw.good))
    return (*host[:at], *before, last, *host[at:])


def plants(
    planted: Planted, authored: Sequence[Transcript], lengths: Sequence[Length], per_criterion: int | None, path: str
) -> Iterator[Plant]:
    """All pairs, good before bad: each flaw at each position, its host drawn by turns from those of the length.

    `per_criterion` takes only the first flaws. Raises ConfigError for a host that is no authored transcript.
    """
    by_id: Mapping[str, Transcript] = {t.id: t for t in authored}
    for criterion, flaws in planted.flaws.items():
        for number, flaw in enumerate(flaws[:per_criterion], 1):
            for length in lengths:
                hosts = getattr(planted.hosts, length)
                for turn, position in enumerate(POSITIONS):
                    if not hosts:
                        continue
                    host = hosts[(number + turn) % len(hosts)]
                    if host not in by_id:
                        raise ConfigError(f"{path}: hosts.{length}: no authored transcript {host!r}")
                    for is_bad in (False, True):
                        exchanges = spliced(by_id[host].exchanges, flaw, position, is_bad)
                        yield Plant(criterion, number, host, length, position, is_bad, exchanges, flaw.reason)
