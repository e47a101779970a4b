"""What the controls of a labelling interface are called: two for each criterion, and some for the whole conversation.

`answer_<criterion>` and `note_<criterion>`: an answer and its note; a note without an answer is a remark. The names of
the others have no criterion in them.
"""

from __future__ import annotations

from tunewright.labels import ANSWERS

ANSWER, NOTE = "answer_", "note_"
OVERALL, OVERALL_NOTE, NOTES, MISSING = "overall", "overall_note", "notes", "missing"
CHOICES = (*ANSWERS, "unsure")
OVERALL_CHOICES = ("satisfied", "not satisfied")


def criterion_of(control: str) -> str | None:
    """The criterion that a control asks for or takes notes on; None for the others."""
    return next((control.removeprefix(p) for p in (ANSWER, NOTE) if control.startswith(p)), None)


def choices_of(control: str) -> tuple[str, ...] | None:
    """What can be chosen; None for a control that takes text."""
    if control == OVERALL:
        return OVERALL_CHOICES
    return CHOICES if control.startswith(ANSWER) else None


def is_ours(control: object) -> bool:
    """Whether an export wrote this control."""
    return isinstance(control, str) and (
        control in (OVERALL, OVERALL_NOTE, NOTES, MISSING) or criterion_of(control) is not None
    )
