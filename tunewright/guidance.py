"""What the simulated user is told: who it is, and what to do in this one message.

Drawn from a generator seeded by persona, sample and turn, so that every turn has the same request in every run.
"""

from __future__ import annotations

import random
from typing import Any, TypedDict

from pydantic import Field, model_validator

from tunewright.config import Config
from tunewright.personas import PersonaTemplate
from tunewright.records import Persona, stable_seed


class Guidance(Config):
    """What the simulated user does in its messages: stages of the conversation and kinds of response, as shares."""

    early_share: float = Field(ge=0, le=1)
    late_share: float = Field(ge=0, le=1)
    responses: dict[str, float]

    @model_validator(mode="after")
    def _sums(self) -> Guidance:
        if abs(sum(self.responses.values()) - 1) > 1e-6:
            raise ValueError(f"responses sum to {sum(self.responses.values()):g}, expected 1")
        return self


class Direction(Config):
    """The direction for one message of the simulated user."""

    stage: str
    response: str
    flaws: tuple[str, ...]


def direction(persona: Persona, sample: int, turn: int, total: int, guidance: Guidance, seed: int) -> Direction:
    """The direction for message `turn` (from 1) of `total`. Flaws are drawn per message, not per conversation."""
    rng = random.Random(stable_seed("direction", seed, persona.id, sample, turn))
    position = turn / total
    stage = "early" if position <= guidance.early_share else "late" if position > 1 - guidance.late_share else "middle"
    response = "opens" if turn == 1 else rng.choices(list(guidance.responses), list(guidance.responses.values()))[0]
    flaws = tuple(flaw.id for flaw in persona.flaws if rng.random() < flaw.probability)
    return Direction(stage=stage if turn > 1 else "early", response=response, flaws=flaws)


class SimulatorVariables(TypedDict):
    """What the user simulator's prompt may refer to."""

    persona: dict[str, Any]
    style: dict[str, Any]
    flaws: dict[str, str]
    trajectory: str
    direction: dict[str, Any]
    last_reply: str
    days_between_exchanges: int
    turn: int
    total: int


def simulator_variables(
    persona: Persona,
    template: PersonaTemplate,
    now: Direction,
    last_reply: str,
    days_between_exchanges: int,
    turn: int,
    total: int,
) -> SimulatorVariables:
    """The variables of the user simulator's prompt for one message."""
    return {
        "persona": persona.model_dump(),
        "style": template.styles[persona.style].model_dump(),
        "flaws": {f.id: template.flaws.kinds[f.id] for f in persona.flaws if f.id in template.flaws.kinds},
        "trajectory": template.trajectory[persona.trajectory].text,
        "direction": now.model_dump(),
        "last_reply": last_reply,
        "days_between_exchanges": days_between_exchanges,
        "turn": turn,
        "total": total,
    }
