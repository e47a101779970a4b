"""A domain's design and its numbers at one revision: which files, which content, which metrics.

The domain is the one of params.yaml at that revision, or the one asked for. Nothing is checked out: everything is read
from git objects, and a file that does not parse becomes a fault that its row tells.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from tunewright.errors import ConfigError
from tunewright.freshness import Mark, file_md5, folder_md5, mark
from tunewright.lock import LOCK, stages_of
from tunewright.revisions import Objects
from tunewright.yaml_reading import YamlFault, parse_as_dvc_reads

PARAMS, SHARED = "params.yaml", "prompts/shared"
STAGES = ("design-check", "design-calibrate", "generate-scores", "generate-gate", "evaluate-compare")
MORE_FILES = ("taxonomy", "personas", "frameworks", "calibration", "planted")  # keys of `domain` beside the rubric


@dataclass(frozen=True)
class Domain:
    """Where a domain's design lay at a revision."""

    id: str
    rubric: str
    prompts: str
    more: tuple[str, ...]  # files and folders

    def holds(self, path: str) -> bool:
        """Whether a path belongs to the design."""
        roots = (self.rubric, self.prompts, SHARED, *self.more)
        return any(path == root or path.startswith(f"{root}/") for root in roots)


@dataclass(frozen=True)
class Design:
    """The content of a design: blobs by the name that a person knows the file by."""

    domain: str
    rubric: str | None
    prompts: Mapping[str, str]
    more: Mapping[str, str]

    @property
    def rubric_version(self) -> str:
        """The start of the rubric's blob, which `git show` prints."""
        return self.rubric[:7] if self.rubric else "-"

    @property
    def prompts_version(self) -> str:
        """A hash of the names and contents of all prompts, wherever their folder lies."""
        listing = "".join(f"{name} {blob}\n" for name, blob in sorted(self.prompts.items()))
        return hashlib.sha256(listing.encode()).hexdigest()[:7] if listing else "-"


@dataclass(frozen=True)
class Agreement:
    """How far a judge agreed with the calibration labels, and the criteria that it is trusted on."""

    judge: str
    kappa: float | None
    n_trusted: int | None
    n_criteria: int | None


@dataclass(frozen=True)
class Numbers:
    """What the metrics at a revision say; None is for what they do not."""

    pass_rate: float | None = None
    n_passed: int | None = None
    n_failed: int | None = None
    agreement: tuple[Agreement, ...] = ()
    check_errors: int | None = None
    gate: str | None = None
    comparison: str | None = None
    difference: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """A revision's design and numbers; two revisions with equal ones are one version."""

    design: Design | None = None
    numbers: Numbers = field(default_factory=Numbers)
    faults: tuple[str, ...] = ()


