"""The lineage of an id or a file: forward to the prompts that it came from, and back to everything that came of it.

What it says of training rests on dvc.lock: an adapter was trained on a split when the version of the split that it
read is the one that generate-slices made last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunewright.holdings import Holding, holdings
from tunewright.provenance import FileThen, Provenance, StageThen, downstream, provenance, readers
from tunewright.record_changes import result
from tunewright.tracing import Family, Project, Row, family, unknown, verdict_counts

ADAPTER = "train-adapter"


@dataclass(frozen=True)
class ExampleLine:
    """A training example: its split, where it was cut, and whether a model learned from it."""

    id: str
    split: str
    path: str
    n_exchanges: int
    n_tokens: int
    trained: str


@dataclass(frozen=True)
class TranscriptLine:
    """A transcript in one file, with its result and its verdicts by judge."""

    id: str
    part: str
    path: str
    stage: str
    user_kind: str
    user: str
    assistant: str
    persona_id: str
    source_id: str | None
    n_exchanges: int
    failure: str | None
    score: float | None
    result: str
    coverage: float | None
    verdicts: dict[str, dict[str, int]]
    unscored: list[str]


@dataclass
class Lineage:
    """What was asked for, with what it came from and what came of it."""

    asked: str
    kind: str
    examples: list[ExampleLine] = field(default_factory=list)
    transcripts: list[TranscriptLine] = field(default_factory=list)
    descendants: list[TranscriptLine] = field(default_factory=list)
    personas: list[dict[str, Any]] = field(default_factory=list)
    queued: dict[str, list[str]] = field(default_factory=dict)  # by transcript: why people should read it
    n_labels: int = 0
    n_preferences: int = 0
    stages: list[StageThen] = field(default_factory=list)
    files: list[FileThen] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class OutputLine:
    """A stage that a file led to, and how many records each of its outputs holds."""

    stage: str
    direct: bool
    outs: list[str]
    records: dict[str, int]


@dataclass
class Consequences:
    """A file, who read it, and everything that came of it in the workspace."""

    asked: str
    made_by: str | None
    versions: list[FileThen]
    outputs: list[OutputLine]
    transcripts: list[str]  # conversations that the file was part of making


def trace(project: Project, asked: str) -> Lineage | Consequences:
    """The lineage of an id, else of a file; raises RecordError with what is near where there is neither."""
    if found := family(project, asked):
        return lineage(project, found)
    path = str(Path(asked))
    maker = next((s for s, v in project.stages.items() if path in (o["path"] for o in v.get("outs", ()))), None)
    if maker or readers(project, path):
        return consequences(project, path, maker)
    raise unknown(project, asked)


def lineage(project: Project, found: Family) -> Lineage:
    """A family told: records, then the stages and files that made them."""
    made = provenance(project, _makers(found))
    talks = [row for _, row in found.transcripts]
    files = [f for f in made.files if had_a_part(f.path, found.kind, talks, project.domain)]
    kept = Provenance(made.stages, files)
    scores = {(h.part, row["transcript_id"]): row for h, row in found.scores}
    verdicts: dict[tuple[str, str], list[Row]] = {}
    for holding, row in found.verdicts:
        verdicts.setdefault((holding.part, row["transcript_id"]), []).append(row)

    def told(pair: tuple[Holding, Row]) -> TranscriptLine:
        key = pair[0].part, pair[1]["id"]
        return transcript_line(*pair, scores.get(key), verdicts.get(key, []))

    return Lineage(
        asked=found.asked,
        kind=found.kind,
        examples=[example_line(project, *pair) for pair in found.examples],
        transcripts=[told(pair) for pair in found.transcripts],
        descendants=[told(pair) for pair in found.descendants],
        personas=[{"path": h.path, "stage": h.stage, **row} for h, row in found.personas],
        queued={row["transcript_id"]: [r["says"] for r in row["reasons"]] for _, row in found.queued},
        n_labels=len(found.labels),
        n_preferences=len(found.preferences),
        stages=kept.stages,
        files=kept.files,
        stale=kept.stale,
    )


def _makers(found: Family) -> list[str]:
    """The stages that made what was asked for: not those of its replays and pairs, which came after it."""
    own = {row["id"] for _, row in found.transcripts}
    told = [*found.examples, *found.personas, *found.transcripts]
    told += [(h, row) for h, row in found.scores if row["transcript_id"] in own]
    parts = {h.part for h, _ in found.transcripts} | {"train", "valid", "holdout"}
    return [h.stage for h, _ in told if h.stage and (h.kind == "persona" or h.part in parts)]


def had_a_part(path: str, kind: str, transcripts: Iterable[Row], domain: Mapping[str, Any]) -> bool:
    """Whether a file that generation read was used for these conversations: an authored one met no prompt of it."""
    users = {row["user_kind"] for row in transcripts}
    if path.startswith(f"{domain['authored']}/"):
        return users != {"simulated"}
    simulators = (f"{domain.get('prompts')}/user_simulator.md", domain.get("personas"), domain.get("taxonomy"))
    if path in simulators and kind != "persona":
        return not users or "simulated" in users
    return path != f"{domain.get('prompts')}/assistant.md" or not users or bool(users & {"simulated", "replay"})


def transcript_line(holding: Holding, row: Row, score: Row | None, verdicts: list[Row]) -> TranscriptLine:
    """A transcript without its words."""
    reasons = dict.fromkeys(v["unscored"] for v in verdicts if v.get("unscored"))
    return TranscriptLine(
        id=row["id"],
        part=holding.part,
        path=holding.path,
        stage=holding.stage,
        user_kind=row["user_kind"],
        user=row["user"],
        assistant=row["assistant"],
        persona_id=row["persona_id"],
        source_id=row.get("source_id"),
        n_exchanges=len(row["exchanges"]),
        failure=row.get("failure"),
        score=score["score"] if score else None,
        result=result(score) if score else "not scored",
        coverage=score["coverage"] if score else None,
        verdicts=verdict_counts(verdicts),
        unscored=list(reasons),
    )


def example_line(project: Project, holding: Holding, row: Row) -> ExampleLine:
    """An example without its words."""
    trained = trained_on(project, holding)
    return ExampleLine(row["id"], holding.part, holding.path, row["n_exchanges"], row["n_tokens"], trained)


def trained_on(project: Project, split: Holding) -> str:
    """What training did with a split, by the hashes that dvc.lock recorded."""
    if split.part == "holdout":
        return "no: held out of training"
    adapter = project.stages.get(ADAPTER)
    if adapter is None:
        return "no: nothing is trained yet"
    read = {dep["path"]: dep.get("md5") for dep in adapter.get("deps", ())}.get(split.path)
    made = {o["path"]: o.get("md5") for o in project.stages.get(split.stage, {}).get("outs", ())}.get(split.path)
    models = ", ".join(out["path"] for out in adapter.get("outs", ()) if out["path"].startswith("models/"))
    if read is None or read != made:
        return (
            f"not known: {models} was trained on another version of {split.path}; bring it up to date with: dvc repro"
        )
    return f"yes: {models}" if split.part == "train" else f"no: the loss on it was only measured, for {models}"


def consequences(project: Project, path: str, maker: str | None) -> Consequences:
    """What a file led to: its readers, the stages after them, and the conversations that it helped to make."""
    direct = readers(project, path)
    made = provenance(project, direct)
    outputs = [_output(project, name, name in direct) for name in downstream(project, direct)]
    versions = [f for f in made.files if f.path == path or path.startswith(f"{f.path}/")]
    return Consequences(path, maker, versions, outputs, _conversations(project, path, outputs))


def _output(project: Project, stage: str, direct: bool) -> OutputLine:
    outs = [out["path"] for out in project.stages[stage].get("outs", ()) if not out["path"].startswith("metrics/")]
    held = [h.path for h in holdings(project.domain) if h.stage == stage and Path(h.path).exists()]
    counts = {}
    for one in held:
        with open(one, "rb") as file:
            counts[one] = sum(1 for _ in file)
    return OutputLine(stage, direct, outs, counts)


def _conversations(project: Project, path: str, outputs: list[OutputLine]) -> list[str]:
    """Ids of transcripts made by the stages that read a file, without those in which it had no part."""
    found: dict[str, None] = {}
    made_by = {line.stage for line in outputs}
    for holding in holdings(project.domain, ["transcript"]):
        if holding.stage in made_by:
            for row in project.every(holding):
                if had_a_part(path, "transcript", [row], project.domain):
                    found[row["id"]] = None
    return list(found)
