"""A plan as a table for a terminal, and as JSON. Prices come from conf, else from litellm's list, else are unknown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tunewright.durations import call_of
from tunewright.models import ModelSpec
from tunewright.plan import Planned, Step
from tunewright.prices import usd_of

WIDTH = 120  # where there is no terminal to ask
MEANS = {
    "exact": "exact: every request is known",
    "estimate": "estimate: works on replies or examples that do not exist yet",
    "runs": "runs: calls no model; not run to plan",
    "unknown": "unknown: cannot be told before the stages above have run",
}


def usd(one: Planned) -> float | None:
    """What one model's calls would cost in USD; None where the price is not known."""
    if not one.made:
        return 0.0
    spec = ModelSpec(model=one.model, temperature=None, max_tokens=1, price=one.price)
    each = usd_of(spec, round(one.prompt_tokens / one.made), round(one.completion_tokens / one.made))
    return None if each is None else one.made * each  # by the call: long prompts are dearer, many are not


def seconds(step: Step, durations: dict[str, float]) -> float | None:
    """About how long a stage would take: its calls at their last rate, else as long as the last time; None: unknown."""
    paid = [one for one in step.calls if one.made]
    rates = [durations.get(call_of(one.model)) for one in paid]
    if not paid:
        return step.last_s or 0.0  # a stage that has never run and calls no model: seconds, as a rule
    return None if None in rates else sum(one.made * (rate or 0) for one, rate in zip(paid, rates, strict=True))


def total(values: Sequence[float | None]) -> float | None:
    """The sum, None when a part is unknown."""
    return None if None in values else sum(value or 0 for value in values)


def as_json(steps: Sequence[Step], durations: dict[str, float]) -> dict[str, Any]:
    """The plan and its sums."""
    rows = [
        step.model_dump() | {"made": step.made, "usd": total([usd(c) for c in step.calls]),
                             "seconds": seconds(step, durations)}
        for step in steps
    ]  # fmt: skip
    sums: dict[str, Any] = {name: sum(row[name] for row in rows) for name in ("made", "cached")}
    return (
        {"stages": rows}
        | sums
        | {"usd": total([r["usd"] for r in rows]), "seconds": total([r["seconds"] for r in rows])}
    )


def show(steps: Sequence[Step], durations: dict[str, float]) -> None:
    """Print the plan to stdout."""
    out = Console(highlight=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out.width = WIDTH
    if not steps:
        out.print("Nothing would run: every stage is up to date.")
        return
    found = as_json(steps, durations)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_footer=True)
    tokens = [sum(c.prompt_tokens + c.completion_tokens for c in step.calls) for step in steps]
    table.add_column("stage", "all", no_wrap=True)
    table.add_column("because of", ratio=1, overflow="fold")
    table.add_column("calls", f"{found['made']:,}", justify="right")
    table.add_column("cached", f"{found['cached']:,}", justify="right")
    table.add_column("tokens", f"{sum(tokens):,}", justify="right")
    table.add_column("USD", _usd(found["usd"]), justify="right")
    table.add_column("time", _time(found["seconds"]), justify="right")
    table.add_column("", no_wrap=True)
    for step, row, n_tokens in zip(steps, found["stages"], tokens, strict=True):
        counts = (
            (f"{step.made:,}", f"{step.cached:,}", f"{n_tokens:,}", _usd(row["usd"]))
            if step.calls or step.cached
            else ("",) * 4
        )
        table.add_row(step.stage, _why(step.why), *counts, _time(row["seconds"]), step.kind)
    out.print(table)
    for kind in dict.fromkeys(step.kind for step in steps):
        out.print(MEANS[kind], style="dim")
    for step in steps:
        if step.note:
            out.print(f"{step.stage}: {step.note}", style="dim", markup=False)
    out.print("Tokens are estimated from the length of prompts and of this model's earlier replies.", style="dim")


def _why(why: Sequence[str]) -> str:
    """Two reasons, changed code as one and last."""
    told = [one for one in why if not one.endswith(".py")]
    told += ["code"] if len(told) < len(why) else []
    return ", ".join(told[:2]) + (f" and {len(told) - 2} more" if len(told) > 2 else "")


def _usd(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}" if value >= 1 or not value else f"{value:.4f}"


def _time(value: float | None) -> str:
    if value is None:
        return "unknown"
    if not value:
        return ""
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"
