"""How many requests one model takes at once: found by additive increase and multiplicative decrease.

Chiu and Jain (1989, doi:10.1016/0169-7552(89)90019-6): one more after a whole round of successes at the limit, half
of it when the provider refuses. A burst of refusals is one event: those of requests that were sent before the last
cut change nothing. Errors of the server (5xx) and timeouts say nothing about how much is too much, and change nothing.

Pure: the time is an argument, so that tests need no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FIRST_PAUSE_S = 1.0  # after a refusal that names no time; doubled for every cut without a success in between
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class Change:
    """One change of a limit."""

    at_s: float
    old: int
    new: int
    why: str


@dataclass
class AdaptiveLimit:
    """The limit of one model, between 1 and `ceiling`; it starts there."""

    ceiling: int
    limit: int = 0
    in_flight: int = 0
    epoch: int = 0  # how many cuts there were: a request remembers under which it was sent
    resume_at: float = 0.0  # nothing goes before
    history: list[Change] = field(default_factory=list)
    _round: int = 0  # successes at the limit since it last changed
    _in_vain: int = 0  # cuts since the last success

    def __post_init__(self) -> None:
        self.limit = self.limit or self.ceiling

    @property
    def has_room(self) -> bool:
        """Whether one more may go."""
        return self.in_flight < self.limit

    def enter(self) -> int:
        """One more goes; returns the epoch in which it does."""
        self.in_flight += 1
        return self.epoch

    def leave(self) -> None:
        """One is back."""
        self.in_flight -= 1

    def succeed(self) -> None:
        """One of those in flight was answered; call it before `leave`. Grows only where the limit held back."""
        self._in_vain = 0
        if self.limit == self.ceiling or self.in_flight < self.limit:
            return
        self._round += 1
        if self._round >= self.limit:
            self.limit, self._round = self.limit + 1, 0

    def refuse(self, epoch: int, now: float, retry_after_s: float | None) -> None:
        """One of those in flight was refused (429): wait as long as it says, and cut once per burst."""
        if epoch == self.epoch:
            self._cut(now)
        if retry_after_s is None:
            retry_after_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** max(0, self._in_vain - 1))
        self.resume_at = max(self.resume_at, now + retry_after_s)

    def _cut(self, now: float) -> None:
        old, self.limit = self.limit, max(1, self.limit // 2)
        self.epoch, self._round, self._in_vain = self.epoch + 1, 0, self._in_vain + 1
        self.history.append(Change(now, old, self.limit, "429"))
