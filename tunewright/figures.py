"""The report's figures, as PNG bytes. Readable in greyscale: shapes and fills carry the meaning, not colours.

The same numbers give the same bytes: matplotlib's Agg backend is deterministic, and its name and version are kept out
of the file. matplotlib takes half a second to import, so only the functions here do.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, BASE, TUNED, FAINT = "#1c2024", "#6b7280", "#14508f", "#d5dade"
WIDTH_IN, DPI = 6.6, 160  # inches; narrow enough that its text can be read on a phone
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": BASE,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


T = TypeVar("T")


def _styled(draw: Callable[[Any], T]) -> Callable[[Any], T]:
    """Draw with STYLE, whatever matplotlibrc the machine has."""

    @functools.wraps(draw)
    def styled(rows: Any) -> T:
        import matplotlib

        settings: Any = {**matplotlib.rcParamsDefault, **STYLE}
        with matplotlib.rc_context(settings):
            return draw(rows)

    return styled


@dataclass(frozen=True)
class Level:
    """One row of the comparison, on a scale of 0 to 1; low and high bound the difference, None where unknown."""

    label: str
    base: float
    tuned: float
    low: float | None
    high: float | None
    rank: int = 0  # 0 the whole, 1 a category, 2 a criterion


@_styled
def comparison(rows: Sequence[Level]) -> bytes:
    """Base (hollow circle) and tuned (filled diamond) per row; the bar is the interval of the paired difference.

    The bar is drawn from base + low to base + high: where it does not reach the circle, the difference is not chance.
    """
    figure, axes = _new(0.36 * len(rows) + 0.95)
    for y, row in enumerate(rows):
        axes.plot([row.base, row.tuned], [y, y], color=FAINT, lw=5, zorder=1, solid_capstyle="butt")
        if row.low is not None and row.high is not None:
            ends = [min(max(row.base + d, 0.0), 1.0) for d in (row.low, row.high)]
            axes.plot(ends, [y, y], color=TUNED, lw=1.6, zorder=2, marker="|", ms=9, mew=1.6)
        size = 8 if row.rank < 2 else 6
        axes.plot(row.base, y, "o", ms=size, mfc="white", mec=INK, mew=1.5, zorder=3, label="base" if y == 0 else None)
        axes.plot(row.tuned, y, "D", ms=size - 1, color=TUNED, zorder=4, label="tuned" if y == 0 else None)
        axes.text(1.04, y, f"{row.tuned - row.base:+.2f}", va="center", ha="left", family="DejaVu Sans Mono")
    _label_rows(axes, rows)
    return _png(figure)


def _label_rows(axes: Axes, rows: Sequence[Level]) -> None:
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.set_xlim(-0.03, 1.03)
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if row.rank < 2 else "normal")
        tick.set_fontsize(10 if row.rank < 2 else 9)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=FAINT, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("share of criteria met (0 to 1)")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.1, handletextpad=0.1)
    axes.text(1.04, -0.75, "change", ha="left", va="bottom", fontsize=9)


@_styled
def persona_differences(differences: Sequence[float]) -> bytes:
    """Tuned minus base for each persona, smallest first: how many people got a worse conversation."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = _new(2.3)
    ordered = sorted(differences)
    better = [(i, d) for i, d in enumerate(ordered, 1) if d >= 0]
    worse = [(i, d) for i, d in enumerate(ordered, 1) if d < 0]
    for points, marker, fill in ((better, "D", TUNED), (worse, "v", "white")):
        for x, d in points:
            axes.plot([x, x], [0, d], color=FAINT, lw=3, zorder=1, solid_capstyle="butt")
        xs, ys = [x for x, _ in points], [d for _, d in points]
        axes.plot(xs, ys, marker, mfc=fill, mec=TUNED, ms=6, ls="none", zorder=2)
    axes.axhline(0, color=INK, lw=0.9)
    axes.set_xlim(0.3, len(ordered) + 0.7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("personas, in order of change")
    axes.set_ylabel("tuned - base")
    return _png(figure)


@_styled
def loss_curve(rows: Sequence[dict[str, Any]]) -> bytes | None:
    """Training loss by step, and validation loss where it was measured; None without a step that has a loss."""
    rows = [r for r in rows if r.get("step") is not None]
    loss = [(r["step"], r["loss"]) for r in rows if r.get("loss") is not None]
    valid = [(r["step"], r["validation_loss"]) for r in rows if r.get("validation_loss") is not None]
    if not loss:
        return None
    figure, axes = _new(2.3)
    axes.plot(*zip(*loss, strict=True), color=BASE, lw=1.4, label="training")
    if valid:
        axes.plot(*zip(*valid, strict=True), color=TUNED, marker="D", ms=5, lw=1.2, ls="--", label="validation")
    axes.grid(axis="y", color=FAINT, lw=0.6)
    axes.set_xlabel("step")
    axes.set_ylabel("loss per token (nats)")
    axes.legend(frameon=False)
    return _png(figure)


def _new(height_in: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure  # not pyplot, which keeps state and looks for a display

    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    return figure, figure.subplots()


def _png(figure: Figure) -> bytes:
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=DPI, metadata={"Software": None})
    return target.getvalue()
