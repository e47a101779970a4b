"""Where a record came from and what came of it, in the workspace: records, and the stages and files behind them.

Taken from dvc.lock, git and the data files alone. Ids are looked for as bytes before a line is parsed, so that long
files stay quick.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tunewright.errors import ConfigError, MissingInputError, RecordError
from tunewright.holdings import Holding, Kind, holdings
from tunewright.json_files import Told
from tunewright.json_text import JsonFault, briefly, json_value
from tunewright.lock import LOCK, Stages, stages_of
from tunewright.record_index import id_of
from tunewright.snapshots import PARAMS
from tunewright.text_files import read_text
from tunewright.yaml_reading import YamlFault, parse_as_dvc_reads

Row = dict[str, Any]
WORKED_ON: tuple[Kind, ...] = ("persona", "transcript", "example")  # what a person asks for by its id


@dataclass(frozen=True)
class Project:
    """The workspace: its domain, its params, and what dvc.lock recorded of each stage."""

    domain: Mapping[str, Any]
    params: Mapping[str, Any]
    stages: Stages

    def rows(self, kinds: Collection[Kind], ids: Collection[str]) -> Iterator[tuple[Holding, Row]]:
        """Records of some kinds that name one of the ids in any field."""
        needles = [json.dumps(id, ensure_ascii=ascii).encode() for id in ids for ascii in (False, True)]
        for holding in holdings(self.domain, kinds):
            for number, line in _lines(holding.path):
                if any(needle in line for needle in needles):
                    yield holding, _parsed(holding, number, line)

    def every(self, holding: Holding) -> Iterator[Row]:
        """All records of a file, one at a time; none without the file."""
        return (_parsed(holding, number, line) for number, line in _lines(holding.path))

    def ids(self) -> Iterator[str]:
        """Every id of a persona, transcript or example."""
        for holding in holdings(self.domain, WORKED_ON):
            for number, line in _lines(holding.path):
                try:
                    yield id_of(line, "id") or ""
                except JsonFault:
                    _parsed(holding, number, line)  # says where


@dataclass
class Family:
    """Records that belong together: one person's, one transcript's or one example's, forward and back."""

    asked: str
    kind: Kind
    personas: list[tuple[Holding, Row]] = field(default_factory=list)
    transcripts: list[tuple[Holding, Row]] = field(default_factory=list)
    descendants: list[tuple[Holding, Row]] = field(default_factory=list)  # replays, pairs and repairs of them
    examples: list[tuple[Holding, Row]] = field(default_factory=list)
    scores: list[tuple[Holding, Row]] = field(default_factory=list)
    verdicts: list[tuple[Holding, Row]] = field(default_factory=list)
    queued: list[tuple[Holding, Row]] = field(default_factory=list)
    labels: list[tuple[Holding, Row]] = field(default_factory=list)
    preferences: list[tuple[Holding, Row]] = field(default_factory=list)


def load_project() -> Project:
    """The project in the working directory; raises ConfigError where it is none."""
    params = as_dvc_reads(PARAMS)
    domain = params.get("domain") if isinstance(params, dict) else None
    if not isinstance(domain, dict):
        raise ConfigError(
            f"{PARAMS}: found no section 'domain', expected one; run this in the project's folder, or compose it: make "
            "params"
        )
    return Project(domain, params, stages_of(as_dvc_reads(LOCK)))


def as_dvc_reads(path: str) -> Any:
    """A YAML file's value with the words and numbers that DVC takes it for; None without the file."""
    try:
        return parse_as_dvc_reads(read_text(path, absent=MissingInputError))
    except MissingInputError:
        return None
    except YamlFault as fault:
        where = f", line {fault.line}" if fault.line else ""
        raise ConfigError(
            f"{path}{where}: {fault}, expected YAML as DVC writes it; restore it with: git checkout -- {path}"
        ) from None


