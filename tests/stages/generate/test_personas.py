"""People in batches, and a file that only grows."""

import json
from pathlib import Path

import pytest

from stages.generate import personas as stage
from stages.generate.personas import Config, sample
from tests.conftest import ROOT
from tunewright.errors import ConfigError
from tunewright.personas import load_taxonomy, load_template
from tunewright.records import Persona, read_jsonl

TAXONOMY = load_taxonomy(str(ROOT / "conf/domain/therapy/taxonomy.yaml"))
TEMPLATE = load_template(str(ROOT / "conf/domain/therapy/personas.yaml"))
FILE = Path("data/generate/personas.jsonl")


def config(count, batch_size=5):
    return Config(count=count, batch_size=batch_size, seed=7)


def test_batches_are_numbered_from_1_and_filled_one_after_the_other():
    found = sample(config(7, 3), TAXONOMY, TEMPLATE, ())
    assert [p.batch for p in found] == [1, 1, 1, 2, 2, 2, 3]
    assert [p.id for p in found][::6] == ["persona-0001", "persona-0007"]


def test_batches_of_another_size_are_of_the_same_people():
    small, large = (sample(config(6, size), TAXONOMY, TEMPLATE, ()) for size in (2, 6))
    assert [p.model_copy(update={"batch": 0}) for p in small] == [p.model_copy(update={"batch": 0}) for p in large]


def test_asking_for_ten_more_adds_lines_and_changes_none(workspace):
    workspace.write_params("generate.personas", config(8).model_dump())
    stage.main()
    before = FILE.read_bytes()
    stage.main()
    assert FILE.read_bytes() == before
    workspace.write_params("generate.personas", config(18).model_dump())
    stage.main()
    assert FILE.read_bytes().startswith(before)
    people = read_jsonl(FILE, Persona)
    assert len({p.id for p in people}) == 18 == workspace.metrics("generate-personas")["n_personas"]
    shares = json.loads(Path("data/generate/persona_shares.json").read_text("utf-8"))
    rows = {row["value"]: row for row in shares if row["dimension"] == "topic"}
    for topic, weight in TAXONOMY.dimensions["topic"].items():
        n = sum(p.topic == topic for p in people)
        assert (rows[topic]["wanted"], rows[topic]["realised"]) == (weight, round(n / 18, 4))
    gap = sum(abs(row["wanted"] - row["realised"]) for row in rows.values()) / 2
    plotted = {
        row["dimension"]: row["distance"] for row in json.loads(Path("plots/generate-personas.json").read_text())
    }
    assert plotted["topic"] == pytest.approx(gap, abs=1e-4)


def test_no_people_at_all_are_an_empty_file(workspace):
    workspace.write_params("generate.personas", config(0).model_dump())
    stage.main()
    assert FILE.read_bytes() == b"" and workspace.metrics("generate-personas")["n_personas"] == 0


def test_a_negative_count_is_refused_with_its_line(workspace):
    workspace.write_params("generate.personas", config(1).model_dump() | {"count": -1})
    with pytest.raises(ConfigError, match=r"params\.yaml, line \d+: generate\.personas\.count: .*found -1, expected"):
        stage.main()
