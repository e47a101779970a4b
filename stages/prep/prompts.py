"""prep-prompts: the assistant's prompt, the system prompt that is trained on, and the simulated user's prompt.

Written last, to a rubric that is settled. The model writes what is particular to the domain; the mechanics (roles,
variables, anchors and counters word for word, the line that names the rubric) come from templates, so that a weak
draft cannot break them. Exemplars must pass the measured criteria of the rubric.

Reads the brief, data/prep/<domain>/{frameworks,rubric}.yaml and answers mended by hand.
Writes data/prep/<domain>/prompts/{assistant,system,user_simulator}.md.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tunewright.config import PREP_PARAMS, Bounds, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.design_set import PROMPTS, file_fault
from tunewright.draft_rules import count_faults, likeness_faults, line_faults, prose_faults
from tunewright.drafting import Drafting, Expert, draft_folder, run_drafting
from tunewright.errors import DraftError, run_main
from tunewright.exemplars import exemplar_faults, stamped
from tunewright.frameworks import Frameworks, load_frameworks
from tunewright.measures import words
from tunewright.prompts import fill, render
from tunewright.records import Exchange, write_text
from tunewright.rubric import Rubric, load_rubric
from tunewright.sources import plain_text
from tunewright.terminal import Stage

PROMPT = "prompts/shared/draft_assistant.md"
EXEMPLARS_PROMPT = "prompts/shared/draft_exemplars.md"
VOICES_PROMPT = "prompts/shared/draft_voices.md"
FRAMES = {name: f"prompts/shared/frame_{name}" for name in PROMPTS}


class Config(Drafting):
    """The method's numbers for prompts."""

    ways: Bounds
    moments: Bounds
    exemplars: Bounds
    system_words: Bounds
    overlap_max: float


class When(BaseConfig):
    """A situation, and what the assistant then does."""

    when: str
    do: str


class Assistant(BaseConfig):
    """The answer: who the assistant is, how it works, what it does at particular moments."""

    role: str
    ways: tuple[When, ...]
    moments: tuple[When, ...]
    output: str


class ExemplarAnswer(BaseConfig):
    """One exchange of good work."""

    user: str
    assistant: str
    why: str


class Exemplars(BaseConfig):
    """The answer: exemplars."""

    exemplars: tuple[ExemplarAnswer, ...]


class Voices(BaseConfig):
    """The answer: the system prompt, and who is who for the simulated user."""

    system: str
    user_is: str  # "a person who writes to ..."
    assistant_is: str  # "a ...", as the user would call it
    must_not: str  # what this user never does


class Written(NamedTuple):
    """All that the model wrote."""

    assistant: Assistant
    exemplars: Exemplars
    voices: Voices


def assistant_faults(answer: Assistant, config: Config) -> Iterator[str]:
    """Numbers, and text that is not one line each or that a prompt file cannot hold."""
    yield from prose_faults("role", answer.role)
    if not answer.role.startswith("You "):
        yield f"role: begins with {answer.role[:20]!r}; begin with: You are"
    yield from line_faults("output", [answer.output])
    for name, lines, wanted in (("ways", answer.ways, config.ways), ("moments", answer.moments, config.moments)):
        yield from count_faults(name, len(lines), wanted)
        yield from line_faults(name, [text for line in lines for text in (line.when, line.do)])
    does = [line.do for line in (*answer.ways, *answer.moments)]
    yield from likeness_faults("ways and moments", does, config.overlap_max)


def exemplars_faults(answer: Exemplars, rubric: Rubric, config: Config) -> Iterator[str]:
    """Numbers, lines, likeness, and measured criteria that a reply fails."""
    yield from count_faults("exemplars", len(answer.exemplars), config.exemplars)
    for one in answer.exemplars:
        yield from line_faults("exemplar", one.model_dump().values())
        yield from exemplar_faults([Exchange(user=one.user, assistant=one.assistant)], rubric)
    yield from likeness_faults("exemplars", [e.assistant for e in answer.exemplars], config.overlap_max)


def voice_faults(answer: Voices, config: Config) -> Iterator[str]:
    """The system prompt's length, and text that a prompt file cannot hold."""
    yield from line_faults("voices", answer.model_dump().values())
    yield from count_faults("words of system", len(words(answer.system)), config.system_words)


def files(written: Written, frameworks: Frameworks, rubric: Rubric) -> dict[str, str]:
    """The text of the three prompt files."""
    anchors = frameworks.anchors
    guards = [m.counter for m in frameworks.failure_modes if m.counter not in (*anchors.always, *anchors.never)]
    assistant = fill(
        FRAMES["assistant.md"],
        draft=written.assistant,
        anchors=anchors,
        guards=guards,
        exemplars=written.exemplars.exemplars,
    )
    return {
        "assistant.md": stamped(assistant, rubric),
        "system.md": fill(FRAMES["system.md"], voices=written.voices),
        "user_simulator.md": fill(FRAMES["user_simulator.md"], voices=written.voices),
    }


async def write(expert: Expert, config: Config, brief: str, frameworks: Frameworks, rubric: Rubric) -> Written:
    """The three answers, each seeing the one before."""
    material = {"config": config, "brief": brief, "frameworks": frameworks, "rubric": rubric}
    messages = render(PROMPT, **material)
    assistant = await expert.draft("assistant", messages, Assistant, lambda a: assistant_faults(a, config))
    messages = render(EXEMPLARS_PROMPT, assistant=assistant, **material)
    exemplars = await expert.draft("exemplars", messages, Exemplars, lambda a: exemplars_faults(a, rubric, config))
    messages = render(VOICES_PROMPT, assistant=assistant, **material)
    voices = await expert.draft("voices", messages, Voices, lambda a: voice_faults(a, config))
    return Written(assistant, exemplars, voices)


def refuse_unreadable(folder: Path, names: Sequence[str]) -> None:
    """Raise DraftError when a written prompt cannot be used: its template in prompts/shared/ must be at fault."""
    for name in names:
        if fault := file_fault(name, folder / name):
            raise DraftError(f"{fault}; mend {FRAMES[name]} and run: dvc repro prep/dvc.yaml")


def main() -> None:
    """Draft the three prompts."""
    stage = Stage("prep-prompts")
    config, domain = load("prep.prompts", Config, PREP_PARAMS), load_domain(PREP_PARAMS)
    drafts = draft_folder(domain)
    frameworks, rubric = load_frameworks(str(drafts / "frameworks.yaml")), load_rubric(str(drafts / "rubric.yaml"))
    brief = plain_text(domain.brief)
    stage.start(f"{domain.id}, to rubric {rubric.fingerprint}")
    written, tally = run_drafting(config, domain, stage.address, lambda e: write(e, config, brief, frameworks, rubric))
    for name, text in files(written, frameworks, rubric).items():
        write_text(drafts / "prompts" / name, text)
    refuse_unreadable(drafts / "prompts", PROMPTS)
    stage.end(f"{len(PROMPTS)} prompts, {len(written.exemplars.exemplars)} exemplars; {tally}")


if __name__ == "__main__":
    run_main(main)
