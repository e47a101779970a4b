"""Reading transcripts and their verdicts: the queue, one page for each conversation, and what readers decide there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import groupby
from threading import Lock
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ValidationError

from tunewright.labels import REMARKS, Label
from tunewright.records import Score
from tunewright.reviewing.deciding import (
    About,
    Decision,
    Proposal,
    Refused,
    criterion_of,
    label_of,
    proposed_example,
    reading_of,
)
from tunewright.reviewing.listing import Row, Wish, facets, found_rows, narrowed, rows_of, totals, wish_of
from tunewright.reviewing.material import Material, Reading, Shelf, neighbours
from tunewright.reviewing.opinions import Opinions
from tunewright.reviewing.pages import page, part
from tunewright.reviewing.proposing import PROPOSED, propose
from tunewright.reviewing.settings import Settings
from tunewright.reviewing.views import CriterionView, criterion_view, criterion_views, exchange_views, ratio_limit

router = APIRouter()


@dataclass
class Desk:
    """What one running app remembers for its reader."""

    shelf: Shelf
    reviewer: str
    blind: bool
    writing: Lock = field(default_factory=Lock)
    shown: set[tuple[str, str | None]] = field(default_factory=set)  # content hash, criterion (None: the outcome)

    def opinions(self, material: Material) -> Opinions:
        """What people said of the material, as it is on disk now."""
        return Opinions(self.shelf.labels(), material, self.reviewer)

    def remember(self, reading: Reading, views: list[CriterionView]) -> None:
        """Keep in mind whose answers the reader has seen: a later decision on them is not blind."""
        self.shown |= {(reading.content_hash, v.criterion.id) for v in views if not v.hidden}

    def remember_outcomes(self, rows: list[Row]) -> None:
        """As `remember`, for what conversations came to as a whole, and the criteria that this names."""
        seen = [row.reading for row in rows if not row.hidden]
        self.shown |= {(reading.content_hash, told) for reading in seen for told in (None, *_named(reading.score))}

    def has_seen(self, reading: Reading, label: Mapping[str, Any]) -> bool:
        """Whether the reader has seen what a label is about: in this app, or when deciding it before, undone or not.

        Who has seen the judges on any criterion has seen them on the conversation as a whole.
        """
        if label["criterion"] is None and any(content == reading.content_hash for content, _ in self.shown):
            return True
        about = (reading.content_hash, label["criterion"], label["question_hash"])
        return about[:2] in self.shown or any(
            (x.content_hash, x.criterion, x.question_hash) == about
            for x in self.shelf.book.read()
            if x.reviewer == self.reviewer and x.label not in REMARKS
        )


class Mode(BaseModel):
    """Whether judges are hidden."""

    blind: bool


def desk_of(request: Request) -> Desk:
    """The app's desk."""
    return request.app.state.desk


def opened(settings: Settings) -> Desk:
    """A desk for an app to have."""
    return Desk(Shelf(settings), settings.reviewer, settings.blind)


@router.get("/queue")
def queue(request: Request) -> HTMLResponse:
    """The list of conversations, narrowed by ?show=, ?reason= and ?q=."""
    desk = desk_of(request)
    material = desk.shelf.material()
    opinions = desk.opinions(material)
    rows = rows_of(material, opinions, desk.blind)
    desk.remember_outcomes(rows)
    wish = wish_of(request.query_params)
    found = found_rows(rows, wish.text, opinions)
    wanted = narrowed(found, wish)
    return page(
        request, "queue.html", rows=wanted, n_all=len(rows), totals=totals(r.progress for r in rows), wish=wish,
        facets=facets(found, wish), narrow=_narrow, gone=material.gone, elsewhere=opinions.elsewhere(),
        blind=desk.blind, address=address, next=next((r for r in wanted if r.progress.overall is None), None),
    )  # fmt: skip


@router.get("/read/{transcript_id:path}")
def read(request: Request, transcript_id: str) -> HTMLResponse:
    """One conversation with its criteria."""
    desk = desk_of(request)
    material = desk.shelf.material()
    reading = material.readings.get(transcript_id)
    if reading is None:
        return page(request, "fault.html", 404, says=f"No conversation {transcript_id} is in the queue.")
    opinions = desk.opinions(material)
    wish = wish_of(request.query_params)
    rows = rows_of(material, opinions, desk.blind)
    ids = [row.reading.talk.id for row in narrowed(found_rows(rows, wish.text, opinions), wish)]
    before, after = neighbours(ids, [row.reading.talk.id for row in rows], transcript_id)
    views = criterion_views(reading, material, opinions, desk.blind)
    desk.remember(reading, views)
    row = next(r for r in rows if r.reading is reading)
    desk.remember_outcomes([row])
    return page(
        request, "read.html", reading=reading, row=row, groups=_groups(views), blind=desk.blind, wish=wish,
        exchanges=exchange_views(reading, material.rubric), totals=totals(r.progress for r in rows),
        limit=ratio_limit(material.rubric), list=_narrow(wish.query), before=before and address(before, wish),
        after=after and address(after, wish),
        overall=opinions.said(transcript_id, None), homeless=opinions.without_place(transcript_id),
        old_pick=reading.item.content_hash != reading.content_hash,
    )  # fmt: skip


