"""The page and the pictures of the stages are what dvc.yaml says, and what dvc.yaml says is read as DVC reads it."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import networkx as nx
import pytest
from dvc.repo import Repo

from bench.pipeline_graph import PHASES, Node, asked, question, read_pipeline, reduced
from bench.pipeline_layout import BOX, HEIGHT, layout
from bench.pipeline_page import made
from tests.conftest import ROOT

NODES = read_pipeline(ROOT, "dvc.yaml")
MADE = made(ROOT)
SMALL = """
stages:
  generate-first:
    cmd: x
    deps: [in.txt]
    outs: [data/folder]
    metrics: [{metrics/first.json: {cache: false}}]
  generate-second:
    cmd: x
    deps: [data/folder/part.json]
    outs: ["data/second.jsonl": {cache: false}]
  train-each:
    foreach: {base: {weights: data/folder}, tuned: {weights: data/second.jsonl}}
    do: {cmd: x, deps: ["${item.weights}"], outs: ["models/${key}.gguf"]}
  evaluate-both:
    foreach: [base, tuned]
    do: {cmd: x, deps: ["models/${item}.gguf", data/folder], outs: ["data/both/${item}.jsonl"]}
  evaluate-last:
    cmd: x
    deps: [data/both, metrics/first.json]
"""
CONF = """
llm: {user: {model: m}, judges: [], judge_batching: criterion, candidates: {base: {model: b}}}
generate: {first: {user: "${llm.user}"}, second: {same: "${generate.first.user}", how: "${llm.judge_batching}"}}
train: {each: {temperature: "${llm.candidates.base.temperature}"}}
evaluate: {both: {candidate: "${llm.candidates.base}", deep: {judges: "${llm.judges}"}}, last: {n: 1}}
"""


@pytest.mark.parametrize("path", MADE)
def test_what_the_documents_show_of_the_stages_is_what_dvc_yaml_says_now(path: str) -> None:
    current = MADE[path] == (ROOT / path).read_text("utf-8")
    assert current, f"{path} is stale; make it with: python -m bench.pipeline_page"


@pytest.fixture
def small(tmp_path: Path) -> dict[str, Node]:
    (tmp_path / "dvc.yaml").write_text(SMALL, "utf-8")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/config.yaml").write_text(CONF, "utf-8")
    for name in ("generate-first", "generate-second", "train-each", "evaluate-both", "evaluate-last"):
        script = tmp_path / f"stages/{name.replace('-', '/')}.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f'"""{name}: what is {name}?\n\nMore.\n"""\n', "utf-8")
    return {node.name: node for node in read_pipeline(tmp_path, "dvc.yaml")}


def test_a_stage_needs_what_makes_its_deps_be_it_a_file_a_folder_around_it_or_files_in_it(
    small: dict[str, Node],
) -> None:
    assert {name: node.needs for name, node in small.items()} == {
        "generate-first": (),
        "generate-second": ("generate-first",),
        "train-each@base": ("generate-first",),
        "train-each@tuned": ("generate-second",),
        "evaluate-both": ("generate-first", "train-each@base", "train-each@tuned"),
        "evaluate-last": ("generate-first", "evaluate-both"),
    }
    assert small["evaluate-both"].outputs == ("data/both/{base,tuned}.jsonl",)
    assert small["train-each@tuned"].outputs == ("models/tuned.gguf",)
    assert [name for name, node in small.items() if node.items] == ["evaluate-both"]


def test_edges_that_others_imply_are_not_drawn(small: dict[str, Node]) -> None:
    assert set(reduced(small.values()).edges) == {
        ("generate-first", "generate-second"), ("generate-first", "train-each@base"),
        ("generate-second", "train-each@tuned"), ("train-each@base", "evaluate-both"),
        ("train-each@tuned", "evaluate-both"), ("evaluate-both", "evaluate-last"),
    }  # fmt: skip


def test_whom_a_stage_asks_is_followed_through_other_sections_and_a_setting_is_nobody(small: dict[str, Node]) -> None:
    assert {name: node.asks for name, node in small.items()} == {
        "generate-first": ("user",),
        "generate-second": ("user",),
        "train-each@base": (),
        "train-each@tuned": (),
        "evaluate-both": ("judges", "candidates"),
        "evaluate-last": (),
    }
    assert asked("${nowhere.at.all}", {}) == set()


def test_the_real_edges_are_those_of_dvc_itself() -> None:
    theirs = {(name(b), name(a)) for a, b in Repo(str(ROOT)).index.graph.edges}
    theirs = {(a, b) for a, b in theirs if a and b and a != b and not a.startswith("prep-")}
    assert {(need, node.name) for node in NODES for need in node.needs} == theirs


def name(stage: object) -> str:
    """A stage of DVC's index as it is called here; "" for a file of `dvc add`."""
    address = getattr(stage, "name", "")
    short = address.split("@")[0]
    return address if short == "train-export" else short


def test_a_docstring_that_does_not_begin_with_its_stage_s_name_is_told(tmp_path: Path) -> None:
    script = tmp_path / "train/merge.py"
    script.parent.mkdir()
    script.write_text('"""merge: adds two"""\n', "utf-8")
    with pytest.raises(ValueError, match="expected the stage's name"):
        question(script)


def test_no_two_boxes_touch_no_arrow_crosses_a_box_and_each_ends_at_one() -> None:
    placed = layout(NODES, PHASES)
    corners = list(placed.boxes.values())
    assert len({(x, y) for x, y in corners}) == len(NODES)
    for points in placed.arrows:
        assert len([c for c in corners if touches(points[-1], c, 0)]) == 1
        assert len([c for c in corners if touches(points[0], c, 0)]) == 1
        steps = [between(a, b, i / 50) for a, b in zip(points, points[1:], strict=False) for i in range(51)]
        assert not [c for c in corners for step in steps if touches(step, c, -1)], points


def between(a: tuple[float, float], b: tuple[float, float], share: float) -> tuple[float, float]:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def touches(point: tuple[float, float], corner: tuple[float, float], margin: float) -> bool:
    """Does a point lie in a box that is larger by a margin (smaller, if below 0) on every side?"""
    (x, y), (left, top) = point, corner
    return left - margin <= x <= left + BOX + margin and top - margin <= y <= top + HEIGHT + margin


def test_the_picture_is_sound_xml_and_names_every_stage_with_what_it_does() -> None:
    root = ElementTree.fromstring((ROOT / "docs/pipeline.svg").read_text("utf-8"))
    titles = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}title")][1:]
    assert sorted(re.split(": ", title)[0] for title in titles) == sorted(node.name for node in NODES)
    assert nx.is_directed_acyclic_graph(reduced(NODES))
