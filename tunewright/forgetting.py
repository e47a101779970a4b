"""A conversation, or a person and all that came of them, taken out of sources, outputs and caches.

First a plan, which changes nothing; then its execution, sources last, so that what was stopped can be run again. What
people or models wrote about a conversation goes with it: verdicts and labels quote it. What is only downstream of it
(scores, reports) is deleted with it, since the next `dvc repro` makes it anew.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from tunewright.append_only import appending, is_whole
from tunewright.cache import ReplyCache
from tunewright.errors import RecordError
from tunewright.file_versions import Version, changes
from tunewright.forgotten import Forgotten
from tunewright.fragments import Fragments
from tunewright.holdings import ID_FIELDS, Holding, holdings
from tunewright.json_text import JsonFault, briefly
from tunewright.locations import cache_dir
from tunewright.outputs import cache_folder, remotes
from tunewright.provenance import GATES, downstream, readers
from tunewright.record_index import id_of
from tunewright.records import write_text
from tunewright.revisions import Objects
from tunewright.tracing import Project, Row, family, unknown
from tunewright.training_set import FIXED

ADAPTER, MODELS = "train-adapter", "models/"
SKIPPED = {".git", ".venv", "node_modules", "__pycache__", ".cache", "models"}  # history, packages, caches, weights
PROBE_BYTES = 8192  # a file with a zero byte in its beginning is no text
PIECE_BYTES, OVERLAP_BYTES = 8 << 20, 4096


@dataclass
class Plan:
    """What forgetting an id means; nothing is done yet."""

    asked: str
    people: set[str]
    talks: set[str]
    fragments: Fragments
    lines: dict[str, int] = field(default_factory=dict)  # of sources, how many go
    outputs: list[str] = field(default_factory=list)
    objects: list[Path] = field(default_factory=list)  # of DVC's cache
    n_replies: int = 0
    stages: list[str] = field(default_factory=list)  # to be run again
    models: list[str] = field(default_factory=list)  # that learned from it
    by_hand: dict[str, str] = field(default_factory=dict)  # other files, with what they quote
    commits: list[Version] = field(default_factory=list)
    remotes: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)  # sources that DVC tracks by itself

    @property
    def ids(self) -> set[str]:
        """Everything that is forgotten by name."""
        return self.people | self.talks


def plan(project: Project, asked: str) -> Plan:
    """Find everything that holds it; raises RecordError for what cannot be forgotten by this id."""
    people, talks = whom(project, asked)
    found = Plan(asked, people, talks, _fragments(project, people | talks, talks))
    sources = [h for h in holdings(project.domain) if not h.stage]
    found.lines = {h.path: n for h in sources if (n := sum(_goes(h, line, found) for line in _file_lines(h.path)))}
    makers = {h.stage for h, _ in project.rows([*ID_FIELDS], found.ids) if h.stage}
    first = [
        *(stage for stage in project.stages if stage in makers),
        *(stage for path in found.lines for stage in readers(project, path)),
    ]
    found.stages = downstream(project, first)
    found.outputs = [p for stage in found.stages for p in _texts(_outs(project, stage))]
    found.models = _models(project, talks)
    found.objects = _objects(project, found)
    found.n_replies = _cached(found, dry_run=True)
    found.by_hand = {p: quote for p in _others(project, sources) if (quote := _quote(Path(p), found.fragments))}
    found.commits = _commits(project, [*found.lines, *found.by_hand], found.fragments)
    found.remotes = remotes()
    found.added = [
        path for path in found.lines if Path(path).parent.with_name(f"{Path(path).parent.name}.dvc").exists()
    ]
    return found


def whom(project: Project, asked: str) -> tuple[set[str], set[str]]:
    """The people and conversations that go with an id.

    Raises RecordError for an example, a copy or a simulated conversation, naming what it came from: forgotten alone,
    the next run would make it again.
    """
    found = family(project, asked)
    if found is None:
        if asked in Forgotten(project.domain["authored"]):
            raise RecordError(f"{asked!r} is forgotten already; make again what is missing with: dvc repro")
        raise unknown(project, asked)
    own = next((row for _, row in found.transcripts if row["id"] == asked), None)
    if found.kind == "example":
        raise _instead(asked, "is cut from", found.examples[0][1]["transcript_id"])
    if own and own.get("source_id"):
        raise _instead(asked, "repairs" if asked.startswith(FIXED) else "replays", own["source_id"])
    if own and own["user_kind"] == "simulated":
        raise _instead(asked, "is the talk of a simulated person,", own["persona_id"])
    talks = {row["id"] for _, row in (*found.transcripts, *found.descendants)}
    return ({asked} if found.kind == "persona" else set()), talks


def _instead(asked: str, what: str, source: str) -> RecordError:
    return RecordError(f"{asked!r} {what} {source!r} and would be made again; forget that: tunewright forget {source}")


def execute(project: Project, found: Plan) -> None:
    """Do it. Caches and outputs go first and sources last: a run that is stopped can be started again."""
    _cached(found, dry_run=False)
    for path in (*found.objects, *map(Path, found.outputs)):
        path.unlink(missing_ok=True)
    Forgotten(project.domain["authored"]).add(found.ids)
    for holding in holdings(project.domain):
        if holding.path in found.lines and not holding.stage:
            with appending(holding.path) if holding.part == "reviews" else nullcontext():  # people may be deciding now
                kept = [line for line in _file_lines(holding.path) if not _goes(holding, line, found)]
                write_text(holding.path, b"".join(kept).decode("utf-8"))


def left(project: Project, found: Plan) -> dict[str, str]:
    """Files of the project and its caches that hold it still, with what they quote; empty after a whole execution."""
    paths = [*_walk(Path(".")), *map(str, cache_folder().rglob("*"))]
    held = {path: quote for path in paths if (quote := _quote(Path(path), found.fragments))}
    for path in sorted(cache_dir().glob("replies.sqlite*")):  # its bytes, whatever its tables say
        with path.open("rb") as file:
            held |= {str(path): quote for text in _pieces(file) if (quote := found.fragments.quoted(text))}
    return held


def _fragments(project: Project, ids: Collection[str], talks: Collection[str]) -> Fragments:
    every = [h for h in holdings(project.domain, ["transcript"]) if Path(h.path).exists()]
    own = [row for h in every for row in project.every(h) if row["id"] in talks]
    kept = (m for h in every for row in project.every(h) if row["id"] not in talks for m in _messages(row))
    topics = (line.decode("utf-8", "replace") for line in _file_lines(str(project.domain.get("taxonomy"))))
    return Fragments([m for row in own for m in _messages(row)], chain(kept, topics), ids)


def _messages(row: Row) -> Iterator[str]:
    for exchange in row["exchanges"]:
        yield exchange["user"]
        yield exchange["assistant"]


def _goes(holding: Holding, line: bytes, found: Plan) -> bool:
    if not line.endswith(b"\n") and not is_whole(line):
        return False  # torn in mid-write: nobody was told that it is kept; what it quotes `left` finds
    wanted = found.people if holding.kind == "persona" else found.talks
    try:
        return id_of(line, ID_FIELDS[holding.kind]) in wanted
    except JsonFault as fault:
        raise RecordError(
            f"{holding.path}: found a line that is not valid JSON ({fault}), expected a {holding.kind}; mend or remove "
            f"it, and run the same command again: {briefly(line)}"
        ) from None


def _file_lines(path: str) -> list[bytes]:
    return Path(path).read_bytes().splitlines(keepends=True) if Path(path).exists() else []


def _outs(project: Project, stage: str) -> list[str]:
    """A stage's outputs that can hold words: no gates, no weights."""
    paths = (out["path"] for out in project.stages[stage].get("outs", ()))
    return [p for p in paths if p not in GATES and not p.startswith((MODELS, "metrics/", "plots/"))]


