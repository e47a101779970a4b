"""What the simulated user is told: who it is, and what to do in this one message.

Drawn from a generator seeded by persona, sample and turn, so that every turn has the same request in every run. A
trajectory moves the situation, never the manner: it names for each stage where things may stand, and one is drawn for
each message.
"""

from __future__ import annotations

import random
from typing import Annotated, Any, Literal, TypedDict, get_args

from pydantic import Field, model_validator

from tunewright.config import Config
from tunewright.errors import ConfigError
from tunewright.personas import PersonaTemplate
from tunewright.records import Persona, stable_seed

Stage = Literal["early", "middle", "late"]
Situation = Literal["same", "better", "much_better", "worse", "much_worse"]
STAGES: tuple[Stage, ...] = get_args(Stage)
SITUATIONS: tuple[Situation, ...] = get_args(Situation)


class Guidance(Config):
    """What the simulated user does in its messages: stages of the conversation and kinds of response, as shares.

    `situations`: by trajectory and stage, where things stand against the start; one is drawn for each message.
    """

    early_share: float = Field(ge=0, le=1)
    late_share: float = Field(ge=0, le=1)
    responses: dict[str, Annotated[float, Field(ge=0)]]
    situations: dict[str, dict[Stage, tuple[Situation, ...]]]

    @model_validator(mode="after")
    def _sums(self) -> Guidance:
        if abs(sum(self.responses.values()) - 1) > 1e-6:
            raise ValueError(f"responses: found a sum of {sum(self.responses.values()):g}, expected 1")
        if lacking := [name for name, stages in self.situations.items() if not all(stages.get(s) for s in STAGES)]:
            raise ValueError(
                f"situations of {', '.join(lacking)}: found a stage without any, expected one or more for each "
                f"of {', '.join(STAGES)}"
            )
        return self

    def situations_of(self, trajectory: str, stage: Stage) -> tuple[Situation, ...]:
        """Where things may stand; raises ConfigError for a trajectory that the configuration does not know."""
        if trajectory not in self.situations:
            raise ConfigError(
                f"conf/config.yaml: generate.transcripts.guidance.situations: found {', '.join(self.situations)}, "
                f"expected {trajectory!r} too, a persona's trajectory; add it and run: make params"
            )
        return self.situations[trajectory][stage]


class Direction(Config):
    """The direction for one message of the simulated user."""

    stage: Stage
    response: str
    flaws: tuple[str, ...]
    situation: Situation


def direction(persona: Persona, sample: int, turn: int, total: int, guidance: Guidance, seed: int) -> Direction:
    """The direction for message `turn` (from 1) of `total`. Flaws are drawn per message, not per conversation."""
    rng = random.Random(stable_seed("direction", seed, persona.id, sample, turn))
    position = turn / total
    stage: Stage = "late" if position > 1 - guidance.late_share else "middle"
    if turn == 1 or position <= guidance.early_share:
        stage = "early"
    response = "opens" if turn == 1 else rng.choices(list(guidance.responses), list(guidance.responses.values()))[0]
    flaws = tuple(flaw.id for flaw in persona.flaws if rng.random() < flaw.probability)
    situation = rng.choice(guidance.situations_of(persona.trajectory, stage))
    return Direction(stage=stage, response=response, flaws=flaws, situation=situation)


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
