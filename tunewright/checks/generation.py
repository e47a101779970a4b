"""Checks of how conversations are made and cut: the simulated user's directions, lengths, slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tunewright.checks.checklist import Check, Fault, Place, faultless, percent, share
from tunewright.config import Bounds, Config
from tunewright.guidance import Guidance

AGENTS = "METHOD 3: two agents"
SLICES = "METHOD 3: slices"


class GenerationBounds(Config):
    """The method's numbers; shares from 0 to 1."""

    responses: dict[str, Bounds]
    stage_share: Bounds
    exchanges: Bounds
    first_slice: Bounds
    slice_gap: Bounds
    example_tokens_max: int


class Slices(Config):
    """The params of generate.slices that the method bounds."""

    first_exchange: int
    gap: Bounds
    max_tokens: int


def check_generation(
    guidance: Guidance, exchanges: Bounds, slices: Slices, bounds: GenerationBounds, places: Mapping[str, Place]
) -> Iterator[Check]:
    """The params of generate.transcripts and generate.slices; `places` by key of those."""
    yield responses(guidance, bounds.responses, places["responses"])
    for side in ("early", "late"):
        found = getattr(guidance, f"{side}_share")
        yield share(f"{side} stage", AGENTS, found, bounds.stage_share, places[f"{side}_share"])
    yield inside("exchanges of a conversation", AGENTS, exchanges, bounds.exchanges, places["exchanges"])
    first = Bounds(min=slices.first_exchange, max=slices.first_exchange)
    yield inside("first slice", SLICES, first, bounds.first_slice, places["first_exchange"])
    yield inside("gaps between slices", SLICES, slices.gap, bounds.slice_gap, places["gap"])
    fits, wanted = slices.max_tokens <= bounds.example_tokens_max, bounds.example_tokens_max
    evidence = f"{slices.max_tokens} tokens, wanted at most {wanted}"
    yield Check("tokens of an example", "METHOD 2: token economics", fits, evidence, places["max_tokens"])


def responses(guidance: Guidance, wanted: Mapping[str, Bounds], place: Place) -> Check:
    """The simulated user mostly does not just answer."""
    found = guidance.responses
    faults = [
        Fault(f"{kind} {found.get(kind, 0.0):.0%}, wanted {percent(bounds)}", place)
        for kind, bounds in wanted.items()
        if not bounds.holds(found.get(kind, 0.0))
    ]
    evidence = ", ".join(f"{kind} {weight:.0%}" for kind, weight in found.items())
    return faultless("responses of the simulated user", AGENTS, faults, evidence, place)


def inside(name: str, method: str, found: Bounds, wanted: Bounds, place: Place) -> Check:
    """Whether a range has two ends and lies within another."""
    fits = all(side is not None and wanted.holds(side) for side in (found.min, found.max))
    shown = f"{found.min:g}" if found.min is not None and found.min == found.max else str(found)
    return Check(name, method, fits, f"{shown}, wanted within {wanted}", place)
