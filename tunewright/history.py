"""The history of a design: one row for each version of prompts, rubric or numbers, from git and DVC experiments.

A commit is a version where its snapshot (design and numbers) is none of its parents': an ordinary commit that touched
them, and a merge that joined two. An experiment is compared with the commit it was run on. What is in no commit and
in no experiment is in no row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunewright.design_changes import counted, file_changes, line_counts, named, param_changes, rubric_changes
from tunewright.errors import ConfigError
from tunewright.freshness import Mark
from tunewright.revisions import (
    Objects,
    Repository,
    Revision,
    commits,
    experiments,
    find_repository,
    newest_first,
    under,
)
from tunewright.snapshots import PARAMS, Design, Domain, Numbers, Reader, Snapshot


@dataclass(frozen=True)
class Row:
    """One version: where it is, what it is, what changed in it, and its numbers with their marks by stage."""

    name: str
    is_experiment: bool
    date: str
    prompts: str
    rubric: str
    change: str
    numbers: Numbers
    marks: Mapping[str, Mark]


@dataclass(frozen=True)
class History:
    """Rows, newest first, and what they are taken from."""

    domains: tuple[str, ...]
    rows: tuple[Row, ...]
    n_versions: int
    n_commits: int
    n_experiments: int
    shallow: bool


@dataclass(frozen=True)
class Seen:
    """A revision as it was read; the domain is that of the nearest ancestor while params.yaml does not parse."""

    revision: Revision
    domain: Domain | None
    snapshot: Snapshot


def read_history(limit: int, everything: bool, asked: str | None, with_experiments: bool) -> History:
    """The history of the project in the working directory.

    `asked` is the id of a domain, None for the one of each revision; `everything` adds revisions that are no new
    version. Raises RepositoryError without a repository or commit, ConfigError when no revision has the domain.
    """
    repository = find_repository()
    with Objects() as objects:
        reader = Reader(objects, asked)
        made = [under(objects, one, repository.prefix) for one in commits()]
        tried = [under(objects, one, repository.prefix) for one in experiments()] if with_experiments else []
        seen = look(reader, [*baselines(objects, repository, made, tried), *reversed(made), *tried])
        order = [seen[one.commit] for one in newest_first(made, tried)]
        chosen = [one for one in order if everything or is_version(one, parents(one, seen))]
        rows = tuple(row(reader, one, next(iter(parents(one, seen)), None)) for one in chosen[:limit])
    domains = {one.domain.id for one in order if one.domain}
    if not domains:
        raise ConfigError(_no_domain(asked))
    return History(tuple(sorted(domains)), rows, len(chosen), len(made), len(tried), repository.shallow)


def baselines(
    objects: Objects, repository: Repository, made: Sequence[Revision], tried: Sequence[Revision]
) -> list[Revision]:
    """Commits that experiments were run on and that HEAD does not lead to: other branches, amended commits."""
    known = {one.commit for one in made}
    wanted = dict.fromkeys(one.parents[0] for one in tried if one.parents[0] not in known)
    trees = {commit: tree for commit in wanted if (tree := objects.tree_of(commit))}
    return [under(objects, Revision(c, tree, (), 0, "", ""), repository.prefix) for c, tree in trees.items()]


def look(reader: Reader, revisions: Sequence[Revision]) -> dict[str, Seen]:
    """Read revisions, parents first; by commit."""
    seen: dict[str, Seen] = {}
    for one in revisions:
        domain, faults = reader.domain(one.tree)
        if faults and domain is None:
            domain = next((seen[parent].domain for parent in one.parents if parent in seen), None)
        seen[one.commit] = Seen(one, domain, reader.snapshot(one.tree, domain, faults))
    return seen


def parents(one: Seen, seen: Mapping[str, Seen]) -> list[Seen]:
    """What a revision is compared with; a shallow clone does not have all."""
    return [seen[commit] for commit in one.revision.parents if commit in seen]


def is_version(one: Seen, parents: Sequence[Seen]) -> bool:
    """Whether a revision is unlike each of its parents, and unlike nothing at all."""
    before = [parent.snapshot for parent in parents] or [Snapshot()]
    return one.snapshot not in before


def row(reader: Reader, one: Seen, before: Seen | None) -> Row:
    """A version's row, with what changed since its first parent."""
    revision, design = one.revision, one.snapshot.design
    return Row(
        name=revision.name,
        is_experiment=bool(revision.experiment),
        date=revision.date,
        prompts=design.prompts_version if design else "-",
        rubric=design.rubric_version if design else "-",
        change=what_changed(reader, one, before),
        numbers=one.snapshot.numbers,
        marks=reader.marks(revision.tree, one.domain),
    )


def what_changed(reader: Reader, one: Seen, before: Seen | None) -> str:
    """A version in a line: what could not be read, then what changed in the design, else what made it a version."""
    old, new = before.snapshot.design if before else None, one.snapshot.design
    faults = [*one.snapshot.faults]
    if one.revision.experiment and before is None:
        changes = [f"run on {one.revision.parents[0][:7]}, which this clone does not have"]
    elif new is None:
        changes = ["no design any more"] if old else []
    elif old is None:
        changes = [_first(reader, new)]
    elif old.domain != new.domain:
        changes = [f"domain {new.domain} in place of {old.domain}"]
    else:
        changes = design_changes(reader, old, new)
    if changes and len(one.revision.parents) > 1:
        changes[0] = f"merge: {changes[0]}"
    if not changes and not faults:
        changes = [_params(reader, one, before) if one.revision.experiment and before else one.revision.subject]
    return "; ".join(faults + changes)


def design_changes(reader: Reader, old: Design, new: Design) -> list[str]:
    """Phrases for the prompts, then the rubric, then the other files."""
    return [
        *file_changes(old.prompts, new.prompts, reader.text),
        *_rubric(reader, old.rubric, new.rubric),
        *file_changes(old.more, new.more, reader.text),
    ]


def _rubric(reader: Reader, old: str | None, new: str | None) -> list[str]:
    if old == new:
        return []
    if old is None or new is None:
        return ["rubric added" if new else "rubric removed"]
    before, after = reader.rubric(old), reader.rubric(new)
    if not isinstance(before, dict) or not isinstance(after, dict):
        at_fault = "" if isinstance(after, dict) else " (not valid YAML)"
        return [f"rubric {line_counts(reader.text(old), reader.text(new))}{at_fault}"]
    return [f"rubric: {'; '.join(rubric_changes(before, after) or ['comments, order or layout'])}"]


def _first(reader: Reader, design: Design) -> str:
    rubric = reader.rubric(design.rubric) if design.rubric else None
    criteria = rubric.get("criteria") if isinstance(rubric, dict) else None
    judged = f", {len(criteria)} criteria" if isinstance(criteria, list) else ""
    return f"first version of {design.domain} here: {counted(len(design.prompts), 'prompt')}{judged}"


def _params(reader: Reader, one: Seen, before: Seen) -> str:
    """What an experiment on an unchanged design tried."""
    (old, _), (new, _) = (reader.parsed(each.revision.tree, PARAMS) for each in (before, one))
    changes = param_changes(old, new)
    return f"params: {named(changes)}" if changes else "the same design and params"


def _no_domain(asked: str | None) -> str:
    if asked:
        return (
            f"--domain {asked}: no commit or experiment has this domain, neither in {PARAMS} nor as "
            f"conf/domain/{asked}.yaml; leave the option out to see the domain of {PARAMS}"
        )
    return f"git: no commit has a {PARAMS} with a domain; run this in the project's folder, and commit: make params"
