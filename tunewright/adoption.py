"""Drafts into the curated files, one difference at a time, and never over work that git does not have."""

from __future__ import annotations

import difflib
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from tunewright.checks.design import Config as DesignCheck
from tunewright.checks.design import checklist, read_design
from tunewright.checks.report import told
from tunewright.composing import composed_text
from tunewright.config import CONF, DOMAIN_NAME, Domain, brief, load_file, validate
from tunewright.design_set import FILES, drafted, file_fault, set_faults, target
from tunewright.drafting import draft_folder
from tunewright.errors import ConfigError, MissingInputError
from tunewright.records import write_text
from tunewright.text_files import read_text

DRAFT, PROPOSED = "draft", "proposed"
QUIT = "quit"


class Candidate(NamedTuple):
    """A file that a draft differs from: where it belongs, what is there, and the versions to choose from.

    `offered` has every version that was drafted, also one that is adopted already and so no longer in `versions`.
    """

    name: str
    target: Path
    current: str | None
    versions: dict[str, Path]
    offered: frozenset[str]

    def difference(self, version: str) -> list[str]:
        """A unified diff's lines: from what is there to the draft, and from the draft to what the critics propose."""
        new, since_draft = self.versions[version], version == PROPOSED and DRAFT in self.versions
        old = self.versions[DRAFT] if since_draft else self.target
        before = read_text(old) if since_draft else self.current or ""
        after = read_text(new).splitlines(keepends=True)
        return list(difflib.unified_diff(before.splitlines(keepends=True), after, str(old), str(new)))


def domain_named(name: str) -> Domain:
    """A domain by its name; raises ConfigError for one that conf/ does not have."""
    path = CONF / "domain" / f"{name}.yaml"
    if not DOMAIN_NAME.fullmatch(name) or not path.exists():
        known = ", ".join(sorted(p.stem for p in (CONF / "domain").glob("*.yaml"))) or "none"
        raise ConfigError(
            f"{CONF / 'domain'}: no such domain: found the name {brief(name)}, expected one that is there: {known}; "
            "make one with: tunewright new-domain NAME"
        )
    domain = load_file(path, Domain)
    if domain.id != name:
        raise ConfigError(f"{path}: found id {domain.id!r}, expected the file's name, {name!r}; edit it and run again")
    return domain


def candidates(domain: Domain, only: str | None) -> list[Candidate]:
    """The files of the set whose drafts differ from what is there, `only` one of them if it is named.

    Raises MissingInputError without drafts, ConfigError for a name that is no file of the set or a draft at fault.
    """
    folder = draft_folder(domain)
    if only and only not in FILES:
        raise ConfigError(
            f"--only: found {brief(only)}, expected one file of the set: {', '.join(FILES)}; name one of them"
        )
    found = [c for name in FILES if only in (None, name) and (c := candidate(domain, folder, name))]
    if not any(drafted(folder, name).exists() for name in FILES):
        raise MissingInputError(f"{folder}: no drafts; make them with: dvc repro prep/dvc.yaml")
    return found


def candidate(domain: Domain, folder: Path, name: str) -> Candidate | None:
    """One file of the set with those of its versions that differ from what is there; None without any."""
    place = target(domain, name)
    current = what_is_at(place)
    places = {DRAFT: drafted(folder, name), PROPOSED: drafted(folder / "proposed", name)}
    offered = {version: path for version, path in places.items() if path.exists()}
    versions = {version: path for version, path in offered.items() if read_text(path) != current}
    for path in versions.values():
        if fault := file_fault(name, path):
            raise ConfigError(f"{fault}; or make the draft again with: dvc repro -f prep/dvc.yaml")
    return Candidate(name, place, current, versions, frozenset(offered)) if versions else None


def what_is_at(place: Path) -> str | None:
    """A file's text, or None where there is no file."""
    return read_text(place) if place.exists() else None


def uncommitted(paths: Iterable[Path]) -> set[Path]:
    """Those of the paths that hold something which git does not; raises ConfigError when git cannot say."""
    there = [path for path in paths if path.exists()]
    if not there:
        return set()
    command = ["git", "status", "--porcelain", "--ignored", "--untracked-files=all", "-z", "--", *map(str, there)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ConfigError("git cannot say what is committed (there is no git here); nothing was adopted") from None
    if done.returncode:
        raise ConfigError(f"git cannot say what is committed ({done.stderr.strip()}); nothing was adopted")
    entries = [entry[3:] for entry in done.stdout.split("\0") if entry]
    return {path for path in there if any(entry.endswith(path.as_posix()) for entry in entries)}


def adopt_files(domain: Domain, only: str | None, choose: Callable[[Candidate], str]) -> Iterator[str]:
    """Copy the versions that `choose` names (any other word leaves a file, QUIT stops); yields what was done."""
    found = candidates(domain, only)
    dirty = uncommitted(c.target for c in found)
    if not found:
        yield f"{domain.id}: no draft differs from what is there"
    for one in found:
        if one.target in dirty:
            yield f"{one.target}: left alone, it has changes that are not committed"
            continue
        choice = choose(one)
        if choice == QUIT:
            return
        if choice not in one.versions:
            continue
        if what_is_at(one.target) != one.current:  # asking takes its time
            yield f"{one.target}: left alone, it was edited meanwhile; commit it and run: tunewright adopt {domain.id}"
        else:
            write_text(one.target, read_text(one.versions[choice]))
            yield f"{one.target}: adopted the {choice}"


def taken(preferred: str, one: Candidate) -> str:
    """The preferred version of a file, or its draft where there is no such version; "" when that is adopted already."""
    wanted = preferred if preferred in one.offered else DRAFT
    return wanted if wanted in one.versions else ""


def remaining_faults(domain: Domain) -> list[str]:
    """What is wrong with the curated set as it now is: files that are missing, else faults in and between them, else
    errors of the method's checklist."""
    paths = {name: target(domain, name) for name in FILES}
    missing = [f"{path}: is not there yet" for path in paths.values() if not path.exists()]
    return missing or set_faults(paths) or checklist_errors(domain)


def checklist_errors(domain: Domain) -> list[str]:
    """What design-check would stop at, with its numbers as conf/ composes them for this domain."""
    composed = yaml.safe_load(composed_text([f"domain={domain.id}"]))
    config = validate(composed["design"]["check"], DesignCheck, CONF, "design.check")
    found = checklist(read_design(domain), config).values()
    return [told(check) for checks in found for check in checks if not check.passed and check.level == "error"]
