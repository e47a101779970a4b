"""A lineage as a document for the terminal, and as JSON. Pure: what `lineage.trace` found in, blocks or values out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tunewright.design_changes import counted, leaves
from tunewright.document import Block, Bullets, Heading, Table, Text
from tunewright.lineage import Consequences, ExampleLine, Lineage, TranscriptLine
from tunewright.provenance import FileThen

VALUES = ("topic", "style", "context", "stance", "presentation", "difficulty", "trajectory")  # of a persona
SHOWN_CHARS = 60  # of a param's value or a commit's subject
DETAIL = re.compile(r"\.(weights|price)\.")  # params that say which bytes and what they cost


def as_json(found: Lineage | Consequences) -> dict[str, Any]:
    """Everything that was found, as JSON values."""
    return asdict(found)


def blocks(found: Lineage | Consequences, limit: int) -> list[Block]:
    """The document: from what was asked for back to files, then what came of it."""
    return of_id(found, limit) if isinstance(found, Lineage) else of_file(found, limit)


def of_id(found: Lineage, limit: int) -> list[Block]:
    """An example's, a transcript's or a persona's lineage."""
    told: list[Block] = [Heading(f"{found.kind} {found.asked}", 1)]
    forward = [("Examples", [example(e) for e in found.examples])] if found.kind == "example" else []
    forward.append(("Transcripts", [line for t in found.transcripts for line in transcript(t)]))
    forward.append(("Personas", [persona(p) for p in found.personas]))
    back = [] if found.kind == "example" else [("Examples cut from it", [example(e) for e in found.examples])]
    back.append(("Replayed or compared as", [line for t in found.descendants for line in transcript(t)]))
    for title, lines in forward:
        told += [Heading(title), Bullets(_first(lines, limit))] if lines else []
    told += [Heading("Made with"), Bullets([file(one) for one in found.files])] if found.files else []
    told += [Heading("Params then"), Bullets(lines)] if (lines := params(found, limit)) else []
    told += _stale(found.stale)
    for title, lines in back:
        told += [Heading(title), Bullets(_first(lines, limit))] if lines else []
    if found.queued:
        reasons = [f"{transcript_id}: {'; '.join(says)}" for transcript_id, says in found.queued.items()]
        told += [Heading("To be read by people"), Bullets(_first(reasons, limit))]
    for n, what in ((found.n_labels, "label"), (found.n_preferences, "preference")):
        told += [Text(f"{counted(n, what)} by people in reviews/")] if n else []
    return told


def of_file(found: Consequences, limit: int) -> list[Block]:
    """What a file led to."""
    told: list[Block] = [Heading(found.asked, 1)]
    if found.made_by:
        told.append(Text(f"made by {found.made_by}"))
    told += [Bullets([file(one) for one in found.versions])] if found.versions else []
    told += [Heading("What came of it"), Table(("stage", "reads it", "outputs"), [
        (line.stage, "yes" if line.direct else "through others", _outputs(line.outs, line.records))
        for line in found.outputs
    ])] if found.outputs else [Text("No stage has read it.")]  # fmt: skip
    if found.transcripts:
        told += [Text(f"{counted(len(found.transcripts), 'conversation')} that it had a part in:")]
        told.append(Bullets(_first(found.transcripts, limit)))
    return told


def example(one: ExampleLine) -> str:
    """An example in a line."""
    cut = f"cut after exchange {one.n_exchanges}, {one.n_tokens:,} tokens"
    return f"{one.id}: split {one.split} ({one.path}), {cut}; trained on: {one.trained}"


def transcript(one: TranscriptLine) -> list[str]:
    """A transcript in three lines: who spoke, what it scored, what the judges said."""
    source = f" of {one.source_id}" if one.source_id else ""
    made = f"made by {one.stage}" if one.stage else "a source, kept in git"
    head = f"{one.id} in {one.path} ({made}): {counted(one.n_exchanges, 'exchange')} with {one.persona_id}"
    lines = [head, f"    user: {one.user_kind}{source}, {_model(one.user)}; assistant: {_model(one.assistant)}"]
    if one.failure:
        lines.append(f"    failed: {one.failure}")
    if one.score is not None or one.verdicts:
        score = f"score {one.score:.3f}, " if one.score is not None else ""
        covered = f", coverage {one.coverage:.2f}" if one.coverage is not None else ""
        judges = "; ".join(f"{j}: {', '.join(f'{n} {a}' for a, n in c.items())}" for j, c in one.verdicts.items())
        reasons = f" ({'; '.join(one.unscored)})" if one.unscored else ""
        lines.append(f"    {score}{one.result}{covered}; {judges}{reasons}")
    return ["\n".join(lines)]


def persona(row: Mapping[str, Any]) -> str:
    """A persona in a line: where it stands in the taxonomy, and the batch that it was sampled in."""
    values = ", ".join(f"{key} {row[key]}" for key in VALUES if key in row)
    edge = f", edge case {row['edge_case']}" if row.get("edge_case") else ""
    flaws = ", ".join(f["id"] for f in row.get("flaws") or ()) or "no flaws"
    made = f"batch {row.get('batch', 0)}, made by {row['stage']}" if row["stage"] else "a source, kept in git"
    return f"{row['id']} in {row['path']} ({row.get('source')}; {made}): {values}{edge}; {flaws}"


def file(one: FileThen) -> str:
    """A file, the commit of the version that stages read, and how the file stands now."""
    return f"{one.path}, md5 {one.md5[:8]} ({_commit(one)}), now {NOW[one.state]}; read by {_some(one.stages)}"


NOW = {"same": "the same", "changed": "changed", "gone": "gone"}


def _commit(one: FileThen) -> str:
    if one.version is None:
        return "a folder" if one.md5.endswith(".dir") else "in no commit"
    return f"{one.version.commit} of {one.version.date}: {_cut(one.version.subject)}"


def params(found: Lineage, limit: int) -> list[str]:
    """The first params of the stages that made the records themselves; all of them are in the JSON."""
    own = {t.stage for t in found.transcripts} | {p["stage"] for p in found.personas}
    own |= {"generate-slices"} if found.examples else set()
    told = []
    for stage in found.stages:
        if stage.stage in own:
            values = leaves(stage.params.get("params.yaml", {}))
            section = stage.stage.split("@")[0].replace("-", ".", 1) + "."
            named = [f"{key.removeprefix(section)} {_cut(v)}" for key, v in values.items() if not DETAIL.search(key)]
            more = f" and {len(values) - limit} more in --format json" if len(values) > limit else ""
            told.append(f"{stage.stage}: {', '.join(named[:limit])}{more}")
    return told


def _stale(reasons: Sequence[str]) -> list[Block]:
    if not reasons:
        return [Text("Up to date: files, params and code are as they were when this was made.", "note")]
    return [
        Text("Stale: it would be made otherwise now; see what would run with: dvc status", "warning"),
        Bullets(reasons),
    ]


def _outputs(outs: Sequence[str], records: Mapping[str, int]) -> str:
    return ", ".join(f"{out} ({records[out]})" if out in records else out for out in outs)


def _first(lines: Sequence[str], limit: int) -> list[str]:
    more = len(lines) - limit
    return [*lines[:limit], *([f"and {more} more; see them with --limit {len(lines)}"] if more > 0 else [])]


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:2], f"{len(names) - 2} more"] if len(names) > 3 else names)


def _model(identity: str) -> str:
    kind, _, digest = identity.partition(":")
    return f"{kind}:{digest[:12]}" if len(digest) == 64 else identity


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
