"""Checks of the authored conversations: enough, of allowed length, within word limits, passing the measures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tunewright.checks.checklist import Check, Fault, Place, faultless, share
from tunewright.config import Bounds
from tunewright.measures import words
from tunewright.records import Persona, Transcript
from tunewright.rubric import Rubric
from tunewright.verdict_rules import failed_measures

METHOD = "METHOD 1: exemplars"


def check_exemplars(
    people: Sequence[Persona],
    transcripts: Sequence[Transcript],
    rubric: Rubric,
    exemplars_min: int,
    exchanges: Bounds,
    edge_case_share: Bounds,
    path: str,
) -> Iterator[Check]:
    """Everything that authored conversations alone show; a domain that wants none may have none."""
    n = len(transcripts)
    evidence = f"{n or 'none'}; wanted {exemplars_min} or more"
    yield Check("authored conversations", METHOD, n >= exemplars_min, evidence, Place(path))
    if not transcripts:
        return
    persona = {p.id: p for p in people}
    places = {t.id: Place(path, number) for number, t in enumerate(transcripts, 1)}
    lengths = [len(t.exchanges) for t in transcripts]
    faults = [
        Fault(f"{t.id} has {len(t.exchanges)} exchanges, wanted {exchanges}", places[t.id])
        for t in transcripts
        if not exchanges.holds(len(t.exchanges))
    ]
    evidence = f"{min(lengths)} to {max(lengths)} exchanges, wanted {exchanges}"
    yield faultless("authored lengths", "METHOD 3: two agents", faults, evidence, Place(path))
    edge = sum(persona[t.persona_id].edge_case is not None for t in transcripts) / n
    yield share("authored edge cases", "METHOD 2: taxonomy", edge, edge_case_share, Place(path))
    faults = [
        Fault(f"{t.id} exchange {number}: {n_words} words, wanted {p.min_words} to {p.max_words}", places[t.id])
        for t in transcripts
        for number, exchange in enumerate(t.exchanges, 1)
        if not (p := persona[t.persona_id]).min_words <= (n_words := len(words(exchange.user))) <= p.max_words
    ]
    evidence = f"all {sum(lengths)} user messages are within their writer's limits"
    yield faultless("authored word limits", "METHOD 2: personas", faults, evidence, Place(path))
    faults = [
        Fault(f"{t.id} fails {criterion}: {why}", places[t.id])
        for t in transcripts
        for criterion, why in failed_measures(t.exchanges, rubric).items()
    ]
    yield faultless(
        "authored conversations pass", METHOD, faults, f"all {n} pass every measured criterion", Place(path)
    )
