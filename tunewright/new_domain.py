"""A new domain's skeleton: its configuration, a brief to fill in, and the empty files that the pipeline reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from tunewright.composing import prep_text
from tunewright.config import CONF, DOMAIN_NAME, PREP_PARAMS
from tunewright.config import brief as shown
from tunewright.errors import ConfigError
from tunewright.prompts import fill
from tunewright.records import write_text

RESERVED = ("shared",)  # prompts/shared/ is every domain's
TEMPLATES = Path("prep/templates")
PARENTS = ("prompts", "data/authored", "data/imported", "reviews")  # of a domain's folders, beside conf/domain


def new_domain(name: str, brief: str | None) -> list[Path]:
    """Write the skeleton of a domain, with this brief or the template's questions; returns the files.

    Raises ConfigError for a name that cannot be one, or when anything of the domain is there already.
    """
    if not DOMAIN_NAME.fullmatch(name) or name in RESERVED or not isinstance(yaml.safe_load(name), str):
        raise ConfigError(
            f"{shown(name)} cannot name a domain: found a name that no folder should have, expected 2 to 40 of "
            "a-z, 0-9 and _, a letter first, such as first_aid; "
            f"{', '.join(RESERVED)} and what YAML reads as true, false or null mean something else; choose "
            "another and run: tunewright new-domain NAME"
        )
    texts, file = skeleton(name, brief), CONF / "domain" / f"{name}.yaml"
    if there := [path for path in (file, *_folders(name)) if path.exists()]:
        go_on = f", or go on with: tunewright adopt {name}" if file.exists() else " or take that away"
        raise ConfigError(
            f"{there[0]}: found it there already, expected nothing of that name; take another name{go_on}"
        )
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def start_domain(name: str, brief: str | None) -> list[Path]:
    """A new domain and prep/params.yaml for drafting it; when conf/ does not compose, neither of them stays."""
    paths = new_domain(name, brief)
    try:
        write_text(PREP_PARAMS, prep_text([f"domain={name}"]))
    except BaseException:
        (CONF / "domain" / f"{name}.yaml").unlink(missing_ok=True)
        for folder in _folders(name):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return [*paths, PREP_PARAMS]


def _folders(name: str) -> list[Path]:
    return [CONF / "domain" / name, *(Path(parent) / name for parent in PARENTS)]


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
