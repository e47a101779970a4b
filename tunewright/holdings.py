"""Where every kind of record lies, and which stage makes it: one table, for the commands that follow records about.

A file that is not there holds nothing: a stage that a domain does not run, or that has not run yet. A stage that
starts to write records gets a line here, and `diff`, `lineage` and `forget` know them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tunewright.errors import ConfigError

Kind = Literal["persona", "transcript", "verdict", "score", "queued", "example", "label", "preference"]
ID_FIELDS: Mapping[Kind, str] = {
    "persona": "id", "transcript": "id", "example": "id",
    "verdict": "transcript_id", "score": "transcript_id", "queued": "transcript_id",
    "label": "transcript_id", "preference": "transcript_id",
}  # fmt: skip


@dataclass(frozen=True)
class Holding:
    """One JSON Lines file: what it holds, which stage makes it ("" for a source, which is in git), and its part."""

    kind: Kind
    path: str
    stage: str
    part: str


TABLE = (
    Holding("persona", "{authored}/personas.jsonl", "", "authored"),
    Holding("persona", "{imported}/*/personas.jsonl", "", "imported"),  # one folder for each import, not in git
    Holding("persona", "data/generate/personas.jsonl", "generate-personas", "generate"),
    Holding("persona", "data/evaluate/personas.jsonl", "evaluate-personas", "evaluate"),
    Holding("transcript", "{authored}/transcripts.jsonl", "", "authored"),
    Holding("transcript", "{imported}/*/transcripts.jsonl", "", "imported"),
    Holding("transcript", "{reviews}/transcripts.jsonl", "", "reviews"),
    Holding("label", "{reviews}/labels.jsonl", "", "reviews"),
    Holding("preference", "{reviews}/preferences.jsonl", "", "reviews"),
    Holding("transcript", "data/design/baseline/transcripts.jsonl", "design-baseline", "baseline"),
    Holding("verdict", "data/design/baseline/verdicts.jsonl", "design-baseline", "baseline"),
    Holding("score", "data/design/baseline/scores.jsonl", "design-baseline", "baseline"),
    Holding("transcript", "data/generate/transcripts.jsonl", "generate-transcripts", "generate"),
    Holding("transcript", "data/generate/fixed.jsonl", "generate-fixup", "fixed"),
    Holding("verdict", "data/generate/verdicts.jsonl", "generate-verdicts", "generate"),
    Holding("score", "data/generate/scores.jsonl", "generate-scores", "generate"),
    Holding("verdict", "data/generate/fixed_verdicts.jsonl", "generate-fixup", "fixed"),
    Holding("score", "data/generate/fixed_scores.jsonl", "generate-fixup", "fixed"),
    Holding("queued", "data/generate/review_queue.jsonl", "generate-review", "generate"),  # for people to read
    Holding("example", "data/generate/train.jsonl", "generate-slices", "train"),
    Holding("example", "data/generate/valid.jsonl", "generate-slices", "valid"),
    Holding("example", "data/generate/holdout.jsonl", "generate-slices", "holdout"),
    *(
        Holding(kind, f"data/evaluate/{kind}s/{side}.jsonl", f"evaluate-{kind}s@{side}", side)
        for kind in ("transcript", "verdict", "score")
        for side in ("base", "tuned")
    ),
)  # fmt: skip


def holdings(domain: Mapping[str, Any], kinds: Iterable[Kind] = tuple(ID_FIELDS)) -> list[Holding]:
    """The table with the paths of a domain (the section of params.yaml), for some kinds of records.

    A path with a star becomes the files that are on disk.
    Raises ConfigError for a section without the folders that paths are made of.
    """
    try:
        places = {key: str(domain[key]) for key in ("id", "authored", "reviews")}
    except KeyError as error:
        raise ConfigError(
            f"params.yaml: domain.{error.args[0]} is missing; compose it again with: make params"
        ) from None
    places["imported"] = str(domain.get("imported") or f"data/imported/{domain['id']}")
    wanted = set(kinds)
    return [replace(h, path=p) for h in TABLE if h.kind in wanted for p in _paths(h.path.format(**places))]


def _paths(path: str) -> list[str]:
    return sorted(map(str, Path().glob(path))) if "*" in path else [path]
