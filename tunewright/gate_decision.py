"""Go on, or change something first: the method's decision by pass rate, with what it rests on and what would change it.

The bands stand in conf/preset: a tight loop asks for more than a pilot. The rate decides, its interval says which
other bands are not excluded, and conditions hold a decision back or leave it open. Unscored is not failed: where too
little was scored the decision is "cannot tell", whatever the rate says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tunewright.cases import Case, by_batch, pass_rate
from tunewright.gate_conditions import (
    ENOUGH,
    Band,
    Condition,
    GateConfig,
    Repairs,
    Step,
    band_at,
    blocking,
    decided,
    enough,
    gates_scored,
    many,
    not_excluded,
    repairs,
    scored,
    stability,
)
from tunewright.gate_readers import Readership, safe, satisfied
from tunewright.proportions import Share, Trend, falling_trend, homogeneity_p, n_to_settle
from tunewright.rubric import Rubric

WAITING = "waiting for readers"
Decision = Step | Literal["cannot tell", "waiting for readers"]
TREND_MIN = 3  # batches; two have no course


@dataclass(frozen=True)
class Batch:
    """One batch of people: conversations, how many are open, the pass rate of the decided ones."""

    number: int
    n: int
    n_open: int
    rate: Share | None


@dataclass(frozen=True)
class Gate:
    """The decision. `not_excluded`: decisions of other bands that the interval reaches.

    `by_readers`: the conditions of gate_readers, on being satisfied and on safety.
    """

    decision: Decision
    reason: str
    n: int
    rate: Share | None
    not_excluded: tuple[Step, ...]
    batches: tuple[Batch, ...]
    homogeneity_p: float | None
    trend: Trend | None
    conditions: tuple[Condition, ...]
    by_readers: tuple[Condition, ...]
    warnings: tuple[str, ...]
    would_change: tuple[str, ...]


def decide(
    new: Sequence[Case], rubric: Rubric, config: GateConfig, fixup: Repairs | None, readership: Readership
) -> Gate:
    """The gate's decision on the conversations under test; `fixup` is None before generate-fixup has run."""
    rate, batches = pass_rate(new, config.confidence), batches_of(new, config.confidence)
    window = last_batches(batches, config.stability.batches.max)
    p = agreement_p(window) if len(window) >= config.stability.batches.min else None
    trend = _trend(batches)
    gaps = [enough(rate, config), scored(new, config), gates_scored(new, rubric, config), decided(new, config)]
    holds = [stability(window, p, config), repairs(fixup, config)]
    readers = [satisfied(readership, config.readers), safe(readership)]
    decision, reason = conclude(rate, gaps, holds, readers, config)
    return Gate(
        decision=decision,
        reason=reason,
        n=len(new),
        rate=rate,
        not_excluded=not_excluded(rate, config) if rate else (),
        batches=batches,
        homogeneity_p=p,
        trend=trend,
        conditions=(*gaps, *holds),
        by_readers=tuple(readers),
        warnings=tuple(warnings(trend, batches, p, config)),
        would_change=tuple(would_change(rate, gaps, holds, readers, config)),
    )


def batches_of(new: Sequence[Case], confidence: float) -> tuple[Batch, ...]:
    """Every batch with its pass rate."""
    return tuple(
        Batch(number, len(cases), sum(c.score.passed is None for c in cases), pass_rate(cases, confidence))
        for number, cases in by_batch(new).items()
    )


def last_batches(batches: Sequence[Batch], most: int) -> list[tuple[int, Share]]:
    """The last batches in which something was decided: their numbers and rates."""
    return [(batch.number, batch.rate) for batch in batches if batch.rate][-most:]


def agreement_p(window: Sequence[tuple[int, Share]]) -> float:
    """The exact p of "these batches have one pass rate"."""
    return homogeneity_p([rate.count for _, rate in window], [rate.n for _, rate in window])


def _trend(batches: Sequence[Batch]) -> Trend | None:
    rates = [batch.rate for batch in batches if batch.rate]
    return falling_trend([r.count for r in rates], [r.n for r in rates]) if len(rates) >= TREND_MIN else None


