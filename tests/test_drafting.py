"""How an answer is read, what is kept of one that was rejected, and what is said when it was cut off."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from bench.fake_model_server import Answer
from tests.conftest import HI, ROOT, in_turn, spec
from tunewright.config import Config, load_file
from tunewright.drafting import Drafting, Expert, faults_of, listed, model_faults, read_answer, write_yaml
from tunewright.errors import DraftError


class Shelf(Config):
    title: str
    depths: tuple[int, ...]


class Place:
    """As much of a Domain as an expert looks at."""

    id, prompts = "garden", "prompts/garden"


GOOD = {"title": "shelf", "depths": [3, 4]}


@pytest.fixture
def draft(make_client, fake_server, tmp_path, monkeypatch):
    """A draft of a shelf from a server that gives these answers in turn, and the requests that it saw."""
    shutil.copytree(ROOT / "prompts/shared", tmp_path / "prompts/shared")
    monkeypatch.chdir(tmp_path)

    def make(*answers, repairs=2, messages=HI):
        server = fake_server(in_turn(*answers))
        config = Drafting(expert=spec(), repairs=repairs)
        expert = Expert(make_client(server), config, Place, "prep-shelf")
        try:
            return asyncio.run(
                expert.draft("shelf", messages, Shelf, lambda s: [] if s.depths else ["depths: none"])
            ), server
        except DraftError as error:
            return error, server

    return make


def test_an_answer_that_is_no_json_and_one_that_does_not_fit_go_back_in_turn(draft):
    found, server = draft(Answer("A shelf."), Answer('{"depths": "deep"}'), Answer(json.dumps(GOOD)))
    assert found == Shelf(title="shelf", depths=(3, 4))
    asked = [r["messages"][-1]["content"] for r in server.requests]
    assert "- not JSON: " in asked[1]
    assert "- title: Field required" in asked[2] and "- depths: Input should be a valid tuple" in asked[2]


def test_a_cut_off_answer_is_told_its_limit(draft):
    found, server = draft(Answer('{"title": "sh', finish_reason="length"), Answer(json.dumps(GOOD)))
    assert isinstance(found, Shelf)
    assert "- the answer was cut off at 50 tokens: write less" in server.requests[1]["messages"][-1]["content"]


def test_a_model_that_repeats_its_draft_is_asked_anew_each_time(draft):
    empty = Answer(json.dumps(GOOD | {"depths": []}))
    found, server = draft(empty, empty, empty)
    assert isinstance(found, DraftError) and len(server.requests) == 3
    assert json.loads(Path("data/prep/garden/rejected/shelf.json").read_text()) == GOOD | {"depths": []}
    assert Path("data/prep/garden/rejected/shelf.faults.txt").read_text() == "depths: none\n"


def test_a_refused_request_is_a_rejected_draft_with_the_provider_s_words(draft):
    found, _ = draft(Answer("this model's context is too small", status=400))
    assert isinstance(found, DraftError) and "context is too small" in str(found)
    assert "no usable draft of shelf in 1 try." in str(found) and "cp " not in str(found)
    assert [path.name for path in Path("data/prep/garden/rejected").iterdir()] == ["shelf.faults.txt"]


def test_a_draft_that_is_accepted_takes_the_rejected_one_away(draft):
    draft(Answer("no"), Answer("no"), Answer("no"))
    assert Path("data/prep/garden/rejected/shelf.json").read_text() == "no\n"
    draft(Answer(json.dumps(GOOD)), messages=[{"role": "user", "content": "another brief"}])
    assert not list(Path("data/prep/garden/rejected").iterdir())


def test_faults_are_one_line_each_and_a_long_list_says_how_many_more():
    assert read_answer("{}", Shelf, lambda s: [])[1] == ["title: Field required", "depths: Field required"]
    assert faults_of(ValueError("odd")) == ["not JSON: odd"]
    assert model_faults(Shelf, GOOD) == []
    assert listed([f"fault {n}" for n in range(14)]).splitlines()[-1] == "  ... and 2 more"


def test_a_written_draft_reads_back_as_it_was(tmp_path):
    shelf = Shelf(title="no: " + "long words " * 40 + "\u00e9", depths=(1,))
    write_yaml(tmp_path / "shelf.yaml", shelf, "A shelf.")
    assert load_file(tmp_path / "shelf.yaml", Shelf) == shelf
    assert len((tmp_path / "shelf.yaml").read_text("utf-8").splitlines()) == 4
