"""What people's preferences add up to: how often tuned wins over base, how sure that is, and whether judges agree.

People who are talked with are the evidence, not decisions: a pair counts once, with the mean of its readers, and a
person once, with the mean of their pairs. Nothing is said about readers who were not asked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

import numpy as np
from pydantic import Field

from tunewright.aligning import Pair
from tunewright.config import Config
from tunewright.judge_agreement import compared
from tunewright.pairing import TalkPair, questions, split_stale
from tunewright.preferences import OVERALL, Better, Preference, preferences_in_force
from tunewright.proportions import share_of
from tunewright.records import stable_seed
from tunewright.rubric import Rubric
from tunewright.statistics import permutation_p, wilson_interval

VALUE: Mapping[Better, float] = {"base": 0.0, "tie": 0.5, "tuned": 1.0}
ROUNDING = 1e-9
Differences = Mapping[str, Mapping[str, float]]  # tuned - base by question and pair, where both sides have a score


class PreferenceRules(Config):
    """Params section evaluate.sanity."""

    pairs: int = Field(ge=1)  # that people are asked to compare; all that they did compare count
    confidence: float = Field(gt=0, lt=1)
    judges_tie: float = Field(ge=0, le=1)
    permutation_samples: int = Field(ge=100)
    exact_permutation_max: int = Field(ge=0, le=22)
    seed: int


@dataclass(frozen=True)
class WinRate:
    """How often tuned was preferred, ties as half (0 to 1); wins, losses and ties are decisions."""

    n_decisions: int
    n_readers: int
    n_pairs: int
    n_personas: int
    wins: int
    losses: int
    ties: int
    win_rate: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Agreeing:
    """How far two opinions on the same pairs are equal (0 to 1), and Cohen's kappa. None where nothing is known."""

    n: int
    agreement: float | None = None
    low: float | None = None
    high: float | None = None
    kappa: float | None = None


def preference_numbers(
    lines: Sequence[Preference],
    pairs: Sequence[TalkPair],
    scored: Sequence[Pair],
    rubric: Rubric,
    rules: PreferenceRules,
) -> dict[str, Any]:
    """Everything that is said about people's preferences; `lines` as they stand in the file, stale ones too."""
    asked = questions(rubric)
    held, stale = split_stale(preferences_in_force(lines), pairs, asked)
    judged = judged_differences(scored, rubric)
    by_question = {name: [line for line in held if line.question == name] for name in asked}
    rows = {
        name: {"title": asked[name], "people": win_rate(found, rules, name)}
        | {"readers": between_readers(found, rules), "judges": with_judges(found, judged.get(name), rules)}
        for name, found in by_question.items()
        if found
    }
    return {
        "n_pairs": len(pairs),
        "n_asked": min(rules.pairs, len(pairs)),
        "n_compared": len({line.transcript_id for line in by_question[OVERALL]}),
        "n_readers": len({line.reviewer for line in held}),
        "n_stale": len(stale),
        "confidence": rules.confidence,
        "judges_tie": rules.judges_tie,
        "questions": rows,
    }


def win_rate(lines: Sequence[Preference], rules: PreferenceRules, question: str) -> WinRate:
    """The win rate over one question's lines, of which there must be some.

    Wilson's interval on people: of all values between 0 and 1 with one mean, wins and losses vary most, so ties can
    only make it too wide; a t interval would have no width where all agree. p: sign flips of people's means around
    one half, which is the exact sign test where every person has one pair and nobody says tie.
    """
    pairs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for line in lines:
        pairs[line.persona_id, line.transcript_id].append(VALUE[line.better])
    people: dict[str, list[float]] = defaultdict(list)
    for (persona, _), values in pairs.items():
        people[persona].append(fmean(values))
    means = [fmean(values) for values in people.values()]
    n, wins = len(means), fmean(means)
    low, high = wilson_interval(min(wins * n, n), n, rules.confidence)
    rng = np.random.default_rng(stable_seed("preferences", question, rules.seed))
    p = permutation_p([m - 0.5 for m in means], range(n), rules.permutation_samples, rules.exact_permutation_max, rng)
    said = Counter(line.better for line in lines)
    readers = {line.reviewer for line in lines}
    counts = (len(lines), len(readers), len(pairs), n, said["tuned"], said["base"], said["tie"])
    return WinRate(*counts, wins, low, high, p)


def between_readers(lines: Sequence[Preference], rules: PreferenceRules) -> Agreeing:
    """How often two readers of one pair say the same; every two readers of every pair count."""
    by_pair: dict[str, dict[str, Preference]] = defaultdict(dict)
    for line in lines:
        by_pair[line.transcript_id][line.reviewer] = line
    couples = [(said[a], said[b]) for said in by_pair.values() for a, b in combinations(sorted(said), 2)]
    return _agreeing([(one.better, other.better, one.persona_id) for one, other in couples], rules)


def with_judges(lines: Sequence[Preference], judged: Mapping[str, float] | None, rules: PreferenceRules) -> Agreeing:
    """How often people and the scores prefer the same side of a pair, of the pairs scored on both sides.

    Several readers of a pair are taken together: the side with the higher mean. Scores that lie within `judges_tie` of
    each other are a tie.
    """
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for line in lines:
        values[line.transcript_id, line.persona_id].append(VALUE[line.better])
    found = [
        (_sign(fmean(said) - 0.5, 0.0), _sign(judged[pair], rules.judges_tie), persona)
        for (pair, persona), said in values.items()
        if judged and pair in judged
    ]
    return _agreeing(found, rules)


def judged_differences(scored: Sequence[Pair], rubric: Rubric) -> Differences:
    """Tuned minus base for each category and the whole, of pairs on the criteria answered on both sides."""
    found: dict[str, dict[str, float]] = {name: {} for name in (*rubric.categories, OVERALL)}
    for base, tuned in scored:
        sides = {name: (base.categories.get(name), tuned.categories.get(name)) for name in rubric.categories}
        for name, (one, other) in (sides | {OVERALL: (base.score, tuned.score)}).items():
            if one is not None and other is not None:
                found[name][base.transcript_id] = other - one
    return found


def _sign(difference: float, margin: float) -> str:
    if abs(difference) <= margin + ROUNDING:
        return "tie"
    return "tuned" if difference > 0 else "base"


def _agreeing(rows: Sequence[tuple[str, str, str]], rules: PreferenceRules) -> Agreeing:
    """`rows`: two opinions and the persona that they are about, whose pairs count together."""
    if not rows:
        return Agreeing(0)
    found = share_of([one == other for one, other, _ in rows], [persona for *_, persona in rows], rules.confidence)
    kappa = compared(Counter((one, other) for one, other, _ in rows))["kappa"]
    return Agreeing(len(rows), found.share, found.low, found.high, kappa)
