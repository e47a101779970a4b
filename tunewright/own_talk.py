"""A domain's own conversations before anything is generated: to count tokens on, and to compare tokenizers on."""

from __future__ import annotations

from tunewright.authored import load_authored
from tunewright.calibration import labelled_examples, load_calibration
from tunewright.config import Domain
from tunewright.records import Transcript


def own_conversations(domain: Domain) -> list[Transcript]:
    """The authored conversations; where there are none yet, those of the calibration examples."""
    if authored := load_authored(domain)[1]:
        return authored
    examples = labelled_examples(load_calibration(domain.calibration), [], domain.calibration)
    return [
        Transcript(
            id=f"example-{number}",
            domain=domain.id,
            persona_id=f"example-{number}",
            user_kind="authored",
            assistant="author",
            user="author",
            exchanges=exchanges,
        )
        for number, exchanges in enumerate(dict.fromkeys(e.exchanges for e in examples), 1)
    ]
