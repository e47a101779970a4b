"""The labelling interface of Label Studio, made from the rubric: https://labelstud.io/tags.

The conversation on one side; on the other a Choices and a TextArea for each criterion, and those for the whole.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from tunewright.exchange.controls import ANSWER, MISSING, NOTE, NOTES, OVERALL, OVERALL_NOTE, choices_of
from tunewright.exchange.material import Material
from tunewright.plain import plain
from tunewright.rubric import Criterion

CONVERSATION = "conversation"  # the object that all controls are about, and the field of a task that holds it
SPEAKER, TEXT = "speaker", "text"
JUDGES = "judges_"  # fields of a task: what the judges said of each criterion
COLUMN = "flex: 1; overflow: auto; max-height: 90vh"
ASKED = "font-size: 1em"
SMALL = "font-size: 0.8em; font-weight: normal"


def config_xml(material: Material) -> str:
    """The interface as XML. All text of the rubric is an attribute's value, escaped by the writer."""
    root = Element("View", style="display: flex; gap: 1em")
    left, right = SubElement(root, "View", style=COLUMN), SubElement(root, "View", style=COLUMN)
    SubElement(left, "Header", value="$transcript_id", style=SMALL)
    shown = {"value": f"${CONVERSATION}", "nameKey": SPEAKER, "textKey": TEXT, "layout": "dialogue"}
    SubElement(left, "Paragraphs", {"name": CONVERSATION} | shown)
    SubElement(right, "Header", value="Picked for: $reasons", style=SMALL)
    for criterion in material.questions:
        _criterion(right, criterion, material.blind)
    _whole(right)
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def _criterion(parent: Element, criterion: Criterion, blind: bool) -> None:
    SubElement(parent, "Header", value=plain(asked_text(criterion)), style=ASKED)
    if not blind:
        SubElement(parent, "Header", value=f"${JUDGES}{criterion.id}", style=SMALL)
    _choices(parent, ANSWER + criterion.id)
    _text(parent, NOTE + criterion.id, "a note")


def _whole(parent: Element) -> None:
    SubElement(parent, "Header", value="The conversation as a whole", style=ASKED)
    _choices(parent, OVERALL)
    _text(parent, OVERALL_NOTE, "why")
    _text(parent, NOTES, "anything else")
    _text(parent, MISSING, "a criterion that the rubric lacks")


def _choices(parent: Element, name: str) -> None:
    control = SubElement(parent, "Choices", name=name, toName=CONVERSATION, choice="single-radio", showInline="true")
    for choice in choices_of(name) or ():
        SubElement(control, "Choice", value=choice)


def _text(parent: Element, name: str, placeholder: str) -> None:
    SubElement(parent, "TextArea", name=name, toName=CONVERSATION, rows="2", editable="true", placeholder=placeholder)


def asked_text(criterion: Criterion) -> str:
    """A criterion as a person is asked it."""
    about = " (safety gate)" if criterion.gate else " (computed)" if criterion.evaluator == "measure" else ""
    when = f" NA: {criterion.na_when}." if criterion.na_when else ""
    return f"{criterion.id}{about}: {criterion.question}{when}"