def _texts(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        yield from ([path] if Path(path).is_file() else _walk(Path(path)))


def _models(project: Project, talks: Collection[str]) -> list[str]:
    """Models whose training or validation data hold one of the conversations."""
    seen = project.rows(["example"], talks)
    examples = [row for h, row in seen if h.part != "holdout" and row["transcript_id"] in talks]
    if not examples or ADAPTER not in project.stages:
        return []
    outs = (out["path"] for s in downstream(project, [ADAPTER]) for out in project.stages[s].get("outs", ()))
    return [path for path in outs if path.startswith(MODELS)]


def _objects(project: Project, found: Plan) -> list[Path]:
    """DVC's copies of the outputs that go, and every other version that quotes."""
    stages = (project.stages[s] for s in found.stages)
    current = {o["md5"] for s in stages for o in s.get("outs", ()) if o["path"] in found.outputs and "md5" in o}
    every = [path for path in cache_folder().rglob("*") if path.is_file()]
    return [p for p in every if p.parent.name + p.name in current or _quote(p, found.fragments)]


def _cached(found: Plan, dry_run: bool) -> int:
    """Replies about it, or that quote it, in the cache of model calls."""
    if not (cache_dir() / "replies.sqlite").exists():
        return 0
    cache = ReplyCache(cache_dir())
    try:
        return cache.forget(found.ids, lambda reply: found.fragments.quoted(reply) is not None, dry_run)
    finally:
        cache.close()


def _others(project: Project, sources: Sequence[Holding]) -> Iterator[str]:
    """Files that no stage makes and that are no sources of records: prompts, designs, notes, drafts."""
    made = [out["path"] for values in project.stages.values() for out in values.get("outs", ())]
    records = {h.path for h in sources}
    for path in _walk(Path(".")):
        if path not in records and not any(path == out or path.startswith(f"{out}/") for out in made):
            yield path


def _walk(folder: Path) -> Iterator[str]:
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in SKIPPED and Path(at, f) != cache_folder().parents[1])
        yield from (os.path.normpath(Path(at, name)) for name in sorted(files))


def _quote(path: Path, fragments: Fragments) -> str | None:
    """What a text file quotes; None for other files."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        if b"\0" in file.read(PROBE_BYTES):
            return None
        file.seek(0)
        return next((quote for text in _pieces(file) if (quote := fragments.quoted(text))), None)


def _pieces(file: BinaryIO) -> Iterator[str]:
    """A file's text in pieces of bounded size that overlap, so that no run of words is cut in two."""
    tail = b""
    while piece := file.read(PIECE_BYTES):
        yield (tail + piece).decode("utf-8", "replace")
        tail = piece[-OVERLAP_BYTES:]


def _commits(project: Project, paths: Sequence[str], fragments: Fragments) -> list[Version]:
    """Commits, of all branches and experiments, that wrote a version of a file which quotes it; newest first."""
    found: dict[str, Version] = {}
    with Objects() as objects:
        for _, blob, version in changes(paths, "--all") if paths else []:
            if version.commit not in found and fragments.quoted((objects.read(blob) or b"").decode("utf-8", "replace")):
                found[version.commit] = version
    return list(found.values())
