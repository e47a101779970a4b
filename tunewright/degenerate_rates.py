"""How often each side's replies are degenerate, and whether one side's are more often: paired, in clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunewright.degenerate import KINDS, MEANING, DegenerateRules, Said, examples, kinds_of
from tunewright.pairing import SIDES, TalkPair
from tunewright.probes import Answered
from tunewright.proportions import share_of
from tunewright.rounding import as_json
from tunewright.statistics import clustered_mean


@dataclass(frozen=True)
class SideShare:
    """Replies of one side that are so (share 0 to 1), with Wilson's interval at the effective n."""

    count: int
    n: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedShare:
    """Both sides, and tuned minus base over the same places. None where no difference varies between clusters."""

    base: SideShare
    tuned: SideShare
    difference: float
    low: float | None
    high: float | None
    p_value: float | None


def of_talks(pairs: Sequence[TalkPair]) -> dict[str, list[Said]]:
    """The replies of both sides of the evaluated conversations, at the exchanges that both have."""
    found: dict[str, list[Said]] = {side: [] for side in SIDES}
    for pair in pairs:
        for number, both in enumerate(zip(pair.base.exchanges, pair.tuned.exchanges, strict=False), 1):
            for side, exchange in zip(SIDES, both, strict=True):
                said = Said(f"{pair.id}#{number}", pair.base.persona_id, exchange.assistant, exchange.cut)
                found[side].append(said)
    return found


def of_probes(base: Sequence[Answered], tuned: Sequence[Answered]) -> dict[str, list[Said]]:
    """The replies of both sides to the probes that both answered, each a cluster of its own."""
    there = {one.probe: one for one in tuned if one.passed is not None}
    both = [(one, there[one.probe]) for one in base if one.passed is not None and one.probe in there]
    return {
        side: [Said(a.probe, a.probe, a.reply, a.finish_reason == "length") for a in answers]
        for side, answers in zip(SIDES, ([b for b, _ in both], [t for _, t in both]), strict=True)
    }


def degenerate_numbers(
    sources: Mapping[str, Mapping[str, Sequence[Said]]],
    rules: DegenerateRules,
    confidence: float,
    shown: tuple[int, int],
) -> dict[str, Any]:
    """Everything that is said about degenerate replies. `shown`: examples of a kind, and characters of each."""
    numbers: dict[str, Any] = {"rules": rules.model_dump(), "kinds": MEANING}
    rows: list[dict[str, Any]] = []
    for where, sides in sources.items():
        found = {side: [kinds_of(said, rules) for said in replies] for side, replies in sides.items()}
        clusters = [said.cluster for said in sides["base"]]
        numbers[where] = as_json(_rates(found, clusters, confidence))
        for side in SIDES:
            rows += examples(where, side, sides[side], found[side], *shown)
    return numbers | {"examples": rows}


def _rates(found: Mapping[str, Sequence[set[str]]], clusters: Sequence[str], confidence: float) -> dict[str, Any]:
    if not clusters:
        return {"n_replies": 0, "kinds": {}, "any": None}

    def paired(kind: str | None) -> PairedShare:
        hits = {side: [bool(kinds) if kind is None else kind in kinds for kinds in found[side]] for side in SIDES}
        return paired_share(hits["base"], hits["tuned"], clusters, confidence)

    kinds = {kind: paired(kind) for kind in KINDS}
    return {"n_replies": len(clusters), "kinds": kinds, "any": paired(None)}


def paired_share(
    base: Sequence[bool], tuned: Sequence[bool], clusters: Sequence[str], confidence: float
) -> PairedShare:
    """Both shares, and their difference with a t interval clustered as everywhere (arXiv 2411.00640)."""
    one, other = (share_of(hits, clusters, confidence) for hits in (base, tuned))
    before, after = (SideShare(s.count, s.n, s.share, s.low, s.high) for s in (one, other))
    difference = other.share - one.share
    if len(set(clusters)) < 2:
        return PairedShare(before, after, difference, None, None, None)
    mean = clustered_mean([float(t) - float(b) for b, t in zip(base, tuned, strict=True)], clusters, confidence)
    found = (mean.low, mean.high, mean.p) if mean.has_variation else (None, None, None)
    return PairedShare(before, after, difference, *found)
