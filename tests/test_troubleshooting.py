"""Whoever looks for a message on the page of troubles finds the words that the code really says."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs/troubleshooting.md").read_text("utf-8")
QUOTED = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
SLOT = "\0"  # where the code puts in a value; on the page it is …


def texts(tree: ast.AST) -> list[str]:
    """Every string of a module, with a slot for what is put in; parts that stand side by side are one string."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(p.value) if isinstance(p, ast.Constant) else SLOT for p in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(re.sub(r"\{\w+\}", SLOT, node.value))
    return found


@cache
def all_texts() -> tuple[str, ...]:
    files = [*(ROOT / "tunewright").rglob("*.py"), *(ROOT / "stages").rglob("*.py")]
    return tuple(text for file in sorted(files) for text in texts(ast.parse(file.read_text("utf-8"))))


def says(text: str, quoted: str) -> bool:
    """Could this string of the code be what the page quotes?"""
    parts = [re.escape(part) for part in quoted.split("…")]
    return re.search(f"[^\n]*?{SLOT}[^\n]*?".join(parts), text) is not None


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_quoted_message_is_one_that_the_code_says(quoted: str) -> None:
    assert len(re.sub(r"[…\s]", "", quoted)) >= 10, "too little to look for"
    assert any(says(text, quoted) for text in all_texts()), "no such message in tunewright/ or stages/"


def test_the_page_quotes_messages() -> None:
    assert len(QUOTED) > 40 and len(set(QUOTED)) == len(QUOTED)


def test_a_message_is_found_over_its_slots_and_a_reworded_one_is_not(tmp_path: Path) -> None:
    source = 'raise E(f"{path}, line {n}: found {x!r}, " f"expected {y}")\nplain = "give {name} a price"\n'
    found = texts(ast.parse(source))
    assert any(says(text, "line …: found …, expected …") for text in found)
    assert any(says(text, "give … a price") for text in found)
    assert not any(says(text, "line …: got …, expected …") for text in found)
    assert not any(says(text, "line 3: found") for text in found)