class Reader:
    """Reads snapshots of project trees; `asked` is the id of a domain to read instead of params.yaml's."""

    def __init__(self, objects: Objects, asked: str | None = None) -> None:
        self.objects, self.asked = objects, asked
        self._yaml = cache(self._yaml_of)

    def domain(self, tree: str) -> tuple[Domain | None, tuple[str, ...]]:
        """The domain at a tree, None without one, and what could not be read."""
        params, faults = self.parsed(tree, PARAMS)
        section = params.get("domain") if isinstance(params, dict) else None
        if self.asked and not faults and not _is(section, self.asked):
            section, faults = self.parsed(tree, f"conf/domain/{self.asked}.yaml")
        return _domain(section), faults

    def snapshot(self, tree: str, domain: Domain | None, faults: tuple[str, ...] = ()) -> Snapshot:
        """The design of a domain, and its numbers, at a tree."""
        if domain is None:
            return Snapshot(faults=faults)
        params, _ = self.parsed(tree, PARAMS)
        section = params.get("domain") if isinstance(params, dict) else None
        found = {} if section and not _is(section, domain.id) else {s: self._metrics(tree, s) for s in STAGES}
        unread = tuple(f"metrics/{stage}.json is not a JSON object" for stage, value in found.items() if value is None)
        return Snapshot(self._design(tree, domain), numbers({s: v or {} for s, v in found.items()}), faults + unread)

    def marks(self, tree: str, domain: Domain | None) -> dict[str, Mark]:
        """For each stage whether its metric was computed for the design at the same tree."""
        if domain is None:
            return {}
        lock, _ = self.parsed(tree, LOCK)
        try:
            stages = stages_of(lock)
        except ConfigError:
            return dict.fromkeys(STAGES, "?")  # dvc.lock does not say
        md5, values = partial(self._md5, tree), lambda path: self.parsed(tree, path)[0]
        return {
            stage: mark(stage, metrics_path(stage), stages, domain.holds, domain.rubric, md5, values)
            for stage in STAGES
        }

    def parsed(self, tree: str, path: str) -> tuple[Any, tuple[str, ...]]:
        """A YAML file's value, None without one, and as a fault where it does not parse."""
        found = self.objects.find(tree, path)
        value, line = self._yaml(found.hash) if found and not found.is_folder else (None, None)
        return value, (f"{path} is not valid YAML (line {line})",) if line else ()

    def rubric(self, blob: str) -> Any:
        """A rubric's YAML; None where it does not parse."""
        return self._yaml(blob)[0]

    def text(self, blob: str) -> str:
        """A blob as text."""
        return (self.objects.read(blob) or b"").decode("utf-8", "replace")

    def _design(self, tree: str, domain: Domain) -> Design:
        rubric, home = self.objects.find(tree, domain.rubric), f"conf/domain/{domain.id}/"
        prompts = {path.removeprefix(f"{domain.prompts}/"): b for path, b in self._files(tree, domain.prompts).items()}
        shared = {path.removeprefix("prompts/"): b for path, b in self._files(tree, SHARED).items()}
        more = {path: blob for root in domain.more for path, blob in self._files(tree, root).items()}
        named = {path.removeprefix(home): blob for path, blob in more.items() if path != domain.rubric}
        return Design(domain.id, rubric.hash if rubric else None, prompts | shared, named)

    def _files(self, tree: str, path: str) -> dict[str, str]:
        return self.objects.files(tree, path)

    def _metrics(self, tree: str, stage: str) -> dict[str, Any] | None:
        """A stage's metrics; empty where there are none, None where the file is not a JSON object."""
        found = self.objects.find(tree, metrics_path(stage))
        if found is None:
            return {}
        try:
            value = json.loads(self.text(found.hash))
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def _md5(self, tree: str, path: str) -> str | None:
        """What DVC would record for a file or folder at a tree; None where there is none."""
        found = self.objects.find(tree, path)
        if found is None:
            return None
        contents = {name: self.objects.read(blob) or b"" for name, blob in self._files(tree, path).items()}
        if not found.is_folder:
            return file_md5(contents[path])
        return folder_md5({name.removeprefix(f"{path}/"): content for name, content in contents.items()})

    def _yaml_of(self, blob: str) -> tuple[Any, int | None]:
        """A blob's value, or None and the line (from 1) in which it stops being YAML."""
        try:
            return parse_as_dvc_reads(self.text(blob)), None
        except YamlFault as fault:
            return None, fault.line or 1


def numbers(metrics: Mapping[str, Mapping[str, Any]]) -> Numbers:
    """The numbers of a history's row, from the metrics by stage; older shapes give what they have."""
    scores, compare = metrics.get("generate-scores", {}), metrics.get("evaluate-compare", {})
    judges = metrics.get("design-calibrate", {}).get("judges")
    return Numbers(
        pass_rate=_number(scores, "pass_rate"),
        n_passed=_count(scores, "n_passed"),
        n_failed=_count(scores, "n_failed"),
        agreement=tuple(
            Agreement(name, _number(judge, "kappa"), _count(judge, "n_trusted"), _count(judge, "n_criteria"))
            for name, judge in (judges.items() if isinstance(judges, dict) else ())
            if isinstance(judge, dict)
        ),
        check_errors=_count(metrics.get("design-check", {}), "n_errors"),
        gate=_text(metrics.get("generate-gate", {}), "decision"),
        comparison=_text(compare, "decision"),
        difference=_number(compare, "difference"),
    )


def metrics_path(stage: str) -> str:
    """Where a stage's metrics lie."""
    return f"metrics/{stage}.json"


def _domain(section: Any) -> Domain | None:
    """A `domain` section's paths; None where it lacks one that a design cannot be without."""
    if not isinstance(section, dict) or not all(isinstance(section.get(k), str) for k in ("id", "rubric", "prompts")):
        return None
    more = (section.get(key) for key in MORE_FILES)
    given = tuple(path for path in more if isinstance(path, str))
    return Domain(section["id"], section["rubric"], section["prompts"], (*given, f"conf/domain/{section['id']}"))


def _is(section: Any, id: str) -> bool:
    return isinstance(section, dict) and section.get("id") == id


def _number(values: Mapping[str, Any], key: str) -> float | None:
    value = values.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(values: Mapping[str, Any], key: str) -> int | None:
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(values: Mapping[str, Any], key: str) -> str | None:
    value = values.get(key)
    return value if isinstance(value, str) else None
