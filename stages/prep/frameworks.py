"""prep-frameworks: ways of working and documented failures of the domain, from its brief and source documents.

Everything after this rests on it, so it is concrete: named techniques with snippets of conversation, failures with
instances and a sentence that guards against each.

Reads the brief, prompts/<domain>/sources and answers mended by hand. Writes data/prep/<domain>/research.yaml.
"""

from collections.abc import Iterator
from pathlib import Path

from tunewright.config import PREP_PARAMS, Bounds, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.draft_rules import count_faults, likeness_faults, line_faults, name_faults
from tunewright.drafting import Drafting, Expert, draft_folder, run_drafting, write_yaml
from tunewright.errors import run_main
from tunewright.frameworks import FailureMode, Framework, Research
from tunewright.prompts import render
from tunewright.sources import Source, SourceLimits, read_brief, read_sources
from tunewright.terminal import Stage

PROMPT = "prompts/shared/draft_frameworks.md"
FAILURES_PROMPT = "prompts/shared/draft_failures.md"


class Config(Drafting):
    """The method's numbers for frameworks."""

    sources: SourceLimits
    frameworks: Bounds
    snippets_min: int
    failure_modes: Bounds
    overlap_max: float


class Ways(BaseConfig):
    """The answer: frameworks."""

    frameworks: tuple[Framework, ...]


class Failures(BaseConfig):
    """The answer: failure modes."""

    failure_modes: tuple[FailureMode, ...]


def framework_faults(ways: Ways, config: Config) -> Iterator[str]:
    """Too few or too many, one named twice, one without enough snippets to learn its sound from."""
    yield from count_faults("frameworks", len(ways.frameworks), config.frameworks)
    yield from name_faults("frameworks", [f.name for f in ways.frameworks])
    for one in ways.frameworks:
        wanted = Bounds(min=config.snippets_min)
        yield from count_faults(f"snippets of {one.name}", len(one.snippets), wanted)
        replies = [snippet.assistant for snippet in one.snippets]
        yield from likeness_faults(f"snippets of {one.name}", replies, config.overlap_max)


def failure_faults(failures: Failures, config: Config) -> Iterator[str]:
    """Too few or too many, one named twice, counters that are not lines of their own."""
    modes = failures.failure_modes
    yield from count_faults("failure_modes", len(modes), config.failure_modes)
    yield from name_faults("failure_modes", [mode.name for mode in modes])
    counters = [mode.counter for mode in modes]
    yield from line_faults("counter", counters)
    yield from likeness_faults("counters", counters, config.overlap_max)


async def research(expert: Expert, config: Config, brief: str, sources: list[Source]) -> Research:
    """Frameworks first, then how chat models fail at them."""
    material = {"config": config, "brief": brief, "sources": sources}
    ways = await expert.draft("frameworks", render(PROMPT, **material), Ways, lambda a: framework_faults(a, config))
    messages = render(FAILURES_PROMPT, frameworks=ways.frameworks, **material)
    failures = await expert.draft("failure_modes", messages, Failures, lambda a: failure_faults(a, config))
    return Research(frameworks=ways.frameworks, failure_modes=failures.failure_modes)


def main() -> None:
    """Draft the domain's research."""
    stage = Stage("prep-frameworks")
    config, domain = load("prep.frameworks", Config, PREP_PARAMS), load_domain(PREP_PARAMS)
    brief = read_brief(domain.brief, config.sources.brief_words_min)
    sources = read_sources(Path(domain.prompts) / "sources", config.sources)
    stage.start(f"{domain.id}, {len(sources)} source documents, expert {config.expert.model}")
    for source in sources:
        stage.note(source.note)
    found, tally = run_drafting(config, domain, stage.address, lambda e: research(e, config, brief, sources))
    write_yaml(draft_folder(domain) / "research.yaml", found, "What anchors, rubric and prompts are derived from.")
    stage.end(f"{len(found.frameworks)} frameworks, {len(found.failure_modes)} failure modes; {tally}")


if __name__ == "__main__":
    run_main(main)