def conclude(
    rate: Share | None,
    gaps: Sequence[Condition],
    holds: Sequence[Condition],
    readers: Sequence[Condition],
    config: GateConfig,
) -> tuple[Decision, str]:
    """The decision and its reason: gaps first, then the rate's band, then what holds a best band back, readers last."""
    missing = [gap.says for gap in gaps if gap.state != "met"]
    others = f"; {many(len(missing) - 1, 'other condition')} cannot be told either" if len(missing) > 1 else ""
    if rate is None:
        return "cannot tell", f"{missing[0]}{others}"
    band = band_at(rate.share, config)
    found = f"{rate.count} of {rate.n} passed ({rate.share:.0%}, interval {rate.low:.0%} to {rate.high:.0%})"
    open_bands = not_excluded(rate, config)
    doubt = f"the interval does not exclude: {', '.join(open_bands)}" if open_bands else "so says the whole interval"
    if missing:
        return "cannot tell", f"{missing[0]}{others}. So far {found}; that alone would mean: {band.decision}; {doubt}"
    if band == config.bands[0]:
        if held := [c.says for c in blocking(holds, readers, config)]:
            return config.bands[1].decision, f"{found}, enough to proceed, but {'; '.join(held)}"
        if waiting := [c.says for c in readers if c.state == "waiting"]:
            return WAITING, f"{found}, enough to proceed, but {waiting[0]}"
    return band.decision, f"{found}: {_meaning(band, config)}; {doubt}"


def _meaning(band: Band, config: GateConfig) -> str:
    place = config.bands.index(band)
    if place == len(config.bands) - 1:
        return f"under {config.bands[place - 1].at_least:.0%}"
    upper = f", under {config.bands[place - 1].at_least:.0%}" if place else ""
    return f"{band.at_least:.0%} or more{upper}"


def warnings(trend: Trend | None, batches: Sequence[Batch], p: float | None, config: GateConfig) -> list[str]:
    """What to look at whatever the decision: a falling rate, batches that differ."""
    found = []
    if trend and trend.p_falling < config.stability.alpha:
        rates = ", ".join(f"{batch.rate.share:.0%}" for batch in batches if batch.rate)
        found.append(f"the pass rate falls from batch to batch: {rates} (Cochran-Armitage, p = {trend.p_falling:.2g})")
    if p is not None and p < config.stability.alpha:
        found.append("the last batches differ by more than chance explains: read the worst against the best")
    return found


def would_change(
    rate: Share | None,
    gaps: Sequence[Condition],
    holds: Sequence[Condition],
    readers: Sequence[Condition],
    config: GateConfig,
) -> list[str]:
    """In words, with numbers: what would have to be otherwise for another decision."""
    missing = {gap.name for gap in gaps if gap.state != "met"}
    found = []
    if ENOUGH in missing:
        more = many(config.conversations_min - (rate.n if rate else 0), "more decided conversation")
        found.append(f"{more} ({config.conversations_min} in all): raise preset.simulated_personas")
    if missing - {ENOUGH}:
        found.append(
            "answers to the judged criteria: judges that calibration trusts (reports/judge-calibration.md), asked on "
            "every conversation (preset.judged_transcripts: null)"
        )
    if rate and not missing:
        found += _other_rates(rate, config)
        if band_at(rate.share, config) == config.bands[0]:
            found += [f"{hold.name}: {hold.says}" for hold in blocking(holds, readers, config)]
            found += [f"{c.name}: {c.says}" for c in readers if c.state == "waiting"][:1]
    return found + (_more_conversations(rate, config) if rate else [])


def _other_rates(rate: Share, config: GateConfig) -> list[str]:
    """How many more or fewer of these conversations would have to pass for the next band up or down."""
    place = config.bands.index(band_at(rate.share, config))
    found = []
    if place:
        better = config.bands[place - 1]
        k = math.ceil(better.at_least * rate.n - 1e-9) - rate.count
        found.append(f"{better.decision}: with {k} more of these {rate.n} passing")
    if place < len(config.bands) - 1:
        k = rate.count - math.ceil(config.bands[place].at_least * rate.n - 1e-9) + 1
        found.append(f"{config.bands[place + 1].decision}: with {k} fewer of these {rate.n} passing")
    return found


def _more_conversations(rate: Share, config: GateConfig) -> list[str]:
    """How many more conversations at this rate would leave one band only; nothing where the preset's least would."""
    marks = [band.at_least for band in config.bands[:-1]]
    least, effect = max(rate.n, config.conversations_min), rate.n / rate.n_effective
    independent = n_to_settle(rate.share, marks, math.ceil(least / effect), config.confidence)
    if independent is None:
        return ["this rate lies so close to the edge of its band that no number of conversations would settle it"]
    n = math.ceil(independent * effect - 1e-9)
    if n <= least:
        return []
    return [f"{many(n - rate.n, 'more conversation')} ({n} in all) at this rate would leave one decision only"]
