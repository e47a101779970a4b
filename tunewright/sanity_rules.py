"""The params section evaluate.sanity: by what the checks that rest on no judge are made."""

from __future__ import annotations

from pydantic import Field

from tunewright.config import Bounds, Config
from tunewright.degenerate import DegenerateRules
from tunewright.preference_rates import PreferenceRules


class Shown(Config):
    """How many examples stand in the results."""

    per_kind: int = Field(ge=0)
    chars: int = Field(ge=20)  # of a degenerate reply


class SanityRules(PreferenceRules):
    """What people prefer, general abilities, degenerate output."""

    wanted_pairs: Bounds  # that people should compare
    capability_loss_max: float = Field(ge=0, lt=1)  # share of the probes (0 to 1)
    degenerate: DegenerateRules
    examples: Shown
