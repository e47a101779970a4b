"""reports/simulator.md: how the simulated users did, and which conversations are left out for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunewright.document import Block, Heading, Table, Text
from tunewright.simulator_faults import MEASURES
from tunewright.simulator_review import ReviewConfig
from tunewright.sound import SimulatorReview


def report(reviews: Sequence[SimulatorReview], metrics: Mapping[str, Any], config: ReviewConfig) -> list[Block]:
    """The verdict first, then each fault, then each conversation with one."""
    return [
        Heading("The simulated users", 1),
        Text(_verdict(metrics), "lead"),
        Text(_who_looked(metrics, config)),
        Heading("Faults"),
        Table(("fault", "found by", "conversations", "left out for it", "critical"), _faults(metrics, config)),
        Heading("Conversations"),
        *_conversations(reviews),
    ]


def _verdict(metrics: Mapping[str, Any]) -> str:
    n, critical = metrics["n_reviewed"], metrics["n_critical"]
    if not n:
        return "No conversation with a simulated user: nothing to review."
    what = "is" if critical == 1 else "are"
    rest = f"{metrics['n_major']} more have a major fault, {metrics['n_minor']} a minor one, {metrics['n_clean']} none."
    return f"{critical} of {n} simulated conversations {what} left out of training and evaluation. {rest}"


def _who_looked(metrics: Mapping[str, Any], config: ReviewConfig) -> str:
    skipped = metrics["n_transcripts"] - metrics["n_reviewed"]
    text = f"{skipped} conversations were not reviewed: their users are replayed or authored, or they failed. "
    names = " and ".join(name.replace("_", " ") for name in config.questions)
    if not metrics["has_judge"]:
        return f"{text}Measures alone looked: no judge is set (llm.simulator_judge), and {names} were not put to one."
    failed = f"; {metrics['n_unjudged']} of its answers failed" if metrics["n_unjudged"] else ""
    return f"{text}Measures looked at every message, and {config.judge and config.judge.model} at {names}{failed}."


def _faults(metrics: Mapping[str, Any], config: ReviewConfig) -> list[tuple[str, ...]]:
    rows = []
    for fault, gravity in config.gravity.items():
        by = [who for who, has in (("measure", fault in MEASURES), ("judge", fault in config.questions)) if has]
        share = gravity.critical_share
        when = "always" if gravity.any == "critical" else "never" if share is None else f"from {share:.0%} of messages"
        found, left_out = metrics["by_fault"][fault], metrics["critical_by_fault"][fault]
        rows.append((fault.replace("_", " "), " and ".join(by), str(found), str(left_out), when))
    return rows


def _conversations(reviews: Sequence[SimulatorReview]) -> list[Block]:
    rows = [
        (r.transcript_id, f.severity, f.fault.replace("_", " "), ", ".join(map(str, f.exchanges)), f.by, f.detail)
        for r in reviews
        for f in r.findings
    ]
    if not rows:
        return [Text("None has a fault.")]
    return [Table(("conversation", "severity", "fault", "exchanges", "by", "the first of them"), rows)]
