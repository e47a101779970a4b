"""A new domain's skeleton: its configuration, a brief to fill in, and the empty files that the pipeline reads."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tunewright.config import CONF
from tunewright.errors import ConfigError
from tunewright.prompts import fill
from tunewright.records import write_text

NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
RESERVED = ("shared",)  # prompts/shared/ is every domain's
TEMPLATES = Path("prep/templates")
PARENTS = ("prompts", "data/authored", "data/imported", "reviews")  # of a domain's folders, beside conf/domain


def new_domain(name: str, brief: str | None) -> list[Path]:
    """Write the skeleton of a domain, with this brief or the template's questions; returns the files.

    Raises ConfigError for a name that cannot be one, or when anything of the domain is there already.
    """
    if not NAME.fullmatch(name) or name in RESERVED or not isinstance(yaml.safe_load(name), str):
        raise ConfigError(
            f"{name!r} cannot name a domain; expected 2 to 40 of a-z, 0-9 and _, a letter first, such as first_aid; "
            f"{', '.join(RESERVED)} and what YAML reads as true, false or null mean something else"
        )
    texts, file = skeleton(name, brief), CONF / "domain" / f"{name}.yaml"
    folders = [CONF / "domain" / name, *(Path(parent) / name for parent in PARENTS)]
    if there := [path for path in (file, *folders) if path.exists()]:
        go_on = f", or go on with: tunewright adopt {name}" if file.exists() else " or take that away"
        raise ConfigError(f"{there[0]}: is there already; take another name{go_on}")
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def skeleton(name: str, brief: str | None) -> dict[Path, str]:
    """The text of every file."""
    prompts, values = Path("prompts") / name, {"id": name, "title": name.replace("_", " ").capitalize()}
    empty = [
        prompts / "sources" / ".gitkeep",  # documents that the drafts rest on
        prompts / "mended" / ".gitkeep",  # drafts that a person has mended
        Path("data/imported") / name / ".gitkeep",  # stages depend on the folder
        *(Path("data/authored") / name / f for f in ("personas.jsonl", "transcripts.jsonl", "forgotten.txt")),
        *(Path("reviews") / name / f"{n}.jsonl" for n in ("labels", "preferences", "transcripts")),
    ]
    return {
        CONF / "domain" / f"{name}.yaml": fill(TEMPLATES / "domain.yaml", **values),
        CONF / "domain" / name / "planted.yaml": fill(TEMPLATES / "planted.yaml"),
        prompts / "brief.md": brief or fill(TEMPLATES / "brief.md", sources=prompts / "sources", **values),
    } | dict.fromkeys(empty, "")
