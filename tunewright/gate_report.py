"""reports/gate.md: the decision first, then what it rests on and what would change it."""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.document import Block, Bullets, Heading, Table, Text, Verdict
from tunewright.gate_decision import WAITING, Batch, Gate


def report(gate: Gate, n_left_out: int, n_apart: int) -> list[Block]:
    """The whole page; `n_left_out` conversations failed or were excluded, `n_apart` are authored or imported."""
    return [
        Heading("The gate: go on, or change something first?", 1),
        Verdict(gate.decision, f"{_sentence(gate.reason)}", gate.decision == "proceed"),
        *_readers(gate),
        *[Text(f"{_sentence(warning)}", "warning") for warning in gate.warnings],
        Heading("What it rests on"),
        Table(
            ("condition", "state", "found"), [(c.name, c.state, c.says) for c in (*gate.conditions, *gate.by_readers)]
        ),
        Text(_counted(gate, n_left_out, n_apart), "note"),
        Heading("What would change it"),
        _changes(gate.would_change),
        *_batches(gate.batches),
    ]


def _readers(gate: Gate) -> list[Block]:
    """Where no reader has had a say yet: what the decision is worth."""
    asked = gate.by_readers[0]
    if gate.decision == WAITING or asked.state in ("met", "not met"):
        return []
    return [Text(f"This decision is what can be counted, and no more: {asked.says}.", "warning")]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _counted(gate: Gate, n_left_out: int, n_apart: int) -> str:
    return (
        f"Counted: {gate.n} conversations that the prompts under test made, simulated and replayed (these have "
        f"no batch). Not counted: {n_apart} authored or imported, {n_left_out} failed or excluded. Why conversations "
        "fail: reports/generation_stats.md."
    )


def _changes(changes: Sequence[str]) -> Block:
    return Bullets(changes) if changes else Text("Nothing that can be counted here.")


def _batches(batches: Sequence[Batch]) -> list[Block]:
    if not batches:
        return []
    rows = [
        (
            str(batch.number),
            str(batch.n),
            str(batch.n_open),
            f"{rate.count} of {rate.n}",
            f"{rate.low:.0%} to {rate.high:.0%}",
        )
        if (rate := batch.rate)
        else (str(batch.number), str(batch.n), str(batch.n_open), "-", "-")
        for batch in batches
    ]
    return [Heading("By batch"), Table(("batch", "conversations", "open", "passed", "interval"), rows)]
