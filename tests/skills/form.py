"""The form of a skill: the specification (https://agentskills.io/specification), and this repository's own rules.

Ours: SKILL.md has Inputs, Steps, Outputs and Done when; a step names a command or a file and has a gate; a gate names a
number that `dvc metrics show` prints, or says that a person decides and from which file.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from tests.skills.named import METRIC, kind_of
from tests.skills.page import Heading, Page, Piece, read_page
from tests.skills.repository import Repository
from tunewright.token_count import count_tokens

FIELDS = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")
NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
PERSONS = re.compile(r"\b(?:I|you|your|we|our|my)\b", re.IGNORECASE)
LONGEST = {"name": 64, "description": 1024, "compatibility": 500}
LINES_MAX, TOKENS_MAX = 500, 5000  # of a SKILL.md
SECTIONS = ("Inputs", "Steps", "Outputs", "Done when")
STEP = re.compile(r"Step \d+: ")
BY_A_PERSON = "by a person"

Faults = list[tuple[int, str]]  # line, and what is wrong


def frontmatter_faults(page: Page, folder: str) -> Faults:
    """Faults of the fields; each stands on its own."""
    if page.frontmatter is None:
        return [(1, "no frontmatter: the file must begin with --- and have name and description")]
    try:
        fields = yaml.safe_load(page.frontmatter)
    except yaml.YAMLError as error:
        return [(1, f"frontmatter is not YAML: {error}")]
    if not isinstance(fields, dict):
        return [(1, "frontmatter is not a mapping")]
    found = [f"unknown field {key!r}; known: {', '.join(FIELDS)}" for key in fields if key not in FIELDS]
    found += [f"no {key}" for key in ("name", "description") if not str(fields.get(key) or "").strip()]
    found += [
        f"{key} has {len(str(fields[key]))} characters, at most {most} may be"
        for key, most in LONGEST.items()
        if len(str(fields.get(key) or "")) > most
    ]
    return [(1, fault) for fault in [*found, *_name_faults(fields, folder), *_description_faults(fields)]]


def _name_faults(fields: dict[str, Any], folder: str) -> list[str]:
    name = str(fields.get("name") or "")
    found = [] if NAME.fullmatch(name) or not name else [f"name {name!r}: lower case, digits and single hyphens only"]
    return [*found, *([f"name {name!r} is not the folder's, {folder!r}"] if name and name != folder else [])]


def _description_faults(fields: dict[str, Any]) -> list[str]:
    text = str(fields.get("description") or "")
    found = [f"description speaks of {person!r}; the third person is wanted" for person in PERSONS.findall(text)[:1]]
    if text and not text.split()[0].endswith("s"):
        found.append(f"description begins with {text.split()[0]!r}; say what the skill does: Designs, Trains")
    if text and "Use when" not in text:
        found.append("description does not say when to use it (Use when ...)")
    return found


def size_faults(page: Page) -> Faults:
    lines, tokens = len(page.text.splitlines()), count_tokens(page.body)
    found = [(1, f"{lines} lines; under {LINES_MAX} are wanted")] if lines >= LINES_MAX else []
    return [*found, *([(1, f"about {tokens} tokens; under {TOKENS_MAX} are wanted")] if tokens >= TOKENS_MAX else [])]


def reference_faults(folder: Path) -> Faults:
    """References one level deep: SKILL.md links every guide of its folder, and guides lead to no others."""
    guides = sorted(path.resolve() for path in folder.rglob("*.md") if path.name != "SKILL.md")
    linked = {_target(folder, link) for link in read_page(folder / "SKILL.md").links}
    names = {guide: str(guide.relative_to(folder.resolve())) for guide in guides}
    found = [(1, f"SKILL.md does not link {names[guide]}") for guide in guides if guide not in linked]
    found += [(1, f"{name} lies too deep") for name in names.values() if name.count("/") > 1]
    return found + [
        (1, f"{names[guide]}, line {link.line}, leads on to {link.text}, which SKILL.md does not link")
        for guide in guides
        for link in read_page(guide).links
        if _is_guide(_target(guide.parent, link)) and _target(guide.parent, link) not in linked
    ]


def _target(folder: Path, link: Piece) -> Path:
    return (folder / link.text.split("#")[0]).resolve()


def _is_guide(path: Path) -> bool:
    """Whether a file is a page of some skill beside its SKILL.md."""
    beside = (path.parent, path.parent.parent)
    return path.suffix == ".md" and path.name != "SKILL.md" and any((up / "SKILL.md").exists() for up in beside)


def shape_faults(page: Page, repository: Repository) -> Faults:
    """Sections, steps with gates, outputs that name files, done-when items that can be seen."""
    titles = {heading.title: heading for heading in page.headings}
    found: Faults = [(1, f"no section ## {title}") for title in SECTIONS if title not in titles]
    steps = [heading for heading in page.headings if STEP.match(heading.title)]
    found += [(1, "no step: ### Step 1: title")] if not steps else []
    for step in steps:
        found += _step_faults(page, step, repository)
    found += _item_faults(page, titles.get("Outputs"), lambda text: _kinds(text, repository) & {"path"}, "a path")
    found += _item_faults(page, titles.get("Done when"), lambda text: _decided(text, repository), "a metric")
    return found


def _step_faults(page: Page, step: Heading, repository: Repository) -> Faults:
    first, end = page.section(step)
    lines = page.text.splitlines()[first : end - 1]
    inside = [piece for piece in [*page.commands, *page.spans] if first < piece.line < end]
    named = {kind_of(piece.text, repository) for piece in inside} | {"command" for p in page.commands if p in inside}
    found: Faults = [] if named & {"command", "path"} else [(step.line, f"{step.title}: no command and no file")]
    gates = [_paragraph(lines, n) for n, line in enumerate(lines) if line.startswith("**Gate:**")]
    if not gates:
        found.append((step.line, f"{step.title}: no paragraph that begins **Gate:**"))
    elif not any(_decided(gate, repository) for gate in gates):
        found.append((step.line, f"{step.title}: its gate names no metric of metrics/, nor a person and a file"))
    return found


def _item_faults(page: Page, section: Heading | None, decides, wanted: str) -> Faults:
    if section is None:
        return []
    first, end = page.section(section)
    lines = page.text.splitlines()[first : end - 1]
    starts = [n for n, line in enumerate(lines) if re.match(r"- ", line)]
    found: Faults = [] if starts else [(section.line, f"{section.title} lists nothing")]
    for n in starts:
        item = _paragraph(lines, n)
        if not decides(item):
            found.append((first + n + 1, f"{section.title}: names not {wanted}: {item[:60]}"))
    return found


def _paragraph(lines: list[str], first: int) -> str:
    """A paragraph or list item: from its first line to an empty one or the next item."""
    found = [lines[first]]
    for line in lines[first + 1 :]:
        if not line.strip() or line.startswith("- "):
            break
        found.append(line)
    return " ".join(part.strip() for part in found)


def _spans(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def _kinds(text: str, repository: Repository) -> set[str]:
    return {kind for span in _spans(text) if (kind := kind_of(span, repository))}


def _decided(text: str, repository: Repository) -> bool:
    """Whether it can be read off: from a number that `dvc metrics show` prints, or by a person from a file."""
    files = [match[1] for span in _spans(text) if (match := METRIC.fullmatch(span))]
    printed = any(fnmatch(file, metrics) for file in files for metrics in repository.metrics)
    return printed or (BY_A_PERSON in text and "path" in _kinds(text, repository))
