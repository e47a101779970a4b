"""What a gate's decision rests on: the preset's bands, and conditions that each are met, not met or cannot be told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator
from scipy import stats

from tunewright.cases import Case
from tunewright.config import Config
from tunewright.proportions import Share
from tunewright.rubric import Rubric

Step = Literal["proceed", "iterate", "minor revision", "major revision", "rethink"]
State = Literal["met", "not met", "cannot tell", "not measured", "waiting"]
ENOUGH = "enough conversations"


class Band(Config):
    """From this pass rate (0 to 1) on, this decision."""

    at_least: float = Field(ge=0, lt=1)
    decision: Step


class Window(Config):
    """How many of the last batches are compared."""

    min: int = Field(ge=2)
    max: int = Field(ge=2, le=4)  # the exact test looks at every table


class Stability(Config):
    """Whether batches must agree before one proceeds; alpha is for each test."""

    required: bool
    batches: Window
    alpha: float = Field(gt=0, lt=1)


class ReadersConfig(Config):
    """`transcripts` conversations, each decided on by `readers` people; the share that must satisfy (0 to 1)."""

    readers: int = Field(ge=1)
    transcripts: int = Field(ge=0)  # 0: nobody is waited for
    satisfied_share_min: float = Field(ge=0, le=1)


class GateConfig(Config):
    """The params of generate.gate. Shares are 0 to 1."""

    stop: bool
    conversations_min: int = Field(ge=1)
    bands: tuple[Band, ...] = Field(min_length=2)
    stability: Stability
    coverage_min: float = Field(ge=0, le=1)
    open_share_max: float = Field(ge=0, le=1)
    fixup_share_max: float = Field(ge=0, le=1)
    readers: ReadersConfig
    confidence: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _from_best_to_worst(self) -> GateConfig:
        marks = [band.at_least for band in self.bands]
        if marks != sorted(set(marks), reverse=True) or marks[-1] != 0 or self.bands[0].decision != "proceed":
            found = ", ".join(f"{band.decision} at {band.at_least:g}" for band in self.bands)
            raise ValueError(f"bands go from proceed down to one at_least 0, each lower than the last; found {found}")
        return self


@dataclass(frozen=True)
class Repairs:
    """What generate-fixup found: conversations that it looked at, and those that needed repair."""

    n: int
    n_needing: int

    @property
    def share(self) -> float:
        """The share that needed repair (0 to 1)."""
        return self.n_needing / self.n if self.n else 0.0


@dataclass(frozen=True)
class Condition:
    """One thing that the decision rests on."""

    name: str
    state: State
    says: str


def enough(rate: Share | None, config: GateConfig) -> Condition:
    """Are there as many decided conversations as the preset asks for?"""
    n = rate.n if rate else 0
    says = f"{n} conversations were decided, {config.conversations_min} are needed"
    return Condition(ENOUGH, "met" if n >= config.conversations_min else "cannot tell", says)


def scored(new: Sequence[Case], config: GateConfig) -> Condition:
    """Does the rate speak of the rubric, or of a part of it?"""
    coverage = sum(case.score.coverage for case in new) / len(new) if new else 0.0
    says = f"{coverage:.0%} of the rubric's weight was scored, {config.coverage_min:.0%} are needed"
    return Condition("enough of the rubric", "met" if coverage >= config.coverage_min - 1e-9 else "cannot tell", says)


def gates_scored(new: Sequence[Case], rubric: Rubric, config: GateConfig) -> Condition:
    """Was every safety gate answered on as many conversations as the rubric's weight must be?"""
    need = config.coverage_min * len(new) - 1e-9
    silent = [g.id for g in rubric.gates if sum(g.id not in case.score.gates_unscored for case in new) < need]
    if silent or not new:
        return Condition(
            "safety was scored", "cannot tell", f"safety was hardly scored: {', '.join(silent) or 'nothing'}"
        )
    return Condition("safety was scored", "met", f"safety gates scored: {len(rubric.gates)} of {len(rubric.gates)}")


def decided(new: Sequence[Case], config: GateConfig) -> Condition:
    """Are few enough conversations open, that is, neither passed nor failed?"""
    n_open = sum(case.score.passed is None for case in new)
    says = f"{n_open} of {len(new)} conversations are open, at most {config.open_share_max:.0%} may be"
    few = n_open <= config.open_share_max * len(new) + 1e-9
    return Condition("few open conversations", "met" if few else "cannot tell", says)


def stability(window: Sequence[tuple[int, Share]], p: float | None, config: GateConfig) -> Condition:
    """Do the last batches differ by more than chance explains?"""
    name = "stable over batches"
    if p is None:
        return Condition(
            name,
            "cannot tell",
            f"{len(window)} of the {config.stability.batches.min} batches needed: raise preset.simulated_personas",
        )
    rates = ", ".join(f"{rate.count} of {rate.n}" for _, rate in window)
    says = (
        f"the last {len(window)} batches passed {rates}: {{}} (exact p = {p:.2g}){_chance(window, config.confidence)}"
    )
    if p < config.stability.alpha:
        return Condition(name, "not met", says.format("more spread than chance explains"))
    return Condition(name, "met", says.format("no more spread than chance explains"))


def _chance(window: Sequence[tuple[int, Share]], confidence: float) -> str:
    """How far two batches of this size differ by chance alone, so that nobody reads much into small ones."""
    n, count = sum(rate.n for _, rate in window), sum(rate.count for _, rate in window)
    share, size = count / n, n / len(window)
    far = float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt(2 * share * (1 - share) / size)
    return f"; two batches of this size may differ by {min(far, 1.0):.0%} by chance" if far else ""


def repairs(fixup: Repairs | None, config: GateConfig) -> Condition:
    """Do few enough conversations need repair?"""
    name = "few need repair"
    if fixup is None or not fixup.n:
        return Condition(name, "not measured", "no repair has been counted yet")
    says = f"{fixup.n_needing} of {fixup.n} need repair ({fixup.share:.0%}), at most {config.fixup_share_max:.0%} may"
    return Condition(name, "met" if fixup.share <= config.fixup_share_max + 1e-9 else "not met", says)


def blocking(holds: Sequence[Condition], readers: Sequence[Condition], config: GateConfig) -> list[Condition]:
    """What keeps a good pass rate from proceeding: too many repairs, readers who are against it, or batches that do not
    agree where they must.
    """
    stable, repaired = holds
    blocks = [stable] if config.stability.required and stable.state != "met" else []
    return blocks + [c for c in (repaired, *readers) if c.state == "not met"]


def band_at(share: float, config: GateConfig) -> Band:
    """The band that a pass rate lies in."""
    return next(band for band in config.bands if share >= band.at_least - 1e-9)


def not_excluded(rate: Share, config: GateConfig) -> tuple[Step, ...]:
    """The decisions of the other bands that the interval reaches, the best first."""
    best, worst, here = (band_at(share, config) for share in (rate.high, rate.low, rate.share))
    reached = config.bands[config.bands.index(best) : config.bands.index(worst) + 1]
    return tuple(band.decision for band in reached if band != here)


def many(n: int, what: str) -> str:
    """A number of things, in words."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
