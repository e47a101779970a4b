"""What the code spans and links of a page name, and whether it is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.skills.commands import CHECKS, check_command, check_overrides
from tests.skills.page import Page, Piece, read_page
from tests.skills.repository import Repository, spelled_out
from tests.skills.shell import Unusable

GROUPS = ("preset", "domain", "llm", "base_model", "trainer", "runner")
SECTIONS = (*GROUPS, "prep", "design", "generate", "train", "evaluate")
METRIC = re.compile(r"((?:metrics|data)/[\w/<>.*-]+\.json):([\w.]+)")
PATH = re.compile(r"[\w.<>{},*@-]+(?:/[\w.<>{},*@-]*)+")
FILE = re.compile(r"[\w.-]+\.(?:md|html|yaml|jsonl?|py|toml|lock|gguf|csv|parquet)")
STAGE = re.compile(r"(?:prep|design|generate|train|evaluate)-[a-z]+(?:@\w+)?")
KEY = re.compile(rf"(?:{'|'.join(SECTIONS)})(?:\.\w+)+")
OVERRIDE = re.compile(rf"(?:{'|'.join(SECTIONS)})(?:\.[\w.]+)?=\S+")
VARIABLE = re.compile(r"(?:TUNEWRIGHT|HF)_[A-Z_]+")
NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
KINDS = (("stage", STAGE), ("override", OVERRIDE), ("key", KEY), ("variable", VARIABLE), ("name", NAME))


@dataclass(frozen=True)
class Named:
    """One thing that a page names, how it was checked, and what is wrong with it ("" for nothing)."""

    kind: str
    text: str
    page: str  # relative to the skills' folder
    line: int
    how: str = ""
    fault: str = ""


def named(page: Page, name: str, repository: Repository) -> list[Named]:
    """Everything that a page names, in the order of its lines."""
    commands = [_command(piece, name, repository) for piece in page.commands]
    spans = [_span(piece, name, repository) for piece in page.spans]
    links = [_link(piece, page, name) for piece in page.links if not re.match(r"[a-z]+:", piece.text)]
    return sorted([*commands, *filter(None, spans), *links], key=lambda one: one.line)


def kind_of(text: str, repository: Repository) -> str | None:
    """What a code span names; None for a word of the text."""
    if text.split(" ")[0] in CHECKS:
        return "command" if " " in text else None
    if METRIC.fullmatch(text):
        return "metric"
    if PATH.fullmatch(text):
        return "path" if text.split("/")[0] in repository.folders else None
    if FILE.fullmatch(text):
        return "path"
    return next((kind for kind, pattern in KINDS if pattern.fullmatch(text)), None)


def _span(piece: Piece, page: str, repository: Repository) -> Named | None:
    kind = kind_of(piece.text, repository)
    if kind == "command":
        return _command(piece, page, repository)
    return Named(kind, piece.text, page, piece.line, fault=_fault(kind, piece.text, repository)) if kind else None


def _command(piece: Piece, page: str, repository: Repository) -> Named:
    try:
        return Named("command", piece.text, page, piece.line, how=check_command(piece.text, repository))
    except Unusable as error:
        return Named("command", piece.text, page, piece.line, fault=str(error))


def _fault(kind: str, text: str, repository: Repository) -> str:
    if kind == "metric":
        file, key = METRIC.fullmatch(text).groups()  # type: ignore[union-attr]
        return "" if repository.has_number(file, key) else f"no stage writes {key} into {file}"
    if kind == "path":
        exists = repository.has if "/" in text else repository.has_name
        missing = [path for path in spelled_out(text) if not exists(path)]
        return f"not there, and no stage or command makes it: {', '.join(missing)}" if missing else ""
    if kind == "stage":
        return "" if text in repository.stages else "no such stage in dvc.yaml or prep/dvc.yaml"
    if kind == "key":
        return "" if repository.has_key(text) else "no file of conf/ defines it"
    if kind in ("variable", "name"):
        return "" if text in repository.words else "no file of the code, conf/ or prompts/ has such a word"
    try:
        check_overrides((text,), repository)
    except Unusable as error:
        return str(error)
    return ""


def _link(piece: Piece, page: Page, name: str) -> Named:
    target, _, anchor = piece.text.partition("#")
    file = page.path.parent / target if target else page.path
    fault = ""
    if not file.exists():
        fault = f"there is no {target} beside the page"
    elif anchor and anchor not in _anchors(file):
        fault = f"{file.name} has no heading #{anchor}; it has {', '.join(sorted(_anchors(file)))}"
    return Named("link", piece.text, name, piece.line, fault=fault)


def _anchors(file: Path) -> set[str]:
    return read_page(file).anchors if file.suffix == ".md" else set()
