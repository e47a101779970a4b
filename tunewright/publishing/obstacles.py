"""What stands in the way of publishing: some of it always, some until the user says that it may be.

A secret, a path of this machine or a forgotten conversation can only be taken out. Personal data, a model that must
not be deployed and a missing licence are listed all at once, each with what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunewright.design_changes import counted
from tunewright.errors import PublishError
from tunewright.publishing.current import out_of_step
from tunewright.publishing.model_card import is_refused
from tunewright.publishing.publication import Publication
from tunewright.publishing.scan import Finding

SHOWN_MAX = 20


@dataclass(frozen=True)
class Permissions:
    """What the user has said may be."""

    imported: bool  # what people said in imported logs
    personal_data: bool
    despite_decision: bool


def refuse_always(findings: Sequence[Finding]) -> None:
    """Raise PublishError for what may never be published."""
    for sort, what, todo in (
        ("secret", "keys or passwords", secret_todo),
        ("forgotten", "what was forgotten", lambda found: "take it out with: dvc repro generate-slices"),
        ("path of this machine", "paths of this machine", path_todo),
    ):
        if found := [f for f in findings if f.sort == sort]:
            raise PublishError(f"{what} would be published:\n{listed(found)}\n{todo(found)}")


def secret_todo(found: Sequence[Finding]) -> str:
    """What to do about secrets: forget the conversations, mend the files, revoke the keys."""
    talks = list(dict.fromkeys(f.conversation for f in found if f.conversation))
    steps = [f"tunewright forget {talk}" for talk in talks[:SHOWN_MAX]] + (["dvc repro"] if talks else [])
    if any(f.conversation is None for f in found):
        steps.append("take it out of the file, or of what the file was made from, and make it again: dvc repro")
    steps.append("revoke each key where it was issued: it lies in the history of git and of DVC's cache")
    return "\n".join(f"  {step}" for step in steps)


def path_todo(found: Sequence[Finding]) -> str:
    """What to do about paths."""
    talks = list(dict.fromkeys(f.conversation for f in found if f.conversation))
    if talks:
        return f"take the conversation out with: tunewright forget {talks[0]}"
    return "write them relative to the project, and make the file again: dvc repro"


def obstacles(what: Publication, findings: Sequence[Finding], may: Permissions) -> list[str]:
    """Everything else that stops it, each with what to do; empty where nothing does."""
    facts, found, parts, stops = what.facts, what.found, what.parts, []
    if "dataset" in parts and facts.settings.dataset_licence is None:
        stops.append(
            "no licence of the dataset is chosen: set publish.dataset_licence in conf/config.yaml (such as cc-by-4.0; "
            "https://huggingface.co/docs/hub/repositories-licenses) and run: make params"
        )
    personal = [f for f in findings if f.sort == "personal data"]
    if personal and not may.personal_data:
        stops.append(
            f"personal data in {counted(len(personal), 'place')}:\n{listed(personal)}\n  take a conversation out with: "
            "tunewright forget ID; a contact that is nobody's in particular goes into generate.audit.public_contacts; "
            "if all of it may be public: --accept-personal-data"
        )
    if found is not None and is_refused(found.compare) and not may.despite_decision:
        stops.append(
            f"the evaluation says: do not deploy ({found.compare['decision_reason']}). To publish the model all the "
            "same, with that on top of its card: --despite-decision; or only the data: --only dataset"
        )
    if differing := out_of_step(facts.project, parts, what.sources):
        lines = "\n".join(f"  {line}" for line in differing[:SHOWN_MAX])
        stops.append(
            f"what lies here is not what one run of the pipeline left:\n{lines}\n  bring it up to date: dvc repro"
        )
    return stops


def listed(findings: Sequence[Finding]) -> str:
    """Findings, one a line, the first of many."""
    lines = [f"  {finding}" for finding in findings[:SHOWN_MAX]]
    more = len(findings) - SHOWN_MAX
    return "\n".join(lines + ([f"  and {more} more"] if more > 0 else []))
