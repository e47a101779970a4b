"""prep-critique: role-played experts and edge users criticise the drafts; their points become concrete edits.

Each critic says what would pass and still be bad, what would fail and be fine, and who is missing. A synthesis turns
that into edits (find, replace, reason). An edit is applied only if the set is sound after it; the others are listed
with the reason. The drafts stay as they are: changed files go beside them, for a person to choose.

Reads the brief, the drafts of data/prep/<domain>/ and answers mended by hand.
Writes data/prep/<domain>/{critique.json,critique.md} and data/prep/<domain>/proposed/.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from tunewright.config import PREP_PARAMS, Bounds, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.design_set import FILES, drafted, set_faults
from tunewright.document import Block, Bullets, Heading, Table, Text, to_markdown
from tunewright.draft_rules import count_faults, missing_faults, name_faults
from tunewright.drafting import Drafting, Expert, draft_folder, listed, run_drafting
from tunewright.edits import EDITABLE, Edit, Outcome, apply_edits
from tunewright.errors import DraftError, run_main
from tunewright.prompts import render
from tunewright.records import write_json, write_text
from tunewright.sources import plain_text
from tunewright.terminal import Stage

PANEL_PROMPT = "prompts/shared/draft_panel.md"
CRITIC_PROMPT = "prompts/shared/draft_critic.md"
SYNTHESIS_PROMPT = "prompts/shared/draft_synthesis.md"
Role = Literal["practitioner", "researcher", "advocate", "evaluation", "edge_user"]
EDGE_USER: Role = "edge_user"
SEATS: dict[Role, int] = {"practitioner": 2, "researcher": 1, "advocate": 1, "evaluation": 1}  # at least


class Config(Drafting):
    """The method's numbers for the critique."""

    experts: Bounds
    edge_users: Bounds
    findings: Bounds
    edits: Bounds


class Critic(BaseConfig):
    """Someone who criticises: an expert, or a person at the edge of those the domain is for."""

    name: str = Field(min_length=3)
    role: Role
    view: str = Field(min_length=20, description="school, experience, what this person looks for and distrusts")


class Panel(BaseConfig):
    """The answer: critics."""

    critics: tuple[Critic, ...]


class Point(BaseConfig):
    """One criticism, of one file."""

    file: str = Field(json_schema_extra={"enum": [*FILES]})
    kind: Literal["passes_and_is_bad", "fails_and_is_fine", "who_is_missing", "other"]
    finding: str = Field(min_length=20)
    suggestion: str = Field(min_length=10)


class Points(BaseConfig):
    """The answer of one critic."""

    points: tuple[Point, ...]


class Edits(BaseConfig):
    """The answer of the synthesis."""

    edits: tuple[Edit, ...]


class Critique(NamedTuple):
    """Who said what, and what is to be done about it."""

    panel: Panel
    points: dict[str, Points]
    edits: Edits


def panel_faults(panel: Panel, config: Config) -> Iterator[str]:
    """Seats that are empty, too few or too many critics."""
    roles = Counter(critic.role for critic in panel.critics)
    yield from name_faults("critics", [c.name for c in panel.critics])
    yield from count_faults("experts", len(panel.critics) - roles[EDGE_USER], config.experts)
    yield from count_faults("critics with role edge_user", roles[EDGE_USER], config.edge_users)
    for role, n in SEATS.items():
        yield from count_faults(f"critics with role {role}", roles[role], Bounds(min=n))


def point_faults(points: Points, config: Config) -> Iterator[str]:
    """Too little or too much, or about a file that is not there."""
    yield from count_faults("points", len(points.points), config.findings)
    for stray in sorted({p.file for p in points.points} - set(FILES)):
        yield f"points: there is no file {stray!r}; there are: {', '.join(FILES)}"


def edit_faults(edits: Edits, panel: Panel, config: Config) -> Iterator[str]:
    """Too few or too many edits, of files that are not open to them, or from nobody on the panel.

    Whether a passage can be found is not asked here: an edit that cannot be applied is listed, not sent back.
    """
    yield from count_faults("edits", len(edits.edits), config.edits)
    for stray in sorted({e.file for e in edits.edits} - set(EDITABLE)):
        yield f"edits: {stray!r} is not open to edits; these are: {', '.join(EDITABLE)}"
    names = [c.name for c in panel.critics]
    for edit in edits.edits:
        if not any(name in edit.raised_by for name in names):
            yield from missing_faults("edits: `from`", [edit.raised_by], names)


