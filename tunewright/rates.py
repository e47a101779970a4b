"""How much may go per minute: requests, or tokens.

The generic cell rate algorithm (ITU-T I.371): one number, the time at which all that was taken is paid off. Smooth,
and constant work whatever the rate. Pure: the time is an argument.
"""

from __future__ import annotations

SLACK_S = 0.1  # how far a cap may run ahead, so that a late event loop loses nothing


class Rate:
    """At most `per_minute` units in any minute, evenly; what one takes may be more than a minute's worth."""

    def __init__(self, per_minute: float, slack_s: float = SLACK_S) -> None:
        self._unit_s, self._slack_s = 60.0 / per_minute, slack_s
        self._paid_at = 0.0

    @property
    def ready_at(self) -> float:
        """From when on the next may go."""
        return self._paid_at - self._slack_s

    def take(self, units: float, now: float) -> None:
        """Some go now."""
        self._paid_at = max(self._paid_at, now) + units * self._unit_s

    def correct(self, units: float) -> None:
        """It was more (or, negative, less) than was taken."""
        self._paid_at += units * self._unit_s
