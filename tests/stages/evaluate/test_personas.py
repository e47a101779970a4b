"""The people of the comparison are in no training example."""

from pathlib import Path

import pytest

from stages.evaluate import personas as stage
from stages.evaluate.personas import Config, held_out, refuse_overlap, sampled
from tests.conftest import ROOT, persona
from tunewright.config import Domain, read_yaml
from tunewright.errors import ConfigError, RecordError
from tunewright.personas import load_taxonomy, load_template, sample_persona
from tunewright.records import Example, Persona, read_jsonl, write_jsonl
from tunewright.splits import Shares, split_of

FILE = Path("data/evaluate/personas.jsonl")
DOMAIN = Domain.model_validate(read_yaml(ROOT / "params.yaml")["domain"])
SHARES = {"train": 0.5, "valid": 0.0, "holdout": 0.5}
SECTION = {"source": "authored", "imported": "take", "shares": SHARES, "split_seed": 7, "count": 15, "seed": 7}
PEOPLE = [persona(f"p{n}") for n in range(10)]


def example(person):
    return Example(id=f"x-{person}", transcript_id="t", persona_id=person, n_exchanges=1, n_tokens=1, messages=())


def test_held_out_people_are_of_the_holdout_alone_in_the_order_of_their_ids():
    found = held_out(PEOPLE, {"p8", "p1", "p5", "stranger"}, 9, 7)
    assert [p.id for p in found] == ["p1", "p5", "p8"]


def test_one_more_held_out_person_adds_one_and_moves_nobody():
    ids = {p.id for p in PEOPLE}
    found = [{p.id for p in held_out(PEOPLE, ids, n, 7)} for n in range(11)]
    assert [len(f) for f in found] == list(range(11))
    assert all(fewer < more for fewer, more in zip(found, found[1:], strict=False))
    assert held_out(PEOPLE, ids, 3, 7) == held_out(PEOPLE[::-1], ids, 3, 7)


def test_a_sampled_person_who_equals_a_known_one_is_passed_over(monkeypatch):
    monkeypatch.chdir(ROOT)
    taxonomy, template = load_taxonomy(DOMAIN.taxonomy), load_template(DOMAIN.personas)
    first = sample_persona(1, "evaluation", 7, taxonomy, template)
    twin = first.model_copy(update={"id": "persona-0009", "batch": 4})
    config = Config.model_validate(SECTION | {"source": "sampled", "count": 3})
    assert [p.id for p in sampled(config, DOMAIN, [])] == ["evaluation-0001", "evaluation-0002", "evaluation-0003"]
    assert [p.id for p in sampled(config, DOMAIN, [twin])] == ["evaluation-0002", "evaluation-0003", "evaluation-0004"]


def test_a_person_with_a_training_example_is_refused_and_named():
    refuse_overlap(PEOPLE, {"somebody"})
    with pytest.raises(RecordError, match=r"2 people have training examples too \(p3, p7\); expected none"):
        refuse_overlap(PEOPLE, {"p7", "p3", "somebody"})


@pytest.fixture
def run(workspace):
    workspace.write_authored(PEOPLE, [])
    write_jsonl("data/generate/personas.jsonl", [persona("persona-0001")])
    for name, ids in (("train", "p0 p1 p2"), ("valid", "p3"), ("holdout", "p4 p5 p6")):
        write_jsonl(f"data/generate/{name}.jsonl", [example(i) for i in ids.split()])

    def start(**rest):
        workspace.write_params("evaluate.personas", SECTION | rest)
        stage.main()
        return [p.id for p in read_jsonl(FILE, Persona)]

    return start


def test_the_authored_people_of_the_holdout_are_written(run, workspace):
    assert run() == ["p4", "p5", "p6"]
    assert workspace.metrics("evaluate-personas") == {"n_personas": 3, "n_edge_cases": 0}


def test_imported_people_are_held_out_by_their_split_with_or_without_an_example(run, workspace):
    people = [persona(f"imported-{n}", source="imported", age=None) for n in range(8)]
    workspace.write_imported("jan", people, [])
    held_out = [p.id for p in people if split_of(p.id, Shares.model_validate(SHARES), 7) == "holdout"]
    assert 1 < len(held_out) < 8
    assert run(source="imported") == held_out
    assert run(source="recorded") == sorted([*held_out, "p4", "p5", "p6"])
    assert run(source="recorded", imported="leave") == sorted([p.id for p in people] + ["p4", "p5", "p6"])
    assert run() == ["p4", "p5", "p6"]


def test_sampled_people_are_new_ones(run):
    assert run(source="sampled", count=2) == ["evaluation-0001", "evaluation-0002"]


def test_a_taxonomy_that_has_no_new_people_to_give_stops_instead_of_drawing_for_ever(run, monkeypatch):
    monkeypatch.setattr(stage, "_likeness", lambda persona: "the same for all")
    with pytest.raises(ConfigError, match=r"200 draws gave 0 people .* wanted 2"):
        run(source="sampled", count=2)


def test_kinds_of_edge_cases_that_nobody_is_are_said(run, capsys):
    run()
    assert "nobody among them is an edge case of kind crisis" in capsys.readouterr().err


def test_a_leak_between_the_splits_stops_the_stage(run):
    write_jsonl("data/generate/valid.jsonl", [example("p3"), example("p5")])
    with pytest.raises(RecordError, match=r"1 people have training examples too \(p5\)"):
        run()
    assert not FILE.exists()


def test_fewer_than_two_people_are_no_comparison(run):
    write_jsonl("data/generate/holdout.jsonl", [example("p4")])
    with pytest.raises(RecordError, match="only 1 held-out personas; a comparison needs 2"):
        run()
