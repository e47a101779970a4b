"""Train, validation and holdout by persona, decided by a stable hash: no persona is ever in two splits.

Each persona's place depends on its own id and the seed alone, so adding people moves nobody, and neither does a
changed rubric or a changed verdict.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, model_validator

from tunewright.config import Config
from tunewright.records import stable_unit

SPLITS = ("train", "valid", "holdout")


class Shares(Config):
    """Wanted shares of personas; they sum to 1."""

    train: float = Field(gt=0, le=1)
    valid: float = Field(ge=0, le=1)
    holdout: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _sums(self) -> Shares:
        total = self.train + self.valid + self.holdout
        if abs(total - 1) > 1e-6:
            raise ValueError(f"split shares sum to {total:g}, expected 1")
        return self


def split_of(persona_id: str, shares: Shares, seed: int) -> str:
    """The split of a persona."""
    at = stable_unit("split", seed, persona_id)
    bounds: Mapping[str, float] = {"train": shares.train, "valid": shares.train + shares.valid}
    return next((name for name, bound in bounds.items() if at < bound), "holdout")
