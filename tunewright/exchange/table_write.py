"""The queue as a table: a row for each conversation and criterion, to be filled in with a spreadsheet.

Below the criteria of a conversation come one row for it as a whole and one for a criterion that is missing. Existing
labels have a row each. The column `key` says for the way back what a row is about, and what was exported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from tunewright.exchange.label_studio_config import asked_text
from tunewright.exchange.material import Material, Piece
from tunewright.exchange.said import Asked
from tunewright.exchange.verdict_text import answers_text, combined_text, evidence_text
from tunewright.labels import Label
from tunewright.rubric import Criterion

ABOUT = ("transcript_id", "persona", "reasons", "criterion", "question")
JUDGED = ("judges", "combined", "evidence")  # not where the reader is to be blind
ASKED = ("label", "note", "reviewer")
KEPT = ("content_hash", "key")
SPOKEN = ("transcript_id", "exchange", "speaker", "words", "text")
WHOLE = "Is the conversation as a whole good enough? (satisfied or not satisfied)"
MISSING = "Does the rubric lack a criterion? (say in the note which)"


class Key(Asked):
    """What a row says for the way back."""

    asks: Literal["criterion", "overall", "missing"]
    criterion: str | None
    question_hash: str | None
    blind: bool  # whether the judges' columns were left out: somebody may hide them afterwards
    label: Label | None  # the exported label that stands in the row


def header(material: Material) -> list[str]:
    """The columns, in order."""
    return [*ABOUT, *(() if material.blind else JUDGED), *ASKED, *KEPT]


def rows(material: Material) -> Iterator[list[str]]:
    """All rows, conversation by conversation, in the order of the header."""
    for piece in material.pieces:
        for criterion in material.questions_on(piece):
            own = [x for x in piece.labels if x.criterion == criterion.id]
            yield from _rows(material, piece, "criterion", criterion, own)
        whole = [x for x in piece.labels if x.criterion is None]
        missing = [x for x in whole if x.label == "criterion missing"]
        yield from _rows(material, piece, "overall", None, [x for x in whole if x not in missing])
        yield from _rows(material, piece, "missing", None, missing)


def _rows(
    material: Material, piece: Piece, asks: Literal["criterion", "overall", "missing"], criterion: Criterion | None,
    labels: Iterable[Label],
) -> Iterator[list[str]]:  # fmt: skip
    """A row for each label, or an empty one."""
    talk = piece.transcript
    id = criterion.id if criterion else ""
    question = asked_text(criterion) if criterion else WHOLE if asks == "overall" else MISSING
    about = [talk.id, talk.persona_id, material.reasons(piece), id, question]
    said = [answers_text(piece, id), combined_text(piece, id), evidence_text(piece, id)]
    judged = [] if material.blind else said
    hashed = material.question_hashes.get(id)
    for label in [*labels] or [None]:
        key = Key(
            version=1, domain=material.domain, transcript_id=talk.id, content_hash=talk.content_hash,
            rubric_version=material.rubric_version, asks=asks, criterion=id or None, question_hash=hashed,
            blind=material.blind, label=label,
        )  # fmt: skip
        filled = [label.label, label.note, label.reviewer] if label else ["", "", ""]
        yield [*about, *judged, *filled, talk.content_hash, key.model_dump_json()]


def spoken(material: Material) -> Iterator[list[str]]:
    """The conversations, a row for each message."""
    for piece in material.pieces:
        for number, exchange in enumerate(piece.transcript.exchanges, 1):
            for speaker, text in (("user", exchange.user), ("assistant", exchange.assistant)):
                yield [piece.transcript.id, str(number), speaker, str(len(text.split())), text]
