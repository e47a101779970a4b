"""What the two models were made from: base, data, training, files, versions; and how to make this page again."""

from __future__ import annotations

from collections.abc import Mapping

from tunewright.document import Block, Code, Fold, Heading, Table, Text
from tunewright.report_numbers import Metrics, number, percent, spaced
from tunewright.report_price import weights

HASH_CHARS = 16


def models(base: Metrics, exports: Mapping[str, Metrics], merged: Metrics) -> list[Block]:
    """The base model with its pin, how far tuning moved it, and the files that were evaluated."""
    rows = [
        ("base model", str(base.get("id", "-")), str(base.get("licence", "-"))),
        ("pinned by", str(base.get("source", "-")), "its source"),
        ("SHA-256 of models/base", str(base.get("folder_sha256", "-")), "all its files"),
        ("weights", weights(base["parameters"]) if base.get("parameters") else "-", str(base.get("dtype", "-"))),
    ]
    if merged.get("relative_delta") is not None:
        matrices = f"norm of the update over that of {merged['matrices']} matrices"
        rows.append(("moved by tuning", f"{merged['relative_delta']:.2%}", matrices))
    for side, facts in exports.items():
        rows.append((f"{side} file, evaluated", str(facts["sha256"]), str(facts["quantization"])))
    return [Heading("What the models are"), Table(("what", "value", "note"), rows)]


def versions(recorded: Mapping[str, Mapping[str, str]]) -> list[Block]:
    """Library versions by the stage that recorded them; no section where none did."""
    told = {stage: found for stage, found in recorded.items() if found}
    if not told:
        return []
    names = dict.fromkeys(name for found in told.values() for name in found)
    rows = [(name, *(found.get(name, "") for found in told.values())) for name in names]
    return [Heading("Versions", 3), Table(("library", *told), rows)]


def made_from(stages: Mapping[str, Metrics]) -> list[Block]:
    """The plain numbers of earlier stages' metrics files, whatever they hold; nested ones are left to the files."""
    rows = [
        (title, spaced(key), f"{value:.4g}" if isinstance(value, float) else str(value))
        for title, metrics in stages.items()
        for key, value in metrics.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
    ]
    if not rows:
        return []
    table = Fold("Numbers of the stages before", [Table(("stage", "what", "value"), rows)])
    return [Heading("What the tuned model was made from"), *_data(stages), table]


def _data(stages: Mapping[str, Metrics]) -> list[Block]:
    """A sentence on data and training, of what is known."""
    adapter, scores, slices = (stages.get(name, {}) for name in ("adapter", "scores", "slices"))
    told = []
    if scores.get("n_transcripts") and scores.get("n_passed") is not None:
        told.append(f"{scores['n_passed']} of {scores['n_transcripts']} conversations passed.")
    if adapter.get("examples"):
        cut = f" of {slices['n_examples']} slices" if slices.get("n_examples") else ""
        told.append(f"The adapter was trained on {adapter['examples']} examples{cut}.")
    before, after = adapter.get("validation_loss_before"), adapter.get("validation_loss_after")
    if before is not None and after is not None:
        told.append(
            f"Validation loss {number(before, 3)} -> {number(after, 3)} ({percent(after / before - 1, sign=True)})."
        )
    return [Text(" ".join(told))] if told else []


def reproduce(digests: Mapping[str, str]) -> list[Block]:
    """The commands, and the hashes of what this report was made from."""
    rows = [(path, sha[:HASH_CHARS]) for path, sha in digests.items()]
    return [
        Heading("How to reproduce"),
        Code(
            "make run                      # the whole pipeline\n"
            "dvc repro -f evaluate-report  # this page alone\n"
            "tunewright result             # the result again, with the price in time"
        ),
        Text("Same inputs, same bytes; dvc.lock in git has the full hashes of every stage's inputs.", "note"),
        Fold("What this page was made from (start of SHA-256)", [Table(("file", "sha256"), rows)]),
    ]
