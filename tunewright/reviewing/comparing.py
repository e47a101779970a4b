"""Base against tuned: pairs of conversations of one persona, side by side and unnamed.

Nothing that is sent tells which side is which: not the page, not its addresses, not the answer to a decision. Once a
reader has decided every pair as a whole, the list shows what these decisions add up to; the sides stay unnamed.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from tunewright.pairing import Side, TalkPair
from tunewright.preferences import OVERALL
from tunewright.reviewing.deciding import MAX_NOTE_CHARS, Refused
from tunewright.reviewing.pages import page
from tunewright.reviewing.pairs import Opinions, Pairs, PairShelf
from tunewright.rubric import SAFETY

router = APIRouter()


class Shown(BaseModel):
    """Which pair a request is about, and the token of the words that the reader saw."""

    model_config = ConfigDict(extra="forbid")
    pair: str
    token: str


class Choice(Shown):
    """Which side is better in one respect."""

    question: str
    side: Side
    note: str = Field(default="", max_length=MAX_NOTE_CHARS)


def shelf_of(request: Request) -> PairShelf:
    """The app's pairs, opened on first use."""
    state = request.app.state
    if not hasattr(state, "pair_shelf"):
        state.pair_shelf = PairShelf(state.settings)
    return state.pair_shelf


@router.get("/compare")
def listing(request: Request) -> HTMLResponse:
    """All pairs, how far the reader is, and, once all are decided, the result."""
    shelf = shelf_of(request)
    pairs = shelf.pairs()
    opinions = shelf.opinions(pairs)
    rows = [_row(n, pairs.pairs[id], pairs, opinions) for n, id in enumerate(opinions.shown, 1)]
    following = opinions.next()
    return page(
        request, "compare_list.html", rows=rows, opinions=opinions, n_asked=len(pairs.asked), n_pairs=len(pairs.pairs),
        following=following and address(following), confidence=pairs.rules.confidence,
        result=_result(pairs, opinions, request.app.state.settings.reviewer),
    )  # fmt: skip


@router.get("/compare/{pair_id:path}")
def pair_page(request: Request, pair_id: str) -> HTMLResponse:
    """One pair, with its questions."""
    shelf = shelf_of(request)
    pairs = shelf.pairs()
    pair = pairs.pairs.get(pair_id)
    if pair is None:
        return page(request, "fault.html", 404, says=f"There is no pair {pair_id}: go back to the list of pairs.")
    opinions = shelf.opinions(pairs)
    order = opinions.shown if pair_id in opinions.shown else [*opinions.shown, pair_id]
    place = order.index(pair_id)
    return page(
        request, "compare.html", pair=pair, title=pairs.title(pair), exchanges=exchange_views(pair),
        questions=question_views(pair, pairs, opinions), state=_state(pair, pairs, opinions), place=place + 1,
        n_pairs=len(order), before=address(order[place - 1]) if place else None,
        after=address(order[place + 1]) if place + 1 < len(order) else None,
        n_stale=opinions.n_stale(pair_id), who=pairs.personas.get(pair.base.persona_id),
    )  # fmt: skip


@router.post("/preferences")
def decide(request: Request, choice: Choice) -> dict[str, Any]:
    """Write a decision down; the answer is what is now on disk."""
    shelf = shelf_of(request)
    pairs = shelf.pairs()
    pair = _as_shown(pairs, choice)
    if choice.question not in pairs.questions:
        raise Refused(422, f"{choice.question!r} is asked no more: reload the page")
    base_hash, tuned_hash = pair.hashes
    shelf.book.add(
        {"transcript_id": pair.id, "persona_id": pair.base.persona_id, "base_hash": base_hash, "tuned_hash": tuned_hash}
        | {"question": choice.question, "better": pair.better(choice.side), "note": choice.note.strip()}
        | {"rubric_version": pairs.rubric.fingerprint}
    )
    return _state(pair, pairs, shelf.opinions(pairs))


