"""A difference between two revisions as a document, and as JSON. Pure: a Difference in, blocks or values out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tunewright.design_changes import counted
from tunewright.difference import Difference
from tunewright.document import Block, Bullets, Heading, Table, Text
from tunewright.record_changes import CriterionFlips, Crossing, FileChange, Flip, ScoreChange, VerdictChange

SHOWN_CHARS = 160  # of a judge's reasoning


def as_json(found: Difference) -> dict[str, Any]:
    """The difference as JSON values: all ids and counts, and the examples."""
    return asdict(found)


def blocks(found: Difference, limit: int) -> list[Block]:
    """The document; a section in which nothing differs is left out, and what could not be compared comes first."""
    parts = (
        ("Not compared", [Text(fault, "warning") for fault in found.faults]),
        ("Design", [Bullets(found.design)] if found.design else []),
        ("Personas", [b for change in found.personas for b in file_blocks(change, limit)]),
        ("Transcripts", [b for change in found.transcripts for b in file_blocks(change, limit)]),
        ("Verdicts", [b for change in found.verdicts for b in verdict_blocks(change)]),
        ("Scores", [b for change in found.scores for b in score_blocks(change)]),
        ("Splits", split_blocks(found, limit)),
        ("Evaluation pairs", [b for change in found.evaluation for b in file_blocks(change, limit)]),
        ("Metrics", metric_blocks(found.metrics, limit)),
    )
    told = [block for title, inside in parts if inside for block in (Heading(title), *inside)]
    return [Heading(f"{found.before} -> {found.after}", 1), *(told or [Text("Nothing differs.")])]


def file_blocks(change: FileChange, limit: int) -> list[Block]:
    """A file's counts, the first ids, and how transcripts changed."""
    counts = f"{change.path}: {change.n_before} -> {change.n_after}"
    groups = [("added", change.added), ("removed", change.removed), ("changed", change.changed)]
    found: list[Block] = [Text(f"{counts}; {', '.join(f'{len(ids)} {what}' for what, ids in groups if ids)}")]
    listed = [
        f"{what}: {some(ids, limit)}" for what, ids in groups if ids and not (what == "changed" and change.examples)
    ]
    listed += [f"{e.id}, {f'exchange {e.exchange}, ' if e.exchange else ''}{e.who}: {e.words}" for e in change.examples]
    if change.examples and (more := len(change.changed) - len(change.examples)):
        listed.append(f"and {more} more changed; see them with --limit {len(change.changed)}")
    return [*found, Bullets(listed)]


def verdict_blocks(change: VerdictChange) -> list[Block]:
    """A table by criterion, and some flips with both reasons."""
    directions = list(dict.fromkeys(d for c in change.criteria for d in c.directions))
    head = ["criterion", "judge", *directions, "same words", "now unscored", "now scored", "only before", "only after"]
    rows = [_row(c, directions) for c in change.criteria]
    keep = [i for i in range(len(head)) if i < 2 or any(row[i] != "0" for row in rows)]
    table = Table([head[i] for i in keep], [[row[i] for i in keep] for row in rows])
    said = f"{change.path}: {counted(change.n_flips, 'flip')}"
    if change.n_flips > len(change.examples):
        said += f" (the first {len(change.examples)} below; more with --limit)"
    return [Text(said), table, *([Bullets([_flip(flip) for flip in change.examples])] if change.examples else [])]


def _row(count: CriterionFlips, directions: Sequence[str]) -> list[str]:
    numbers = [count.directions.get(direction, 0) for direction in directions]
    numbers += [count.on_same_words, count.now_unscored, count.now_scored, count.only_before, count.only_after]
    return [count.criterion, count.judge, *map(str, numbers)]


def _flip(flip: Flip) -> str:
    words = "" if flip.same_words else " (the transcript changed too)"
    reasons = f'"{_cut(flip.reasoning_before)}" -> "{_cut(flip.reasoning_after)}"'
    return f"{flip.transcript_id}, {flip.criterion} by {flip.judge}: {flip.before} -> {flip.after}{words}; {reasons}"


def score_blocks(change: ScoreChange) -> list[Block]:
    """How many results changed in which direction, and some of them."""
    crossed = ", ".join(f"{direction}: {n}" for direction, n in change.directions.items()) or "no result changed"
    moved = f"; {counted(change.n_moved, 'other score')} moved" if change.n_moved else ""
    examples = [Bullets([_crossing(one) for one in change.examples])] if change.examples else []
    return [Text(f"{change.path}: {crossed}{moved}"), *examples]


def _crossing(one: Crossing) -> str:
    before, after = (f"{s:.3f}" if s is not None else "no score" for s in (one.score_before, one.score_after))
    return f"{one.transcript_id}: {one.before} ({before}) -> {one.after} ({after})"


def split_blocks(found: Difference, limit: int) -> list[Block]:
    """People who moved, then the files."""
    moved = [f"{m.persona_id}: {m.before} -> {m.after} ({counted(m.n_examples, 'example')})" for m in found.moves]
    told: list[Block] = []
    if moved:
        more = [f"and {len(moved) - limit} more"] if len(moved) > limit else []
        told = [Text(f"{counted(len(moved), 'persona')} in another split"), Bullets(moved[:limit] + more)]
    return told + [block for change in found.examples for block in file_blocks(change, limit)]


def metric_blocks(changes: Sequence[str], limit: int) -> list[Block]:
    """The first metrics that differ, `limit` of each stage."""
    by_stage: dict[str, list[str]] = {}
    for change in changes:
        stage, _, rest = change.partition(": ")
        by_stage.setdefault(stage, []).append(rest)
    lines = []
    for stage, found in by_stage.items():
        more = f"; and {len(found) - limit} more" if len(found) > limit else ""
        lines.append(f"{stage}: {'; '.join(found[:limit])}{more}")
    return [Bullets(lines)] if lines else []


def some(ids: Sequence[str], limit: int) -> str:
    """The first ids, and how many more."""
    return ", ".join(ids[:limit]) + (f" and {len(ids) - limit} more" if len(ids) > limit else "")


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN_CHARS else f"{flat[:SHOWN_CHARS]}..."
