"""From what a reader does on a page to the label that is the truth: who agrees, who corrects, what cannot be said.

A reader who agrees says the combined answer; "false pass" says that a YES or NA should be NO, "false fail" that a NO
should be YES. The server works that out from the answer on disk, so that a page that is out of date decides nothing.
"""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from tunewright.calibration import CalibrationExample
from tunewright.label_book import is_private
from tunewright.labels import Label, Said
from tunewright.records import Answer
from tunewright.reviewing.material import Material, Reading
from tunewright.reviewing.proposing import example_of
from tunewright.rubric import Criterion

Way = Literal["agree", "false pass", "false fail"]
WAYS: tuple[Way, ...] = get_args(Way)
MAX_NOTE_CHARS = 20_000


class Refused(Exception):
    """What a reader asked for cannot be done; `status` is that of HTTP, the text is for the reader."""

    def __init__(self, status: int, says: str) -> None:
        super().__init__(says)
        self.status = status


class About(BaseModel):
    """What every request says: the conversation as it was shown."""

    model_config = ConfigDict(extra="forbid")
    transcript_id: str
    content_hash: str


class Decision(About):
    """A label, or a way of deciding on the combined answer."""

    criterion: str | None = None
    label: Said | None = None
    decision: Way | None = None
    note: str = ""
    blind: bool = False
    question_hash: str | None = None  # Rubric.question_hash of the question as it was shown
    shown: Answer | Literal["unscored"] | None = None  # the combined answer as it was shown


class Proposal(About):
    """A calibration example to be."""

    criterion: str
    reason: str
    borderline: bool = False
    until: int | None = None  # the last exchange that it needs


def reading_of(material: Material, about: About) -> Reading:
    """The conversation that was shown; Refused where it is gone or has changed since."""
    reading = material.readings.get(about.transcript_id)
    if reading is None:
        raise Refused(404, f"{about.transcript_id} is not in the queue (any more): reload the list of conversations")
    if reading.content_hash != about.content_hash:
        raise Refused(
            409, "this conversation has changed on disk since the page was opened: reload the page, then decide anew"
        )
    return reading


def criterion_of(material: Material, id: str) -> Criterion:
    """A criterion of today's rubric, or Refused."""
    found = next((c for c in material.rubric.criteria if c.id == id), None)
    if found is None:
        raise Refused(422, f"{id!r} is no criterion of the rubric (any more): reload the page")
    return found


def label_of(decision: Decision, reading: Reading, material: Material) -> dict[str, object]:
    """The fields of the label that a decision amounts to, but for `blind`; Refused where it makes no sense."""
    if (decision.label is None) == (decision.decision is None):
        raise Refused(422, "give either a label or a decision on the judges' answer")
    if decision.label == "undo":
        raise Refused(422, "undo has an address of its own: /undo")
    if len(decision.note) > MAX_NOTE_CHARS:
        raise Refused(422, f"the note has {len(decision.note)} characters; at most {MAX_NOTE_CHARS} are kept")
    criterion = None if decision.criterion is None else criterion_of(material, decision.criterion)
    if criterion:
        _refuse_outdated(decision, criterion, reading, material)
    said: Said | None = decision.label
    if decision.decision is not None:
        if criterion is None:
            raise Refused(422, f"{decision.decision!r} is about a criterion: say which")
        said = truth(decision.decision, combined_answer(reading, criterion))
    elif said == "NA" and criterion and not may_be_na(criterion, reading):
        raise Refused(422, f"{criterion.id} allows no NA: answer YES or NO, or say that you are unsure")
    return {
        "criterion": decision.criterion,
        "label": said,
        "note": decision.note.strip(),
        "question_hash": material.rubric.question_hash(criterion) if criterion else None,
        "rubric_version": material.rubric.fingerprint,
    }


def _refuse_outdated(decision: Decision, criterion: Criterion, reading: Reading, material: Material) -> None:
    """Who answered another question than today's, or agreed with another answer, has said nothing of today's."""
    if decision.question_hash not in (None, material.rubric.question_hash(criterion)):
        raise Refused(409, f"the question of {criterion.id} has changed since the page was opened: reload the page")
    now = combined_answer(reading, criterion) or "unscored"
    if decision.decision and decision.shown not in (None, now):
        raise Refused(
            409, f"{criterion.id} was {decision.shown} when the page was opened and is {now} now: reload the page"
        )


def combined_answer(reading: Reading, criterion: Criterion) -> Answer | None:
    """What judges, measures and rules say together; None where it is unscored."""
    return reading.score.answers.get(criterion.id) if reading.score else None


def may_be_na(criterion: Criterion, reading: Reading) -> bool:
    """Whether NA can be right: where the rubric says so, or where a rule found the conversation too short to tell."""
    return criterion.na_allowed or combined_answer(reading, criterion) == "NA"


def truth(way: Way, combined: Answer | None) -> Answer:
    """The answer that a way of deciding means; Refused with the reason where it means none."""
    if why := why_not(way, combined):
        raise Refused(422, why)
    meant: dict[Way, Answer | None] = {"agree": combined, "false pass": "NO", "false fail": "YES"}
    return meant[way] or "NO"


def why_not(way: Way, combined: Answer | None) -> str | None:
    """Why a way of deciding makes no sense on a combined answer; None: it does."""
    if combined is None:
        return "there is no answer yet to agree or disagree with: say YES, NO or NA yourself"
    if way == "false pass" and combined == "NO":
        return "the answer is NO already: a false pass is a YES or NA that should be NO"
    if way == "false fail" and combined != "NO":
        return f"the answer is {combined}: a false fail is a NO that should be YES"
    return None


def why_no_example(reading: Reading, own: Label | None) -> str | None:
    """Why no calibration example can be made of a reader's word on a criterion; None: one can."""
    if is_private(reading.talk):
        return (
            "this conversation holds imported words: they are private and must not get into reviews/, which is in git"
        )
    if own is None:
        return "decide on this criterion first: an example needs the right answer"
    return None if own.answer else "an example needs an answer that you are sure of"


def proposed_example(proposal: Proposal, reading: Reading, own: Label | None) -> CalibrationExample:
    """The example that a proposal is for; Refused, with the reason, where it can be none."""
    answer = own.answer if own else None
    if (why := why_no_example(reading, own)) or answer is None:
        raise Refused(409, why or "an example needs an answer")
    try:
        return example_of(reading.talk, answer, proposal.reason, proposal.borderline, proposal.until)
    except ValueError as error:
        raise Refused(422, str(error)) from None


def compared(own: Answer | None, combined: Answer | None) -> str:
    """What a reader's answer says of the combined one: agree, false pass, false fail, differs; "" without both."""
    if own is None or combined is None:
        return ""
    if own == combined:
        return "agree"
    if own == "NO":
        return "false pass"
    return "false fail" if (own, combined) == ("YES", "NO") else "differs"
