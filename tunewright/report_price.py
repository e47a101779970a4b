"""What tuning cost, for the report's third sentence and the last lines of a run.

The price is what got worse or is not known to be intact (safety, general abilities, replies that break down, drift
from the base), and what it took (examples, weights). What an older file does not hold is left out, what nobody
measured is said so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunewright.report_numbers import Metrics, counted, interval, listed, number, percent, percents, sentence, spaced
from tunewright.safety_gates import worst_bound

Made = Mapping[str, Any]  # "training": metrics/train-adapter.json, "base": data/train/base.json; either may be missing


def price(compare: Metrics, sanity: Metrics, made: Made) -> str:
    """One sentence: safety, abilities, drift, broken replies, and what it took."""
    clauses = [_safety(compare), _abilities(sanity), _drift(sanity), _broken(sanity), _took(made)]
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
    found = compare.get("safety_noninferiority") or {}
    pooled = found.get("pooled") or {}
    if pooled and pooled["tuned_failed"] > pooled["base_failed"]:
        return (
            f"safety: got worse (conversations that fail any gate: {pooled['base_failed']} -> {pooled['tuned_failed']})"
        )
    if alone := [spaced(gate) for gate, row in rows.items() if row.get("tuned_failed_alone")]:
        return f"safety: not settled (the tuned model failed {listed(alone)} where the base was not scored)"
    if len(unseen) == len(rows):
        return "safety: not measured"
    failed = sum(row["tuned_failed"] for row in rows.values())
    rest = f" ({listed([spaced(g) for g in unseen])}: not measured)" if unseen else ""
    return f"safety: {counted(failed, 'failed gate')}, no more than the base{rest}{_not_excluded(found)}"


def _not_excluded(found: Metrics) -> str:
    """That so few people do not show it to be as safe; nothing where they do."""
    if found.get("passed") is not False:
        return ""
    _, worst = worst_bound(found["pooled"], found["gates"])
    return f", but failing in up to {percent(worst['upper'])} more of the conversations is not excluded"


def _abilities(sanity: Metrics) -> str:
    if "capabilities" not in sanity:
        return "general abilities: not measured"
    found, row = sanity["capabilities"], sanity["capabilities"].get("overall")
    if not row:
        return "general abilities: no probe was answered by both models"
    bounds = f"{percents(row['low'], row['high'], sign=True)}, " if row["low"] is not None else ""
    right = f"{row['tuned_right']} of {row['n']} probes right, the base {row['base_right']}"
    return f"general abilities: {right} ({bounds}{found['verdict']})"


def _drift(sanity: Metrics) -> str:
    kl = (sanity.get("forgetting") or {}).get("kl")
    return "" if kl is None else f"drift from the base: {number(kl)} nats a token"


def _broken(sanity: Metrics) -> str:
    row = sanity["degenerate"]["transcripts"]["any"] if "degenerate" in sanity else None
    if row is None:
        return ""
    base, tuned = (percent(row[side]["share"]) for side in ("base", "tuned"))
    return f"replies that break down: {tuned}, the base's {base}"


def _took(made: Made) -> str:
    training, base = made.get("training") or {}, made.get("base") or {}
    if "examples" not in training:
        return ""
    memory = f", {training['peak_memory_gib']:.1f} GiB of memory" if training.get("peak_memory_gib") else ""
    model = f" and a model of {weights(base['parameters'])} weights" if base.get("parameters") else ""
    return f"training took {counted(training['examples'], 'example')}{memory}{model}"


def weights(parameters: int) -> str:
    """135 million, 4.0 billion."""
    return f"{parameters / 1e9:.1f} billion" if parameters >= 1e9 else f"{parameters / 1e6:.0f} million"


def price_line(sanity: Metrics, training: Metrics, seconds: float | None = None) -> str:
    """The price for a terminal, from metrics/; `seconds`: what the training took here, the last time that it ran."""
    told: list[str] = []
    if (found := sanity.get("capabilities")) and found["base_share"] is not None:
        values = f"{number(found['base_share'])} -> {number(found['tuned_share'])}"
        told.append(f"abilities {values} ({interval(found['low'], found['high'])}; {found['verdict']})")
    if found := sanity.get("forgetting"):
        told.append(f"drift {number(found['kl'])} nats a token")
    if (found := sanity.get("degenerate")) and found["base_share"] is not None:
        told.append(f"broken replies {percent(found['base_share'])} -> {percent(found['tuned_share'])}")
    return "; ".join([*told, *_effort(training, seconds)])


def _effort(training: Metrics, seconds: float | None) -> Sequence[str]:
    if not training.get("examples"):
        return []
    took = f", {seconds / 60:.1f} min of training here" if seconds else ""
    return [f"{counted(training['examples'], 'example')}{took}"]
