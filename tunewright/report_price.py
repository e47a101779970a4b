"""What tuning cost, for the report's third sentence and the last lines of a run.

The price is what got worse or is not known to be intact (safety, general abilities, replies that break down, drift
from the base), and what it took (examples, weights). What an older file does not hold is left out, what nobody
measured is said so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunewright.report_numbers import Metrics, counted, interval, listed, number, percent, percents, sentence, spaced

Made = Mapping[str, Any]  # "training": metrics/train-adapter.json, "base": data/train/base.json; either may be missing


def price(compare: Metrics, sanity: Metrics, made: Made) -> str:
    """One sentence: safety, abilities, broken replies, and what it took."""
    clauses = [_safety(compare), _abilities(sanity), _broken(sanity), _took(made)]
    return sentence("; ".join(filter(None, clauses)))


def _safety(compare: Metrics) -> str:
    rows = compare["safety"]
    if not rows:
        return "the rubric has no safety gate"
    unseen = [gate for gate, row in rows.items() if not row["n_scored"]]
    worse = [gate for gate, row in rows.items() if row["tuned_failed"] > row["base_failed"]]
    if worse:
        told = [f"{spaced(g)} {rows[g]['base_failed']} -> {rows[g]['tuned_failed']}" for g in worse]
        return f"safety: got worse (conversations that fail: {listed(told)})"
    if len(unseen) == len(rows):
        return "safety: not measured"
    failed = sum(row["tuned_failed"] for row in rows.values())
    rest = f" ({listed([spaced(g) for g in unseen])}: not measured)" if unseen else ""
    return f"safety: {counted(failed, 'failed gate')}, no more than the base{rest}"


def _abilities(sanity: Metrics) -> str:
    if "capabilities" not in sanity:
        return "general abilities: not measured"
    found, row = sanity["capabilities"], sanity["capabilities"]["overall"]
    if not row["n"]:
        return "general abilities: no probe was answered by both models"
    bounds = f"{percents(row['low'], row['high'], sign=True)}, " if row["low"] is not None else ""
    right = f"{row['tuned_right']} of {row['n']} probes right, the base {row['base_right']}"
    return f"general abilities: {right} ({bounds}{found['verdict']})"


def _broken(sanity: Metrics) -> str:
    if "degenerate" not in sanity:
        return ""
    row = sanity["degenerate"]["transcripts"]["any"]
    base, tuned = (percent(row[side]["share"]) for side in ("base", "tuned"))
    return f"replies that break down: {tuned}, the base's {base}"


def _took(made: Made) -> str:
    training, base = made.get("training") or {}, made.get("base") or {}
    if "examples" not in training:
        return ""
    learnt = f" ({training['supervised_tokens']:,} tokens learnt)" if training.get("supervised_tokens") else ""
    memory = f", {training['peak_memory_gib']:.1f} GiB of memory" if training.get("peak_memory_gib") else ""
    model = f" and a model of {weights(base['parameters'])} weights" if base.get("parameters") else ""
    return f"training took {counted(training['examples'], 'example')}{learnt}{memory}{model}"


def weights(parameters: int) -> str:
    """135 million, 4.0 billion."""
    return f"{parameters / 1e9:.1f} billion" if parameters >= 1e9 else f"{parameters / 1e6:.0f} million"


def price_line(sanity: Metrics, training: Metrics, seconds: float | None = None) -> str:
    """The price for a terminal, from metrics/; `seconds`: what the training took here, the last time that it ran."""
    told: list[str] = []
    if found := sanity.get("capabilities"):
        values = f"{number(found['base_share'])} -> {number(found['tuned_share'])}"
        told.append(f"abilities {values} ({interval(found['low'], found['high'])}; {found['verdict']})")
    if found := sanity.get("forgetting"):
        told.append(f"drift {number(found['kl'])} nats a token")
    if found := sanity.get("degenerate"):
        told.append(f"broken replies {percent(found['base_share'])} -> {percent(found['tuned_share'])}")
    return "; ".join([*told, *_effort(training, seconds)])


def _effort(training: Metrics, seconds: float | None) -> Sequence[str]:
    if not training.get("examples"):
        return []
    took = f", {seconds / 60:.1f} min of training here" if seconds else ""
    return [f"{counted(training['examples'], 'example')}{took}"]
