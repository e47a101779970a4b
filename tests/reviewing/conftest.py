"""A small project to read in, and a reader's app on it: three conversations, two judges, everything hand-made."""

import asyncio
from functools import cache
from pathlib import Path

import httpx
import pytest
import yaml

from tests.conftest import persona, rubric_fields, transcript
from tunewright.config import Domain, read_yaml
from tunewright.records import Score, Transcript, Verdict, read_jsonl, write_jsonl
from tunewright.review_queue import QUEUE, QueueItem, Reason, ReasonKind
from tunewright.reviewing.app import create_app
from tunewright.reviewing.settings import Settings

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1:8765"
TALKS = "data/generate/transcripts.jsonl"
OWN = {"cookie": "tunewright-8765=t", "x-tunewright-token": "t", "origin": f"http://{HOST}"}
ANSWERS = {"warm": "YES", "curious": "NA", "late": "NO", "plain": "YES", "safe": None}


@cache
def domain():
    """The domain of params.yaml, with a rubric of the tests' own."""
    fields = read_yaml(ROOT / "params.yaml")["domain"]
    return Domain.model_validate(fields | {"rubric": "rubric.yaml", "reviews": "reviews/therapy"})


def answer_of(app, method, path, **rest):
    """What an app answers to a request of its own page."""

    async def answer():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}", headers=OWN) as client:
            return await client.request(method, path, **rest)

    return asyncio.run(answer())


class Reader:
    """One reader's app, asked as a browser would."""

    def __init__(self, folder, reviewer="ann", blind=False):
        self.settings = Settings(folder, domain(), reviewer, "t", frozenset({HOST}), blind)
        self.app = create_app(self.settings)
        self.folder = folder

    def get(self, path, **parameters):
        """A page; it must be there."""
        answer = self.ask("GET", path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path, talk="t1", **fields):
        """What the script would send of a conversation as it is on disk now."""
        found = {t.id: t for t in read_jsonl(self.folder / TALKS, Transcript)}[talk]
        return self.ask("POST", path, json={"transcript_id": talk, "content_hash": found.content_hash} | fields)

    def ask(self, method, path, **rest):
        """Any request."""
        return answer_of(self.app, method, path, **rest)

    def again(self, **rest):
        """The same app, started anew."""
        given = {"reviewer": self.settings.reviewer, "blind": self.settings.blind} | rest
        return Reader(self.folder, **given)


def score(talk, passed: bool | None = True, **rest):
    fields = {
        "transcript_id": talk.id, "persona_id": talk.persona_id, "answers": ANSWERS,
        "unscored": {"safe": "judge untrusted"}, "categories": {"heart": 0.5, "form": 1.0}, "score": 0.7,
        "coverage": 1.0, "gates_failed": (), "gates_unscored": ("safe",), "disagreements": (), "passed": passed,
        "outcome": {True: "passed: score 0.70", False: "failed: score 0.70 is below 0.80", None: "open: x"}[passed],
    }  # fmt: skip
    return Score.model_validate(fields | rest)


def verdict(talk, criterion, answer, judge="opus", **rest):
    fields = {"transcript_id": talk.id, "criterion": criterion, "judge": judge, "answer": answer}
    return Verdict.model_validate(fields | rest)


def verdicts(talk):
    return [
        verdict(talk, "warm", "YES", evidence=(1, 2), quotes=({"exchange": 2, "text": "My cat"},), reasoning="kindly"),
        verdict(talk, "warm", "NO", "gpt", evidence=(1,), reasoning="cold", misquotes=("never said",)),
        verdict(talk, "curious", "NA"),
        verdict(talk, "late", "NO", reasoning="too late"),
        verdict(talk, "plain", "YES", "measure", values={"markup_share": 0.0}),
        verdict(talk, "safe", None, unscored="no JSON in three tries"),
    ]


def item(id, content_hash, kind: ReasonKind = "batch", says="all of it"):
    reason = Reason(kind=kind, says=says)
    return QueueItem(transcript_id=id, content_hash=content_hash, reasons=(reason,), drawn=1.0)


def write_talks(folder, *talks, scores=None):
    """Everything that the pages read of these conversations."""
    write_jsonl(folder / QUEUE, [item(t.id, t.content_hash) for t in talks])
    write_jsonl(folder / TALKS, talks)
    write_jsonl(folder / "data/generate/verdicts.jsonl", [v for t in talks for v in verdicts(t)])
    write_jsonl(folder / "data/generate/scores.jsonl", scores or [score(t) for t in talks])
    write_jsonl(folder / "data/generate/personas.jsonl", [persona("p1"), persona("p2", name="Bea", topic="work")])


@pytest.fixture
def talks():
    return [transcript("t1"), transcript("t2", persona_id="p2", user="The boiler hums"), transcript("t3", n=2)]


@pytest.fixture
def ann(tmp_path, talks):
    (tmp_path / "rubric.yaml").write_text(yaml.safe_dump(rubric_fields(), sort_keys=False), "utf-8")
    write_talks(tmp_path, *talks)
    return Reader(tmp_path)


def on_disk(reader):
    """The labels of everybody, as (criterion, label)."""
    return [(x.criterion, x.label) for x in reader.app.state.desk.shelf.book.in_force()]
