"""What people prefer, for the evaluation report: a sentence for its first screen, and its section.

Pure functions from data/evaluate/sanity.json to document blocks. Nobody asked is said so, never shown as a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.document import Block, Heading, Table, Text
from tunewright.preferences import OVERALL
from tunewright.report_numbers import counted, equals, number, p_text, percents

Metrics = Mapping[str, Any]


def preferred(preferences: Metrics) -> str | None:
    """What people prefer overall and how sure that is, in two sentences; None where nobody was asked."""
    overall = preferences["questions"].get(OVERALL)
    if overall is None:
        return None
    people = overall["people"]
    return (
        f"{counted(people['n_readers'], 'reader')} compared {counted(people['n_pairs'], 'pair')} without being told "
        f"which was which, and preferred tuned {counted(people['wins'], 'time')}, base {people['losses']} and neither "
        f"{people['ties']}. {_sure(people, preferences['confidence'])}"
    )


def _sure(people: Metrics, confidence: float) -> str:
    """What is claimed: only what both the interval and the sign flips allow."""
    share = f"{people['win_rate']:.0%} ({confidence:.0%} interval {_shares(people)}, p {equals(people['p_value'])})"
    chance = people["p_value"] >= 1 - confidence  # Wilson's interval clears one half with four pairs that agree
    if people["low"] > 0.5 and not chance:
        return f"People prefer tuned: a win rate of {share}."
    if people["high"] < 0.5 and not chance:
        return f"People prefer base: tuned has a win rate of {share}."
    return f"That leaves open which one people prefer: tuned has a win rate of {share}."


def people_section(preferences: Metrics) -> list[Block]:
    """The section of the report."""
    heading = Heading("What people prefer")
    said = preferred(preferences)
    stale = _stale(preferences["n_stale"])
    if not preferences["questions"]:
        n = preferences["n_asked"]
        how = f"Nobody has compared base with tuned; with {counted(n, 'pair')} to show: tunewright review --compare"
        return [heading, Text(how if n else "There is no pair of conversations to compare."), *stale]
    return [
        heading,
        *([Text(said)] if said else []),
        _win_rates(preferences["questions"]),
        Text(
            "Win rate: how often tuned was preferred, a tie as half; a pair counts once whatever the number of its "
            "readers, and so does a persona. Each row stands for itself. Intervals are about other personas, "
            "not about other readers.",
            "note",
        ),
        Heading("Do the scores prefer the same side?", 3),
        _agreements(preferences["questions"], "judges"),
        Text(
            f"Scores no more than {preferences['judges_tie']:g} apart are a tie, and the readers of a pair count as "
            "one. Kappa is 0 where chance would agree as often, 1 where all do, "
            "and not defined where everybody gives the same answer.",
            "note",
        ),
        *_readers(preferences["questions"]),
        *stale,
    ]


def _win_rates(questions: Metrics) -> Table:
    rows = []
    for row in questions.values():
        people = row["people"]
        counts = (people["n_pairs"], people["n_personas"], people["wins"], people["losses"], people["ties"])
        share = f"{people['win_rate']:.0%}"
        rows.append((row["title"], *map(str, counts), share, _shares(people), p_text(people["p_value"])))
    head = (
        "better at",
        "pairs",
        "personas",
        "tuned",
        "base",
        "tie",
        "win rate",
        "interval",
        "p, sign flips by persona",
    )
    return Table(head, rows)


def _agreements(questions: Metrics, kind: str) -> Table:
    rows = []
    for row in questions.values():
        found = row[kind]
        bounds = "-" if found["low"] is None else _shares(found)
        share = "-" if found["agreement"] is None else f"{found['agreement']:.0%}"
        rows.append((row["title"], str(found["n"]), share, bounds, number(found["kappa"])))
    return Table(("question", "pairs" if kind == "judges" else "couples", "agree", "interval", "kappa"), rows)


def _readers(questions: Metrics) -> list[Block]:
    if not any(row["readers"]["n"] for row in questions.values()):
        return []
    return [Heading("Do readers agree with each other?", 3), _agreements(questions, "readers")]


def _stale(n: int) -> list[Block]:
    if not n:
        return []
    return [
        Text(f"{counted(n, 'earlier decision')} on words or questions that have changed: kept, not counted.", "note")
    ]


def _shares(found: Metrics) -> str:
    return percents(found["low"], found["high"])
