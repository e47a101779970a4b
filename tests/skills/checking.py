"""Every skill of a folder, checked: what it names, its form, and a table of both."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.skills.form import frontmatter_faults, reference_faults, shape_faults, size_faults
from tests.skills.named import Named, named
from tests.skills.page import Page, read_page
from tests.skills.repository import Repository
from tunewright.token_count import count_tokens

KINDS = ("command", "metric", "path", "stage", "key", "override", "variable", "name", "link")


@dataclass(frozen=True)
class Checked:
    """One page of a skill."""

    name: str  # finetune-design/SKILL.md
    lines: int
    tokens: int
    named: list[Named]

    @property
    def faults(self) -> list[Named]:
        return [one for one in self.named if one.fault]


def check_skills(skills: Path, repository: Repository) -> list[Checked]:
    """Every page of every skill; a folder without SKILL.md is a fault."""
    return [page for folder in sorted(skills.iterdir()) if folder.is_dir() for page in check_skill(folder, repository)]


def check_skill(folder: Path, repository: Repository) -> list[Checked]:
    main = folder / "SKILL.md"
    if not main.exists():
        return [Checked(f"{folder.name}/SKILL.md", 0, 0, [_fault(f"{folder.name}/SKILL.md", 1, "no SKILL.md")])]
    pages = [main, *sorted(path for path in folder.rglob("*.md") if path != main)]
    return [_checked(read_page(path), folder, repository) for path in pages]


def _checked(page: Page, folder: Path, repository: Repository) -> Checked:
    name = f"{folder.name}/{page.path.relative_to(folder)}"
    found = named(page, name, repository)
    if page.path.name == "SKILL.md":
        faults = [*frontmatter_faults(page, folder.name), *size_faults(page), *reference_faults(folder)]
        found += [_fault(name, line, what) for line, what in [*faults, *shape_faults(page, repository)]]
    return Checked(name, len(page.text.splitlines()), count_tokens(page.body), found)


def _fault(page: str, line: int, what: str) -> Named:
    return Named("form", "", page, line, fault=what)


def show(pages: list[Checked], console: Console) -> int:
    """Print tables of pages, of commands and of faults; how many faults there are."""
    console.print(_page_table(pages))
    console.print(_command_table(pages))
    faults = [fault for page in pages for fault in page.faults]
    for one in faults:
        console.print(f".claude/skills/{one.page}:{one.line}: {one.text and f'{one.text}: '}{one.fault}", markup=False)
    n_named = sum(len(page.named) for page in pages)
    console.print(f"{len(pages)} pages, {n_named} things named, {len(faults)} faults", highlight=False)
    return len(faults)


def _page_table(pages: list[Checked]) -> Table:
    table = Table("page", "lines", "tokens", *(f"{kind}s" for kind in KINDS), "faults", title="Skills")
    for column in table.columns[1:]:
        column.justify = "right"
    for page in pages:
        count = Counter(one.kind for one in page.named)
        numbers = [page.lines, page.tokens, *(count[kind] for kind in KINDS), len(page.faults)]
        table.add_row(page.name, *map(str, numbers))
    return table


def _command_table(pages: list[Checked]) -> Table:
    """Each command once, with how it was checked."""
    table = Table("command", "named", "checked", title="Commands")
    commands = [one for page in pages for one in page.named if one.kind == "command"]
    count = Counter(one.text for one in commands)
    for one in {one.text: one for one in commands}.values():
        table.add_row(
            escape(one.text), str(count[one.text]), escape(one.how) or "FAULT", style="" if one.how else "bold red"
        )
    return table
