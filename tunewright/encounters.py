"""A model under test meets people: replayed from recordings, or simulated. Used before tuning and after.

The same people, users, seeds and sampling for every model, so that a difference is the weights'; and the short system
prompt that the training data carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from tunewright.conduct import Conduct
from tunewright.config import Bounds, Config, Domain
from tunewright.errors import ConfigError
from tunewright.models import ModelSpec
from tunewright.personas import load_template
from tunewright.records import Persona, Transcript
from tunewright.runner import Job
from tunewright.simulation import Cast, Guidance, replay, simulate


class Encounters(Config):
    """Who the model meets, how, and for how long."""

    user_kind: Literal["replay", "simulated"]
    user: ModelSpec
    conversations_per_persona: int = Field(ge=1)
    exchanges: Bounds
    max_exchanges: int = Field(ge=1)
    guidance: Guidance
    conduct: Conduct
    max_failed_share: float = Field(ge=0, le=1)
    seed: int

    def cast(self, domain: Domain, assistant: ModelSpec) -> Cast:
        """The model under the system prompt that it is, or will be, trained with."""
        longest = min(int(self.exchanges.max or self.max_exchanges), self.max_exchanges)
        return Cast(
            domain=domain,
            template=load_template(domain.personas),
            user=self.user,
            assistant=assistant,
            assistant_prompt=str(Path(domain.prompts) / "system.md"),
            guidance=self.guidance,
            conduct=self.conduct,
            exchanges=Bounds(min=min(self.exchanges.min or 1, longest), max=longest),
            seed=self.seed,
        )

    def conversations(self, cast: Cast, personas: Sequence[Persona], recorded: Sequence[Transcript]) -> list[Job]:
        """One job per conversation. Ids are the same for every model: a comparison pairs on them.

        Raises ConfigError when there is nothing to do, and for imported people where a model would have to play them.
        """
        per_persona, longest = self.conversations_per_persona, self.max_exchanges
        if self.user_kind == "replay":
            pairs = recordings(personas, recorded, per_persona)
            jobs = [Job(f"pair-{t.id}", replay, (cast, p, t, 0, f"pair-{t.id}", longest)) for p, t in pairs]
        else:
            refuse_imported(personas)
            numbered = [(p, n) for p in personas for n in range(per_persona)]
            named = [(f"pair-{p.id}-{n}", p, n) for p, n in numbered]
            jobs = [Job(name, simulate, (cast, p, n, name)) for name, p, n in named]
        if not personas:
            raise ConfigError(
                "nobody to talk with: found 0 people held out, expected some; of few authored people all can fall to "
                "training: write more of them, take another seed in conf/config.yaml, or set evaluation_source: "
                "sampled and evaluation_user: simulated in conf/preset/; then run: make params"
            )
        if not jobs:
            raise ConfigError(
                f"no conversation to hold: none of the {len(personas)} personas has a recorded conversation to replay; "
                "set evaluation_user: simulated and evaluation_source: sampled in conf/preset/, add authored ones, or "
                "import logs (tunewright import) and set evaluation_source: recorded"
            )
        return jobs


def refuse_imported(personas: Sequence[Persona]) -> None:
    """Raise ConfigError for people of whom a log told too little to play them."""
    if imported := [p.id for p in personas if p.source == "imported"]:
        raise ConfigError(
            f"{len(imported)} of {len(personas)} people are imported ({imported[0]} first): their logs say nothing "
            "that a simulated user could be made from; set evaluation_user: replay in conf/preset/"
        )


def recordings(
    personas: Sequence[Persona], recorded: Sequence[Transcript], per_persona: int
) -> list[tuple[Persona, Transcript]]:
    """Each persona's first `per_persona` recorded conversations, by id."""
    by_persona = {p.id: sorted((t for t in recorded if t.persona_id == p.id), key=lambda t: t.id) for p in personas}
    return [(p, t) for p in personas for t in by_persona[p.id][:per_persona]]