@router.post("/preferences/undo")
def undo(request: Request, shown: Shown) -> dict[str, Any]:
    """Take the reader's last decision on a pair back."""
    shelf = shelf_of(request)
    pairs = shelf.pairs()
    pair = _as_shown(pairs, shown)
    line = shelf.book.undo(pair.id, *pair.hashes, pairs.rubric.fingerprint)
    if line is None:
        raise Refused(409, "there is nothing of yours to undo in this pair")
    return _state(pair, pairs, shelf.opinions(pairs)) | {"undone": line.question}


def address(pair_id: str) -> str:
    """Where a pair is shown."""
    return f"/compare/{quote(pair_id, safe='')}"


def _as_shown(pairs: Pairs, shown: Shown) -> TalkPair:
    """The pair that the reader saw; Refused where it is gone or its words have changed since."""
    pair = pairs.pairs.get(shown.pair)
    if pair is None:
        raise Refused(404, f"there is no pair {shown.pair} (any more): go back to the list of pairs")
    if pair.token != shown.token:
        raise Refused(409, "these conversations have changed on disk since the page was opened: reload, then decide")
    return pair


def exchange_views(pair: TalkPair) -> list[dict[str, Any]]:
    """Exchange by exchange, both sides; `user` where both users say the same. A side that has ended is None."""
    a, b = (side.exchanges for side in pair.shown)
    views = []
    for n in range(max(len(a), len(b))):
        sides = {name: talk[n] if n < len(talk) else None for name, talk in (("A", a), ("B", b))}
        said = {side.user for side in sides.values() if side}
        views.append(
            {"n": n + 1, "sides": sides, "user": said.pop() if len(said) == 1 and all(sides.values()) else None}
        )
    return views


def question_views(pair: TalkPair, pairs: Pairs, opinions: Opinions) -> list[dict[str, Any]]:
    """Every question with what it covers and what this reader said."""
    covers = {name: [c.question for c in pairs.rubric.in_category(name)] for name in (*pairs.rubric.categories, SAFETY)}
    whole = ["Which conversation would you rather see such a person have?"]
    own = opinions.own(pair.id)
    return [
        {"id": name, "title": title, "covers": covers.get(name, whole)}
        | {"side": opinions.side(pair, name), "note": own[name].note if name in own else ""}
        for name, title in pairs.questions.items()
    ]


def _state(pair: TalkPair, pairs: Pairs, opinions: Opinions) -> dict[str, Any]:
    """What the page shows of this reader's decisions: sides and notes by question, and how far they are."""
    own = opinions.own(pair.id)
    following = opinions.next(pair.id)
    return {
        "answers": {name: opinions.side(pair, name) for name in pairs.questions},
        "notes": {name: own[name].note if name in own else "" for name in pairs.questions},
        "done": opinions.n_done,
        "asked": len(pairs.asked),
        "following": address(following) if following else None,
    }


def _row(number: int, pair: TalkPair, pairs: Pairs, opinions: Opinions) -> dict[str, Any]:
    return {
        "number": number,
        "id": pair.id,
        "address": address(pair.id),
        "title": pairs.title(pair),
        "n_exchanges": max(len(side.exchanges) for side in pair.shown),
        "n_answered": len(opinions.own(pair.id)),
        "n_questions": len(pairs.questions),
        "overall": opinions.side(pair, OVERALL),
        "n_stale": opinions.n_stale(pair.id),
    }


def _result(pairs: Pairs, opinions: Opinions, reviewer: str) -> list[dict[str, Any]] | None:
    """The reader's own win rates and everybody's, by question; None before all pairs are decided."""
    if not opinions.is_complete:
        return None
    from tunewright.preference_rates import win_rate  # scipy takes a second to import

    rows = []
    for name, title in pairs.questions.items():
        everybody = [line for line in opinions.held if line.question == name]
        own = [line for line in everybody if line.reviewer == reviewer]
        found = [win_rate(lines, pairs.rules, name) if lines else None for lines in (own, everybody)]
        rows.append({"title": title, "own": found[0], "all": found[1]})
    return rows
