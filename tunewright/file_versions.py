"""In which commit a version of a file came, given its md5 as dvc.lock recorded it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunewright.errors import RepositoryError
from tunewright.freshness import file_md5
from tunewright.revisions import Objects


@dataclass(frozen=True)
class Version:
    """A commit in which a file got the content that is asked for."""

    commit: str
    date: str
    subject: str


def versions(wanted: Mapping[str, set[str]]) -> dict[tuple[str, str], Version]:
    """For paths and the md5s of contents: the newest commit that HEAD leads to and that made the path that content.

    What is in no commit is not in the result: it was never committed, or on another branch, or git converts line ends.
    """
    found: dict[tuple[str, str], Version] = {}
    with Objects() as objects:
        for path, blob, version in changes([*wanted]):
            if all((path, md5) in found for md5 in wanted.get(path, ())):
                continue
            md5 = file_md5(objects.read(blob) or b"")
            if md5 in wanted[path]:
                found.setdefault((path, md5), version)
    return found


def changes(paths: Sequence[str], *more: str) -> list[tuple[str, str, Version]]:
    """Every (path, blob, commit) in which a path changed, newest first; `more`: words of `git log`, such as --all."""
    words = ["git", "log", "-c", "--raw", "--no-abbrev", "--no-renames", "--relative", "--no-show-signature", *more]
    words += ["-z", "--format=%x01%H%x02%cs%x02%s", "--", *paths]
    done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise RepositoryError(f"git log: {done.stderr.strip()}; run this in the project's git repository")
    found = []
    for part in done.stdout.split("\x01")[1:]:
        head, *pairs = [piece for piece in part.strip("\0\n").split("\0") if piece.strip()]
        commit, date, subject = head.split("\x02", 2)
        version = Version(commit[:7], date, subject)
        for entry, path in zip(pairs[::2], pairs[1::2], strict=False):
            found.append((path, entry.split()[-2], version))  # ... new-blob status, also of a merge
    return found