async def criticise(expert: Expert, config: Config, brief: str, drafts: dict[str, str]) -> Critique:
    """A panel for this domain, each critic alone with the drafts, then the synthesis of all."""
    material = {"config": config, "brief": brief, "drafts": drafts}
    messages = render(PANEL_PROMPT, config=config, brief=brief)
    panel = await expert.draft("panel", messages, Panel, lambda a: panel_faults(a, config))

    async def points_of(item: tuple[int, Critic]) -> Points:
        number, critic = item
        messages = render(CRITIC_PROMPT, critic=critic, **material)
        return await expert.draft(f"critic_{number}", messages, Points, lambda a: point_faults(a, config))

    numbered = list(enumerate(panel.critics, 1))
    found = await expert.draft_all(numbered, points_of)
    points = {critic.name: p for (_, critic), p in zip(numbered, found, strict=True)}
    messages = render(SYNTHESIS_PROMPT, points=points, **material)
    edits = await expert.draft("synthesis", messages, Edits, lambda a: edit_faults(a, panel, config))
    return Critique(panel, points, edits)


def report(critique: Critique, outcomes: Sequence[Outcome]) -> str:
    """critique.md: who criticised, what they said, which edits are proposed and which could not be applied."""
    blocks: list[Block] = [Heading("Critique of the drafts", 1)]
    blocks += [
        Heading("Proposed edits"),
        Text("Applied in the folder proposed; tunewright adopt shows each as a difference."),
    ]
    blocks += [edit_table([o for o in outcomes if o.fault is None])]
    left_out = [o for o in outcomes if o.fault is not None]
    if left_out:
        blocks += [Heading("Edits that could not be applied"), edit_table(left_out)]
    for critic in critique.panel.critics:
        blocks += [Heading(f"{critic.name} ({critic.role})"), Text(critic.view)]
        said = critique.points[critic.name].points
        blocks += [Bullets([f"{p.file}, {p.kind}: {p.finding} Suggestion: {p.suggestion}" for p in said])]
    return to_markdown(blocks)


def edit_table(outcomes: Sequence[Outcome]) -> Table:
    """Edits as rows; those that were left out with the fault."""
    head = ["file", "find", "replace", "reason", "from", "outcome"]
    return Table(
        head,
        [
            [o.edit.file, o.edit.find, o.edit.replace, o.edit.reason, o.edit.raised_by, o.fault or "applied"]
            for o in outcomes
        ],
    )


def record(critique: Critique, outcomes: Sequence[Outcome]) -> dict[str, object]:
    """critique.json."""
    return {
        "critics": [c.model_dump() for c in critique.panel.critics],
        "points": {name: p.model_dump()["points"] for name, p in critique.points.items()},
        "edits": [o.edit.model_dump(by_alias=True) | {"fault": o.fault} for o in outcomes],
    }


def main() -> None:
    """Criticise the drafts and propose edits."""
    stage = Stage("prep-critique")
    config, domain = load("prep.critique", Config, PREP_PARAMS), load_domain(PREP_PARAMS)
    folder = draft_folder(domain)
    if faults := set_faults({f: drafted(folder, f) for f in FILES}):
        raise DraftError(
            f"{folder}: the drafts do not fit together:\n{listed(faults)}\n"
            f"write a better part to {domain.prompts}/mended/PART.json (such as assistant.json or criteria.json) "
            "and run: dvc repro prep/dvc.yaml"
        )
    drafts = {f: drafted(folder, f).read_text("utf-8") for f in FILES}
    brief = plain_text(domain.brief)
    stage.start(f"{domain.id}, {len(FILES)} drafts, {config.experts} experts and {config.edge_users} edge users")
    critique, tally = run_drafting(config, domain, stage.address, lambda e: criticise(e, config, brief, drafts))
    outcomes, changed = apply_edits(critique.edits.edits, folder)
    shutil.rmtree(folder / "proposed", ignore_errors=True)
    (folder / "proposed").mkdir()
    for name, text in changed.items():
        write_text(drafted(folder / "proposed", name), text)
    write_json(folder / "critique.json", record(critique, outcomes))
    write_text(folder / "critique.md", report(critique, outcomes))
    n_points, n_applied = sum(len(p.points) for p in critique.points.values()), sum(o.fault is None for o in outcomes)
    stage.end(
        f"{n_points} points by {len(critique.panel.critics)} critics, {n_applied} of {len(outcomes)} edits applied to "
        f"{len(changed)} files; {tally}; next: tunewright adopt {domain.id}"
    )


if __name__ == "__main__":
    run_main(main)
