"""The report's figures, as PNG bytes. Readable in greyscale: shapes and fills carry the meaning, not colours.

The same numbers give the same bytes: matplotlib's Agg backend is deterministic, and its name and version are kept out
of the file. matplotlib takes half a second to import, so only the functions here do.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, BASE, TUNED, FAINT = "#1c2024", "#5b636b", "#14508f", "#d5dade"
WIDTH_IN, DPI = 6.2, 160  # inches; narrow enough that its text can be read on a phone
ROW_IN = 0.25
NAMES_MAX = 24  # personas on an axis; more names are not readable
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
P = ParamSpec("P")
T = TypeVar("T")


def _styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Draw with STYLE, whatever matplotlibrc the machine has."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> T:
        import matplotlib

        settings: Any = {**matplotlib.rcParamsDefault, **STYLE}
        with matplotlib.rc_context(settings):
            return draw(*args, **kwargs)

    return styled


@dataclass(frozen=True)
class Level:
    """One row of a comparison, on a scale of 0 to 1; low and high bound the difference, None where unknown.

    Without base or tuned the row says `missing` instead; a row of rank -1 is a heading over those that follow.
    """

    label: str
    base: float | None = None
    tuned: float | None = None
    low: float | None = None
    high: float | None = None
    rank: int = 0  # 0 the whole, 1 a category, 2 a criterion
    missing: str = ""


@dataclass(frozen=True)
class PersonChange:
    """Tuned minus base in every conversation with one persona."""

    name: str
    changes: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean, which is what the tests count."""
        return sum(self.changes) / len(self.changes)


@_styled
def comparison(rows: Sequence[Level], scale: str, interval_name: str) -> bytes:
    """Base (hollow circle) and tuned (filled diamond) per row; the bar is the interval of the paired difference.

    The bar is drawn from base + low to base + high: where it does not reach the circle, the difference is not chance.
    An end that lies beyond 0 or 1 is an arrow. `scale` names the axis.
    """
    figure, axes = _new(ROW_IN * len(rows) + 0.8)
    for y, row in enumerate(rows):
        if row.base is None or row.tuned is None:
            axes.text(0.0, y, row.missing, va="center", ha="left", style="italic", fontsize=9, color=BASE)
            continue
        axes.plot([row.base, row.tuned], [y, y], color=FAINT, lw=5, zorder=1, solid_capstyle="butt")
        if row.low is not None and row.high is not None:
            _bar(axes, row.base + row.low, row.base + row.high, y)
        size = 6 if row.rank < 2 else 5
        axes.plot(row.base, y, "o", ms=size + 4, mfc="white", mec=INK, mew=1.4, zorder=3)
        axes.plot(row.tuned, y, "D", ms=size, color=TUNED, zorder=4)
        axes.text(1.05, y, f"{row.tuned - row.base:+.2f}", va="center", ha="left", family="DejaVu Sans Mono")
    _label_rows(axes, rows)
    axes.set_xlabel(scale)
    _legend(axes, interval_name)
    return _png(figure)


def _bar(axes: Axes, low: float, high: float, y: float) -> None:
    """An interval on the scale of 0 to 1; beyond it, it ends in an arrow."""
    ends = [min(max(end, 0.0), 1.0) for end in (low, high)]
    axes.plot(ends, [y, y], color=TUNED, lw=1.6, zorder=2, solid_capstyle="butt")
    for end, shown, arrow in ((low, ends[0], "<"), (high, ends[1], ">")):
        cut = end != shown
        axes.plot(shown, y, arrow if cut else "|", color=TUNED, ms=5 if cut else 9, mew=1.6, zorder=2)


def _label_rows(axes: Axes, rows: Sequence[Level]) -> None:
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.set_xlim(-0.03, 1.03)
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if row.rank < 1 else "normal")
        tick.set_fontstyle("italic" if row.rank < 0 else "normal")
        tick.set_fontsize(10 if row.rank < 2 else 9)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=FAINT, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.text(1.05, -0.75, "change", ha="left", va="bottom", fontsize=9)


def _legend(axes: Axes, interval_name: str) -> None:
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], marker="o", ms=9, mfc="white", mec=INK, mew=1.4, ls="none", label="base"),
        Line2D([], [], marker="D", ms=6, color=TUNED, ls="none", label="tuned"),
        Line2D([], [], marker="|", ms=9, mew=1.6, lw=1.6, color=TUNED, label=interval_name),
    ]
    place: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.1}
    axes.legend(handles=marks, ncols=3, frameon=False, handletextpad=0.3, columnspacing=1.2, fontsize=9, **place)


@_styled
def persona_differences(people: Sequence[PersonChange], low: float | None, high: float | None) -> bytes:
    """A mark per persona, smallest mean change first, with every conversation beside it; the band: the mean of all.

    A diamond is a gain or none, a hollow triangle a loss; small circles are single conversations.
    """
    ordered = sorted(people, key=lambda one: (one.mean, one.name))
    figure, axes = _new(2.9 if len(ordered) <= NAMES_MAX else 2.4)
    size = 7 if len(ordered) <= 40 else 4
    if low is not None and high is not None:
        axes.axhspan(low, high, facecolor="#e6eaee", edgecolor=BASE, ls=":", lw=0.9, label="interval of the mean")
    axes.axhline(sum(one.mean for one in ordered) / len(ordered), color=BASE, lw=1.2, ls="--", label="mean of personas")
    for x, one in enumerate(ordered, 1):
        axes.plot([x, x], [0, one.mean], color=FAINT, lw=3, zorder=1, solid_capstyle="butt")
        if len(one.changes) > 1:
            axes.plot([x] * len(one.changes), one.changes, "o", mfc="white", mec=BASE, mew=0.9, ms=size - 3, zorder=2)
    for kind, marker, fill in (("gain or none", "D", TUNED), ("loss", "v", "white")):
        points = [(x, one.mean) for x, one in enumerate(ordered, 1) if (one.mean < 0) == (kind == "loss")]
        if points:
            axes.plot(*zip(*points, strict=True), marker, mfc=fill, mec=TUNED, ms=size, ls="none", zorder=3, label=kind)
    axes.axhline(0, color=INK, lw=0.9)
    _name_people(axes, ordered)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=9, columnspacing=1.2)
    return _png(figure)


def _name_people(axes: Axes, ordered: Sequence[PersonChange]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0.3, len(ordered) + 0.7)
    axes.set_ylabel("tuned - base")
    if len(ordered) > NAMES_MAX:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("personas, in order of change")
        return
    names = [f"{one.name[:12]} ({len(one.changes)})" if len(one.changes) > 1 else one.name[:16] for one in ordered]
    axes.set_xticks(range(1, len(ordered) + 1), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=9)


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
