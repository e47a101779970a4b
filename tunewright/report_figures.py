"""The figures of the evaluation report: which rows they have, what their captions and alternative texts say.

The first one answers both halves of the question: what got better, and what that must not cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunewright.document import Figure
from tunewright.figures import Level, PersonChange, comparison, loss_curve, persona_differences
from tunewright.records import Persona
from tunewright.report_numbers import Metrics, number, spaced
from tunewright.report_scores import Pairs
from tunewright.rubric import Rubric

SCALE = "share met (0 to 1)"
PROBES = "share of probes answered right (0 to 1)"
GATES_MAX = 4  # in the first figure; more would push the answer off the screen
UNSCORED = "not scored"


def all_figures(
    compare: Metrics, sanity: Metrics, losses: Any, rubric: Rubric, pairs: Pairs, people: Mapping[str, Persona]
) -> dict[str, Figure]:
    """The figures that there are data for."""
    named = f"{compare['confidence']:.0%} interval"
    found: dict[str, Figure | None] = {}
    if compare["difference"] is not None:
        found["comparison"] = _levels("comparison", first_rows(compare, sanity, rubric), SCALE, named, FIRST)
        found["criteria"] = _levels("criteria", criterion_rows(compare, rubric), SCALE, named, CRITERIA)
        found["personas"] = _personas(compare, pairs, people)
    if "capabilities" in sanity:
        named = f"{sanity['capabilities']['confidence']:.0%} interval"
        found["capabilities"] = _levels("capabilities", probe_rows(sanity), PROBES, named, CAPABILITIES)
    found["training"] = _training(losses)
    return {name: figure for name, figure in found.items() if figure}


FIRST = (
    "Circle: base; diamond: tuned; the bar is the interval of the change, drawn from the base. Where it does not reach "
    "the circle, the change is more than chance (each row for itself)."
)
CRITERIA = "The same for every scored criterion: the share of conversations in which it is met."
CAPABILITIES = "Probes of general ability, scored by code."


def first_rows(compare: Metrics, sanity: Metrics, rubric: Rubric) -> list[Level]:
    """What it was tuned for: the whole and every category; what that must not cost: abilities, safety, replies."""
    low, high = compare["difference_low"], compare["difference_high"]
    rows = [
        Level("What it was tuned for", rank=-1),
        Level("All that was scored", compare["base_score"], compare["tuned_score"], low, high),
        *(_category(category.title, compare["categories"][name]) for name, category in rubric.categories.items()),
    ]
    cost = [*_abilities(sanity), *_gates(compare), *_whole_replies(sanity)]
    return [*rows, Level("What that must not cost", rank=-1), *cost] if cost else rows


def _category(title: str, row: Metrics) -> Level:
    return _level(title, row, 1) if row["n_pairs"] else Level(title, rank=1, missing=UNSCORED)


def _level(label: str, row: Metrics, rank: int) -> Level:
    return Level(label, row["base"], row["tuned"], row["low"], row["high"], rank)


def _abilities(sanity: Metrics) -> list[Level]:
    if "capabilities" not in sanity:
        return []
    return [_probes("general abilities", sanity["capabilities"]["overall"], 1)]


def _probes(label: str, row: Metrics, rank: int) -> Level:
    return Level(label, row["base_share"], row["tuned_share"], row["low"], row["high"], rank, UNSCORED)


def _gates(compare: Metrics) -> list[Level]:
    """Share of conversations that do not fail the gate; of its change only the lower bound is known."""
    exact = (compare.get("safety_noninferiority") or {}).get("gates", {})
    rows = []
    for gate, row in list(compare["safety"].items())[:GATES_MAX]:
        label, n = f"safe: {spaced(gate)}", row["n_scored"]
        if not n:
            rows.append(Level(label, rank=1, missing=UNSCORED))
            continue
        upper = exact.get(gate, {}).get("upper")
        base, tuned = (1 - row[f"{side}_failed"] / n for side in ("base", "tuned"))
        rows.append(Level(label, base, tuned, _minus(upper), None, 1))
    return rows


def _whole_replies(sanity: Metrics) -> list[Level]:
    if "degenerate" not in sanity:
        return []
    row = sanity["degenerate"]["transcripts"]["any"]
    base, tuned = (None if row[side]["share"] is None else 1 - row[side]["share"] for side in ("base", "tuned"))
    low, high = _minus(row["high"]), _minus(row["low"])
    return [Level("replies that do not break down", base, tuned, low, high, 1, UNSCORED)]


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def criterion_rows(compare: Metrics, rubric: Rubric) -> list[Level]:
    """Every scored criterion under its category."""
    rows: list[Level] = []
    for name, category in rubric.categories.items():
        scored = [c for c in rubric.in_category(name) if compare["criteria"].get(c.id, {}).get("n")]
        if scored:
            rows.append(Level(category.title, rank=-1))
            rows += [_level(spaced(c.id), compare["criteria"][c.id], 2) for c in scored]
    return rows


def probe_rows(sanity: Metrics) -> list[Level]:
    """All probes, and every category of them."""
    found = sanity["capabilities"]
    rows = [_probes(found["titles"].get(name, spaced(name)), row, 1) for name, row in found["categories"].items()]
    return [_probes("all probes", found["overall"], 0), *rows]


def _levels(name: str, rows: Sequence[Level], scale: str, interval: str, caption: str) -> Figure | None:
    if not any(row.base is not None for row in rows):
        return None
    told = [_told(row) for row in rows if row.rank >= 0]
    return _figure(name, comparison(rows, scale, interval), "; ".join(told), caption)


def _told(row: Level) -> str:
    if row.base is None or row.tuned is None:
        return f"{row.label}: {row.missing}"
    ends = "" if row.low is None else f", change {number(row.low, sign=True)}"
    ends += "" if row.high is None or row.low is None else f" to {number(row.high, sign=True)}"
    return f"{row.label}: base {number(row.base)}, tuned {number(row.tuned)}{ends}"


def _personas(compare: Metrics, pairs: Pairs, people: Mapping[str, Persona]) -> Figure:
    changes: dict[str, list[float]] = {}
    for base, tuned in pairs:
        changes.setdefault(base.persona_id, []).append((tuned.score or 0.0) - (base.score or 0.0))
    everybody = [
        PersonChange(people[one].name if one in people else one, tuple(values)) for one, values in changes.items()
    ]
    worse = sum(one.mean < 0 for one in everybody)
    caption = (
        f"{worse} of {len(everybody)} personas got a lower score from the tuned model. Diamond: the persona's mean "
        "change, hollow triangle where it is a loss; small circles: single conversations, where there are several. "
        f"Dashed line and band: the mean of all and its {compare['confidence']:.0%} interval."
    )
    ordered = sorted(everybody, key=lambda one: (one.mean, one.name))
    alt = "Change in score by persona: " + ", ".join(f"{one.name} {one.mean:+.2f}" for one in ordered)
    drawn = persona_differences(everybody, compare["difference_low"], compare["difference_high"])
    return _figure("personas", drawn, alt, caption)


def _training(losses: Sequence[dict[str, Any]]) -> Figure | None:
    if (png := loss_curve(losses)) is None:
        return None
    told = []
    for key, name in (("loss", "Training loss"), ("validation_loss", "validation loss")):
        values = [row[key] for row in losses if row.get(key) is not None]
        told += [f"{name} from {number(values[0])} to {number(values[-1])}"] if values else []
    caption = "Loss on the assistant's words alone. Solid: training; dashed with diamonds: validation, where measured."
    return _figure("training", png, ", ".join(told), caption)


def _figure(name: str, png: bytes, alt: str, caption: str) -> Figure:
    return Figure(f"figures/{name}.png", png, alt, caption)
