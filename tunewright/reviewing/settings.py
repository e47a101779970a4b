"""What a review app is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tunewright.config import Domain


@dataclass(frozen=True)
class Settings:
    """One reviewer's app on one domain. Paths in `domain` are relative to `root`, the repository."""

    root: Path
    domain: Domain
    reviewer: str
    token: str  # what every request must know
    hosts: frozenset[str]  # Host headers that are served, such as 127.0.0.1:8765
    blind: bool = False  # judges are hidden until the reader has decided
    compare: bool = False  # start at base against tuned
