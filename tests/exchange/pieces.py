"""Small exports: two conversations, a rubric of five criteria, and whatever labels a test gives."""

import json
from pathlib import Path

from tests.conftest import transcript
from tunewright.exchange.cells import table_text
from tunewright.exchange.label_studio_write import tasks
from tunewright.exchange.material import Material, Piece
from tunewright.exchange.said import Terms, reviewers_of
from tunewright.exchange.table_write import header, rows
from tunewright.exchange.taking import read_file
from tunewright.labels import Label
from tunewright.records import Score, Verdict
from tunewright.review_queue import QueueItem, Reason

TALKS = (transcript("t1"), transcript("t2", n=2, user="=SUM(A1)"))
WHY = (Reason(kind="random", says="drawn"), Reason(kind="gate", says="NO, said large"))
ASKED = frozenset({"safe", "warm", "curious", "late"})  # what judges are asked
SAVED = "2020-01-02T03:04:05.000000Z"


def label(rubric, said="YES", talk=TALKS[0], criterion="warm", n=1, **rest):
    """The `n`-th label, decided `n` microseconds after nine."""
    found = next((c for c in rubric.criteria if c.id == criterion), None)
    fields = {
        "id": f"{n:016x}", "transcript_id": talk.id, "content_hash": talk.content_hash, "criterion": criterion,
        "label": said, "blind": True, "reviewer": "ann", "time": f"2020-01-01T09:00:00.{n:06d}Z",
        "question_hash": rubric.question_hash(found) if found else None, "rubric_version": rubric.fingerprint,
    }  # fmt: skip
    return Label.model_validate(fields | rest)


def verdict(criterion, answer, judge="large", talk="t1"):
    return Verdict(transcript_id=talk, criterion=criterion, judge=judge, answer=answer, evidence=(2,), reasoning="so")


def score(talk):
    return Score(
        transcript_id=talk.id, persona_id="p1", answers={"warm": "NO", "late": None}, unscored={}, categories={},
        score=None, coverage=0.5, gates_failed=(), gates_unscored=(), disagreements=(), passed=None, outcome="open",
    )  # fmt: skip


def material(rubric, labels=(), blind=False):
    """Two judged conversations; `large` says YES to warm in the first, `small` NO."""
    pieces = []
    for talk in TALKS:
        item = QueueItem(transcript_id=talk.id, content_hash=talk.content_hash, reasons=WHY, drawn=None)
        verdicts = (verdict("warm", "YES", talk=talk.id), verdict("warm", "NO", "small", talk.id))
        own = tuple(x for x in labels if x.transcript_id == talk.id)
        known = {} if blind else {"verdicts": verdicts, "score": score(talk)}
        pieces.append(Piece(item, talk, labels=own, asked=ASKED, **known))
    return Material("therapy", rubric, tuple(pieces), blind)


def terms(*reviewers, prefilled=False):
    return Terms("therapy", reviewers_of(reviewers), SAVED, prefilled)


def write(form, folder, found):
    """Write an export into a folder and return its path."""
    path = Path(folder) / {"label-studio": "review.json", "csv": "review.csv"}[form]
    if form == "csv":
        path.write_text(table_text(header(found), rows(found)), "utf-8", newline="")
    else:
        path.write_text(json.dumps(tasks(found)), "utf-8")
    return path


def read(form, path, *reviewers):
    return read_file(path, form, "therapy", reviewers_of(reviewers), False)
