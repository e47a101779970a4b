"""Proposed edits of a set of drafts: a passage to find and what to put there, applied only where it does no harm."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ConfigDict, Field

from tunewright.config import Config
from tunewright.design_set import FILES, drafted, set_faults
from tunewright.errors import ConfigError
from tunewright.exemplars import stamped
from tunewright.rubric import load_rubric

EDITABLE = tuple(f for f in FILES if f not in ("frameworks.yaml", "calibration.yaml"))  # not what they rest on


class Edit(Config):
    """A change to one file; `from` names the critics who asked for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    file: str = Field(json_schema_extra={"enum": [*EDITABLE]})
    find: str = Field(min_length=1)
    replace: str
    reason: str = Field(min_length=10)
    raised_by: str = Field(alias="from", min_length=1)


class Outcome(NamedTuple):
    """What became of an edit: applied, or left out with the fault that it would have caused."""

    edit: Edit
    fault: str | None


def apply_edits(edits: Sequence[Edit], drafts: Path) -> tuple[list[Outcome], dict[str, str]]:
    """Apply edits one after the other to a copy of the drafts; every outcome, and the new text of each changed file.

    An edit is left out when its passage does not stand exactly once in the file as it then is, or when the set has a
    fault afterwards. A changed rubric gives the assistant prompt its new stamp: the critics have read both.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "prompts").mkdir()
        for file in FILES:
            shutil.copyfile(drafted(drafts, file), drafted(folder, file))
        outcomes = [Outcome(edit, apply_one(edit, folder)) for edit in edits]
        texts = {file: drafted(folder, file).read_text("utf-8") for file in FILES}
    changed = {f: text for f, text in texts.items() if text != drafted(drafts, f).read_text("utf-8")}
    return outcomes, changed


def apply_one(edit: Edit, folder: Path) -> str | None:
    """Apply one edit in place, or say what is wrong with it and leave the folder as it was."""
    path, assistant = drafted(folder, edit.file), drafted(folder, "assistant.md")
    before = {path: path.read_text("utf-8"), assistant: assistant.read_text("utf-8")}
    if edit.find == edit.replace:
        return "changes nothing"
    if (n := before[path].count(edit.find)) != 1:
        return f"the passage to find stands {n} times in {edit.file}, expected once"
    path.write_text(before[path].replace(edit.find, edit.replace), "utf-8")
    faults = restamp(folder) if edit.file == "rubric.yaml" else []
    faults = faults or set_faults({f: drafted(folder, f) for f in FILES})
    if faults:
        for file, text in before.items():
            file.write_text(text, "utf-8")
        return faults[0].replace(f"{folder}/", "")
    return None


def restamp(folder: Path) -> list[str]:
    """Give the assistant prompt the stamp of the rubric beside it; the fault of a rubric that cannot be read."""
    rubric, assistant = drafted(folder, "rubric.yaml"), drafted(folder, "assistant.md")
    try:
        assistant.write_text(stamped(assistant.read_text("utf-8"), load_rubric(str(rubric))), "utf-8")
    except ConfigError as error:
        return [str(error)]
    return []