@router.post("/labels")
def decide(request: Request, decision: Decision) -> dict[str, Any]:
    """Write a decision down; the answer shows what is now on disk."""
    desk = desk_of(request)
    with desk.writing:
        material = desk.shelf.material()
        reading = reading_of(material, decision)
        fields = label_of(decision, reading, material)
        blind = decision.blind and not desk.has_seen(reading, fields)
        try:
            label = desk.shelf.book.add(reading.talk, fields | {"blind": blind})
        except ValidationError as error:  # what no label can say, such as a note without words
            raise Refused(422, error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    return _state(desk, material, reading, label.criterion, label)


@router.post("/undo")
def undo(request: Request, about: About) -> dict[str, Any]:
    """Take the reader's last decision on a conversation back."""
    desk = desk_of(request)
    with desk.writing:
        material = desk.shelf.material()
        reading = reading_of(material, about)
        line = desk.shelf.book.undo(reading.talk, material.rubric.fingerprint)
    if line is None:
        raise Refused(409, "there is nothing of yours to undo in this conversation")
    undone = next((x for x in desk.shelf.book.read() if x.id == line.undoes), None)
    return _state(desk, material, reading, line.criterion, line) | {"undone": undone and undone.model_dump()}


@router.post("/calibration")
def calibrate(request: Request, proposal: Proposal) -> dict[str, Any]:
    """Write the reader's answer and reason down as a calibration example, for a person to move over."""
    desk = desk_of(request)
    domain = request.app.state.settings.domain
    material = desk.shelf.material()
    reading = reading_of(material, proposal)
    criterion = criterion_of(material, proposal.criterion)
    own = desk.opinions(material).said(reading.talk.id, criterion.id).own
    example = proposed_example(proposal, reading, own)
    n = propose(desk.shelf.reviews, domain.calibration, criterion.id, example)
    return {"criterion": criterion.id, "file": f"{domain.reviews}/{PROPOSED}", "n": n}


@router.post("/blind")
def hide(request: Request, mode: Mode) -> dict[str, Any]:
    """Hide or show the judges from now on."""
    desk_of(request).blind = mode.blind
    return {"blind": mode.blind}


def address(transcript_id: str, wish: Wish) -> str:
    """The page of a conversation, within a list as it was narrowed."""
    asked = urlencode(wish.query)
    return f"/read/{quote(transcript_id, safe='')}" + (f"?{asked}" if asked else "")


def _narrow(query: dict[str, str]) -> str:
    return "/queue" + (f"?{urlencode(query)}" if query else "")


def _state(desk: Desk, material: Material, reading: Reading, criterion: str | None, label: Label) -> dict[str, Any]:
    """What the page must show after a decision: the criterion anew, and the progress."""
    opinions = desk.opinions(material)
    progress = opinions.progress(reading)
    found: dict[str, Any] = {
        "id": label.id,
        "criterion": criterion,
        "label": label.label,
        "progress": {"decided": progress.decided, "asked": progress.asked, "overall": _overall(progress.overall)},
        "totals": asdict(totals(opinions.progress(r) for r in material.readings.values())),
    }
    if criterion is None:
        return found | {"html": part("overall.html", reviewer=desk.reviewer, said=opinions.said(reading.talk.id, None))}
    if not any(c.id == criterion for c in material.rubric.criteria):
        return found | {"html": ""}  # what was undone is on a criterion that is gone
    view = criterion_view(criterion_of(material, criterion), reading, material, opinions, desk.blind)
    desk.remember(reading, [view])
    return found | {"html": part("criterion.html", reviewer=desk.reviewer, view=view)}


def _groups(views: list[CriterionView]) -> list[tuple[str, list[CriterionView]]]:
    """Criteria under the titles of their categories, which stand in order."""
    return [(place, list(found)) for place, found in groupby(views, key=lambda v: v.place)]


def _named(score: Score | None) -> tuple[str, ...]:
    """The criteria of which a conversation's outcome and the reasons for reading it tell what judges said."""
    if score is None:
        return ()
    return tuple(score.answers) if score.score == 1 else (*score.gates_failed, *score.disagreements)


def _overall(label: Label | None) -> str | None:
    return label.label if label else None
