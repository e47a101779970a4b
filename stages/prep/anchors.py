"""prep-anchors: what the assistant always and never does, as observable behaviour, from the domain's research.

"Be empathetic" cannot be seen in a transcript; "Name the feeling before any suggestion" can. The anchors go word for
word into the assistant prompt.

Reads the brief, data/prep/<domain>/research.yaml and answers mended by hand. Writes data/prep/<domain>/frameworks.yaml.
"""

from collections.abc import Iterator

from tunewright.config import PREP_PARAMS, Bounds, load, load_domain, load_file
from tunewright.draft_rules import count_faults, likeness_faults, line_faults, opening_faults
from tunewright.drafting import Drafting, Expert, draft_folder, run_drafting, write_yaml
from tunewright.errors import run_main
from tunewright.frameworks import Anchors, Frameworks, Research
from tunewright.prompts import render
from tunewright.sources import plain_text
from tunewright.terminal import Stage

PROMPT = "prompts/shared/draft_anchors.md"


class Config(Drafting):
    """The method's numbers for anchors."""

    always: Bounds
    never: Bounds
    overlap_max: float
    not_openings: tuple[str, ...]


def anchor_faults(anchors: Anchors, config: Config) -> Iterator[str]:
    """Too few or too many, not one line, not begun with a verb, two that check the same."""
    for name, texts, wanted in (("always", anchors.always, config.always), ("never", anchors.never, config.never)):
        yield from count_faults(name, len(texts), wanted)
        yield from line_faults(name, texts)
        yield from opening_faults(name, texts, config.not_openings)
    yield from likeness_faults("anchors", [*anchors.always, *anchors.never], config.overlap_max)


async def with_anchors(expert: Expert, config: Config, brief: str, research: Research) -> Frameworks:
    """The research with anchors."""
    messages = render(PROMPT, config=config, brief=brief, research=research)
    anchors = await expert.draft("anchors", messages, Anchors, lambda a: anchor_faults(a, config))
    return Frameworks(**research.model_dump(), anchors=anchors)


def main() -> None:
    """Draft the anchors."""
    stage = Stage("prep-anchors")
    config, domain = load("prep.anchors", Config, PREP_PARAMS), load_domain(PREP_PARAMS)
    research = load_file(draft_folder(domain) / "research.yaml", Research)
    brief = plain_text(domain.brief)
    stage.start(f"{domain.id}, {len(research.failure_modes)} failure modes to guard against")
    found, tally = run_drafting(config, domain, stage.address, lambda e: with_anchors(e, config, brief, research))
    comment = f"What the prompts and the rubric of {domain.id} rest on. Anchors and counters stand in assistant.md."
    write_yaml(draft_folder(domain) / "frameworks.yaml", found, comment)
    stage.end(f"{len(found.anchors.always)} always, {len(found.anchors.never)} never; {tally}")


if __name__ == "__main__":
    run_main(main)
