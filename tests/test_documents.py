"""Documents name what is there: every link, path, test, check and key that they mention exists."""

from __future__ import annotations

import ast
import re
from itertools import product
from pathlib import Path

import pytest
import yaml

from stages.design.check import Config, checklist, read_design
from tunewright.config import load, load_domain

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
METHOD = ROOT / "docs/method.md"
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
OUTSIDE = re.compile(r"[a-z]+:|#")  # another site, or this page
PATH = re.compile(r"(?:stages|tests|conf|tunewright)/[^\s<>=]*")  # <stage> is a slot and no path
SLOT = "NAME"  # of a domain that the reader starts; what is said of it must hold for therapy
TEST_FILE = re.compile(r"\]\(\.\./(tests/[\w/]+\.py)\)")
KEY = re.compile(r"(?:domain|prep|design|generate|train|evaluate)(?:\.[a-z_0-9]+)+")
CHECKS = re.compile(r'design-check ("[^"]+"(?:, "[^"]+")*)')


def prose(document: Path) -> str:
    """A document without its fenced blocks."""
    return FENCED.sub("", document.read_text("utf-8"))


def spelled_out(path: str) -> list[str]:
    """A path with {a,b} as the paths that it stands for."""
    parts = [part.split(",") for part in re.split(r"[{}]", path)]
    return ["".join(one) for one in product(*parts)]


def named_tests(page: str) -> list[tuple[str, str]]:
    """Every test that a page names, with the file that is linked last before it on its line."""
    found = []
    for line in page.splitlines():
        for piece in re.split(r"(?=\]\(\.\./tests/)", line)[1:]:
            if file := TEST_FILE.match(piece):
                found += [(file[1], name) for name in CODE.findall(piece) if name.startswith("test_")]
    return found


def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_something(document: Path) -> None:
    targets = [t.split("#")[0] for t in LINK.findall(prose(document)) if not OUTSIDE.match(t)]
    assert [t for t in targets if not (document.parent / t).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_of_the_code_that_a_document_names_is_there(document: Path) -> None:
    shown = prose(document).replace(SLOT, "therapy")
    named = [path for code in CODE.findall(shown) if PATH.fullmatch(code) for path in spelled_out(code)]
    assert [path for path in named if not any(ROOT.glob(path.rstrip("/")))] == []


def test_every_test_that_the_method_s_page_names_stands_in_its_file() -> None:
    page = METHOD.read_text("utf-8")
    named = named_tests(page)
    assert len(named) == sum(code.startswith("test_") for code in CODE.findall(page)) > 0
    assert [(file, test) for file, test in named if test not in functions(file)] == []


def test_every_check_that_the_method_s_page_names_is_one_of_design_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    subjects = checklist(read_design(load_domain()), load("design.check", Config))
    known = {check.name for checks in subjects.values() for check in checks}
    named = {name for listed in CHECKS.findall(METHOD.read_text("utf-8")) for name in re.findall('"([^"]+)"', listed)}
    assert named - known == {"name"}  # the page says how checks are named


def test_every_key_and_stage_that_the_method_s_page_names_is_there() -> None:
    params, stages = (yaml.safe_load((ROOT / name).read_text("utf-8")) for name in ("params.yaml", "dvc.yaml"))
    stages = stages["stages"] | yaml.safe_load((ROOT / "prep/dvc.yaml").read_text("utf-8"))["stages"]
    named = CODE.findall(METHOD.read_text("utf-8"))
    for key in filter(KEY.fullmatch, (code.split("=")[0] for code in named)):
        value = params
        for part in key.split("."):
            assert part in value, key
            value = value[part]
    phases = re.compile("(?:design|prep|generate|train|evaluate)-[a-z]+")
    assert [name for name in named if phases.fullmatch(name) and name not in stages] == []
