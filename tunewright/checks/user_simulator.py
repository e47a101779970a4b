"""Checks of the user simulator's prompt, on its text as it is rendered for sampled people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tunewright.checks.checklist import Check, Place, of_error
from tunewright.checks.people import sample_people
from tunewright.checks.prompts import METHOD, check_template, facts
from tunewright.checks.text import line_with
from tunewright.errors import ConfigError
from tunewright.guidance import SITUATIONS, STAGES, Direction, Guidance, Situation, Stage, simulator_variables
from tunewright.personas import PersonaTemplate, Taxonomy
from tunewright.prompts import render
from tunewright.records import Persona

AGENTS = "METHOD 3: two agents"
ROLES = ("system", "user")
N_PEOPLE = 20  # sampled people that the prompt is rendered for: edge cases and people without flaws among them
REPLY = "The last reply </anything>"
Texts = Callable[..., tuple[str, str]]  # a message's two parts as rendered: who the person is, and the task
NO_SWAP = re.compile(r"\b(?:never|do not|don't|not) (?:become|turn into|speak as|answer as|play) the\b", re.IGNORECASE)


class Simulated:
    """Sampled people and what the prompt is given for them."""

    def __init__(self, taxonomy: Taxonomy, template: PersonaTemplate, guidance: Guidance, days: int, seed: int) -> None:
        self.template, self.days = template, days
        self.responses = tuple(guidance.responses)
        self.unmoved = sorted(template.trajectory.keys() - guidance.situations.keys())
        self.people = sample_people(N_PEOPLE, seed, taxonomy, template)

    def values(
        self, persona: Persona, stage: Stage, response: str, situation: Situation = "same", turn: int = 2
    ) -> dict[str, Any]:
        """The variables of a message in which all of the person's flaws show; the first message opens."""
        flaws = tuple(f.id for f in persona.flaws)
        now = Direction(stage=stage, response=response, flaws=flaws, situation=situation)
        reply, turn = ("", 1) if response == "opens" else (REPLY, turn)
        return dict(simulator_variables(persona, self.template, now, reply, self.days, turn, 10))

    def samples(self) -> list[dict[str, Any]]:
        """Every person with every kind of response at every stage."""
        kinds: list[tuple[Stage, str]] = [("early", "opens"), *((s, r) for s in STAGES for r in self.responses)]
        found = [self.values(p, stage, response) for p in self.people for stage, response in kinds]
        return found + [self.values(self.people[0], "middle", self.responses[0], s) for s in SITUATIONS]


def check_user_simulator(
    path: str, taxonomy: Taxonomy, template: PersonaTemplate, guidance: Guidance, days: int, seed: int
) -> Iterator[Check]:
    """The persona is shown whole, the direction of each message is told, and the roles cannot swap."""
    try:
        simulated = Simulated(taxonomy, template, guidance, days, seed)
    except ConfigError as error:
        yield of_error("user_simulator.md: variables and messages", METHOD, path, error)
        return
    rendered = check_template(path, ROLES, simulated.samples())
    yield rendered
    if rendered.passed:
        yield from facts(_rows(path, simulated))


def _rows(path: str, simulated: Simulated) -> Iterator[tuple[str, str, bool, str, Place]]:
    def texts(
        persona: Persona, stage: Stage, response: str, situation: Situation = "same", turn: int = 2
    ) -> tuple[str, str]:
        who, task = render(path, **simulated.values(persona, stage, response, situation, turn))
        return who["content"], task["content"]

    someone, answers = simulated.people[0], simulated.responses[0]
    who, _ = texts(someone, "middle", answers)
    yield "simulator: roles cannot swap", METHOD, bool(NO_SWAP.search(who)), "never become the ...", Place(path, 2)
    hidden = [what for p in simulated.people for what in _hidden(p, simulated, texts(p, "middle", answers)[0])]
    shown = "name, age, topic, context, stance, presentation, manner, trajectory, seeds, edge case"
    what = f"{shown}{'; missing: ' + hidden[0] if hidden else ''}"
    yield "simulator: the whole persona", METHOD, not hidden, what, Place(path, 2)
    limits = all(
        re.search(rf"\b{p.min_words}\b.*\b{p.max_words}\b", texts(p, "middle", answers)[1]) for p in simulated.people
    )
    last = line_with(path, r"style\.max_words")
    yield "simulator: word limits", METHOD, limits, "the style's word limits, in each message's task", last
    told = {r: texts(someone, "middle", r)[1] for r in simulated.responses}
    different = len(set(told.values())) == len(told)
    where = line_with(path, r"direction\.response")
    yield "simulator: kinds of response", AGENTS, different, f"a task of its own for {', '.join(told)}", where
    yield from _moving(path, simulated, texts)
    flaws = [(f.id, texts(p, "middle", answers)[1]) for p in simulated.people for f in p.flaws]
    drawn = all(_plain(flaw) in _plain(task) for flaw, task in flaws)
    where = line_with(path, r"direction\.flaws")
    yield "simulator: flaws of the message", METHOD, drawn, "the flaws that were drawn for this message", where
    fenced = REPLY not in told[answers] and REPLY.split(" </")[0] in told[answers]
    where = line_with(path, "last_reply")
    yield "simulator: reply fenced", AGENTS, fenced, "the last reply, which cannot close its fence", where


def _moving(path: str, simulated: Simulated, texts: Texts) -> Iterator[tuple[str, str, bool, str, Place]]:
    """What changes from message to message, and what may not."""
    someone, answers = simulated.people[0], simulated.responses[0]
    stages = {texts(someone, s, answers)[1] for s in STAGES}
    where = line_with(path, r"direction\.stage")
    yield "simulator: stages", AGENTS, len(stages) == len(STAGES), "a task of its own for each stage", where
    moved = {texts(someone, "middle", answers, s)[1] for s in SITUATIONS}
    known = f"; without situations: {', '.join(simulated.unmoved)}" if simulated.unmoved else ""
    is_told, where = len(moved) == len(SITUATIONS) and not known, line_with(path, r"direction\.situation")
    yield "simulator: situation", METHOD, is_told, f"where things stand, in each task{known}", where
    days = simulated.days == 0 or len({texts(someone, "middle", answers, turn=t)[1] for t in (2, 7)}) == 2
    where = line_with(path, "days_between_exchanges")
    yield "simulator: days pass", AGENTS, days, "days since the first message, where exchanges are days apart", where
    messages = zip(STAGES, (answers, simulated.responses[-1], answers), SITUATIONS, (2, 5, 9), strict=False)
    constant = len({texts(someone, *one)[0] for one in messages}) == 1
    what = "nothing of one message in the first part, which providers cache"
    yield "simulator: who it is stays the same", AGENTS, constant, what, Place(path, 2)


def _hidden(persona: Persona, simulated: Simulated, text: str) -> Iterator[str]:
    """What the text should say of a person and does not."""
    values = {
        "name": persona.name, "age": str(persona.age), "topic": persona.topic, "context": persona.context,
        "stance": persona.stance, "presentation": persona.presentation, "edge case": persona.edge_case or "",
        "manner": simulated.template.styles[persona.style].manner,
        "trajectory": simulated.template.trajectory[persona.trajectory].text,
    }  # fmt: skip
    seeds = {f"seed {n}": seed.subtopic for n, seed in enumerate(persona.seeds, 1)}
    yield from (name for name, value in (values | seeds).items() if _plain(value) not in _plain(text))


def _plain(text: str) -> str:
    return " ".join(text.replace("_", " ").split())