def family(project: Project, asked: str) -> Family | None:
    """Everything that belongs to an id; None where no record has it."""
    own = [(h, row) for h, row in project.rows(WORKED_ON, [asked]) if row.get("id") == asked]
    if not own:
        return None
    kind = own[0][0].kind
    found = Family(asked, kind)
    if kind == "persona":
        found.transcripts = _of(project, "transcript", "persona_id", [asked])
    else:
        wanted = {row["transcript_id"] if kind == "example" else asked for _, row in own}
        found.transcripts = _of(project, "transcript", "id", wanted)
        found.transcripts += _sources(project, found.transcripts, wanted)
    talks = {row["id"] for _, row in found.transcripts}
    main = talks if kind == "persona" else {r["id"] for _, r in found.transcripts if kind == "transcript"} & {asked}
    found.descendants = _descendants(project, main, talks)
    _attach(project, found, own, talks if kind == "persona" else main)
    return found


def _sources(
    project: Project, found: Sequence[tuple[Holding, Row]], known: Collection[str]
) -> list[tuple[Holding, Row]]:
    """What transcripts were made from, and what that was made from: a repair may be of a replay."""
    wanted = {row["source_id"] for _, row in found if row.get("source_id")} - set(known)
    if not wanted:
        return []
    sources = _of(project, "transcript", "id", wanted)
    return sources + _sources(project, sources, {*known, *wanted})


def _descendants(project: Project, ids: Collection[str], known: Collection[str]) -> list[tuple[Holding, Row]]:
    """What was made from transcripts, and from that: a repaired replay says the recording's words too."""
    own = [(h, row) for h, row in _of(project, "transcript", "source_id", ids) if row["id"] not in known]
    made = {row["id"] for _, row in own}
    return own + _descendants(project, made, {*known, *made}) if made else own


def _attach(project: Project, found: Family, own: Sequence[tuple[Holding, Row]], main: Collection[str]) -> None:
    """What was made of the transcripts and said of them, and the people in them."""
    talks = {row["id"] for _, row in (*found.transcripts, *found.descendants)}
    people = {row["persona_id"] for _, row in found.transcripts} | ({found.asked} if found.kind == "persona" else set())
    found.personas = _of(project, "persona", "id", people)
    found.examples = list(own) if found.kind == "example" else _of(project, "example", "transcript_id", main)
    found.scores = _of(project, "score", "transcript_id", talks)
    found.verdicts = _of(project, "verdict", "transcript_id", talks)
    found.queued = _of(project, "queued", "transcript_id", talks)
    found.labels = _of(project, "label", "transcript_id", talks)
    found.preferences = _of(project, "preference", "transcript_id", talks)


def _of(project: Project, kind: Kind, key: str, values: Collection[str]) -> list[tuple[Holding, Row]]:
    return [(h, row) for h, row in project.rows([kind], values) if row.get(key) in values] if values else []


def unknown(project: Project, asked: str) -> RecordError:
    """The error for an id that nothing has: what is near it, and where it was looked for."""
    near = get_close_matches(asked, list(dict.fromkeys(project.ids())), n=3)
    looked = [h.path for h in holdings(project.domain, WORKED_ON) if Path(h.path).exists()]
    hint = f"Did you mean {', '.join(near)}? " if near else ""
    return RecordError(
        f"{briefly(asked)}: found no example, transcript or persona with this id, and it is no file that a stage read; "
        f"expected one of either. {hint}Looked in {', '.join(looked) or 'no file: nothing is made yet'}. Make what is "
        "missing with: dvc repro"
    )


def verdict_counts(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """A transcript's answers by judge: YES, NO, NA, unscored."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row["judge"], Counter())[row.get("answer") or "unscored"] += 1
    return {judge: dict(counts) for judge, counts in found.items()}


def _lines(path: str) -> Iterator[tuple[int, bytes]]:
    try:
        with open(path, "rb") as file:
            yield from enumerate(file, 1)
    except FileNotFoundError:
        return


def _parsed(holding: Holding, number: int, line: bytes) -> Row:
    """A line as an object that names its place when it is asked for a key that it lacks. Raises RecordError."""
    where = f"{holding.path}, line {number}"
    restore = f"restore it with: git checkout -- {holding.path}"
    again = f"make it again with: dvc repro -f {holding.stage}" if holding.stage else restore
    try:
        found = json_value(line, object_hook=lambda found: Told(found, where, again))
    except JsonFault as fault:
        raise RecordError(f"{where}: not valid JSON: {fault}; expected a {holding.kind}; {again}") from None
    if not isinstance(found, dict):
        raise RecordError(f"{where}: found {briefly(found)}, expected a {holding.kind}; {again}")
    return found
