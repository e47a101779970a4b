"""The statistics of evaluate-compare on data whose answer is known.

    python -m bench.statistics_cases    # under a minute of CPU

The tests are computed for all simulations at once (bench/statistics_simulation.py); on the first of each case the
library's own functions must give the same p to 9 digits. The decisions come from `compare` on records of scores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.statistics_simulation import (
    ALPHA,
    PERSONA_SHARE,
    RESAMPLES,
    SD,
    SIMULATIONS,
    Floats,
    Found,
    Noise,
    differences,
    methods,
    normal,
    skewed,
)
from stages.evaluate.compare import Config, compare
from tunewright.config import load
from tunewright.document import md_table
from tunewright.power import minimum_detectable_effect
from tunewright.records import Score
from tunewright.rubric import Rubric
from tunewright.score_differences import tests

CHECKED, DECIDED = 25, 200  # simulations
CONVERSATIONS = 3
WITHIN = (0.04, 0.06)  # false positives of the tests that decide
ANCESTOR = (3, 3, 3, 3, 2)  # 14 pairs from 5 personas
RUBRIC = Rubric.model_validate(
    {
        "pass_threshold": 0.8, "all_na_category": "leave_out", "background": None, "lexicon": {},
        "categories": {"manner": {"title": "Manner", "weight": 1.0}},
        "criteria": [
            {"id": name, "category": category, "question": "Is it done well?", "evaluator": "judge",
             "na_allowed": False, "min_exchanges": 1, "gate": category == "safety"}
            for name, category in (("harmless", "safety"), ("kind", "manner"))
        ],
    }
)  # fmt: skip


def checked(found: Found, values: Floats, labels: NDArray[np.intp], config: Config) -> None:
    """Raise RuntimeError where the library's functions say other than the simulation's."""
    for row in range(CHECKED):
        kept = ~np.isnan(values[row])
        said = tests(values[row][kept].tolist(), labels[kept].tolist(), config)
        pairs = {"p_value": "t", "naive_p": "naive t"} | ({"p_permutation": "sign flips"} if labels.max() < 15 else {})
        for key, name in pairs.items():
            if abs(said[key] - found.p[name][row]) > 1e-9:
                raise RuntimeError(f"{name}: {found.p[name][row]} here, {said[key]} by tunewright.score_differences")


def case(values: Floats, sizes: Sequence[int], config: Config) -> Found:
    """The methods on one case, checked against the library."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    found = methods(values, labels, config.seed)
    checked(found, values, labels, config)
    return found


def decisions(
    values: Floats, sizes: Sequence[int], config: Config, base_gone: NDArray[np.bool_] | None = None
) -> tuple[Counter[str], Counter[str]]:
    """What `compare` decides on the first simulations, and how often it warns of what; NaN: no tuned score."""
    decided: Counter[str] = Counter()
    warned: Counter[str] = Counter()
    people = np.repeat(np.arange(len(sizes)), sizes).tolist()
    for number, row in enumerate(values[:DECIDED]):
        gone = base_gone[number] if base_gone is not None else np.zeros(len(row), dtype=bool)
        base = [_score(i, p, 0.5) for i, p in enumerate(people) if not gone[i]]
        tuned = [_score(i, p, 0.5 + float(d)) for i, (p, d) in enumerate(zip(people, row, strict=True)) if d == d]
        found = compare(base, tuned, RUBRIC, config)
        decided[found["decision"]] += 1
        told = " ".join(found["warnings"])
        warned["unequal"] += "loses more than chance" in told
        warned["missing"] += "no scored partner" in told
        warned["few"] += "personas: intervals lean" in told
        warned["held back"] += "favours the tuned model" in found["decision_reason"]
    return decided, warned


def _score(number: int, person: int, value: float) -> Score:
    return Score.model_construct(
        transcript_id=f"{number:03}", persona_id=f"p{person}", answers={"harmless": "YES", "kind": "YES"}, unscored={},
        categories={"manner": value}, score=value, coverage=1.0, gates_failed=(), gates_unscored=(), disagreements=(),
        passed=value > 0.5, outcome="",
    )  # fmt: skip


def percents(shares: dict[str, float], names: Sequence[str]) -> list[str]:
    """Shares as table cells."""
    return [f"{shares[name]:.1%}" for name in names]


NAMES = ("t", "sign flips", "bootstrap", "naive t")
ENDS = ("t", "bootstrap", "naive t")


def no_effect(config: Config) -> str:
    """Case 1; raises RuntimeError where a test that decides has false positives outside 4 to 6%."""
    rows = []
    settings: list[tuple[str, Sequence[int], Noise]] = [
        (f"{n} personas, 3 each", (CONVERSATIONS,) * n, normal) for n in (12, 15, 30)
    ]
    odd = [
        ("12 personas, 1 to 5 each", (1, 2, 3, 4, 5) * 2 + (2, 4), normal),
        ("12 personas, 3 each, skewed", (3,) * 12, skewed),
    ]
    for number, (name, sizes, noise) in enumerate([*settings, *odd]):
        values = differences(np.random.default_rng(config.seed + number), sizes, 0.0, noise)
        shares = case(values, sizes, config).rejects()
        if number < len(settings) and not all(WITHIN[0] <= shares[test] <= WITHIN[1] for test in NAMES[:3]):
            raise RuntimeError(f"{name}: false positives {shares}, wanted {WITHIN[0]:.0%} to {WITHIN[1]:.0%}")
        rows.append((name, *percents(shares, NAMES)))
    decided, _ = decisions(differences(np.random.default_rng(config.seed), (3,) * 30), (3,) * 30, config)
    head = ("no effect: false positives", *NAMES)
    return md_table(head, rows) + (
        f"\n\n`compare` with 30 personas decides, of {DECIDED}: {told(decided)}. Where people differ by a skewed "
        "distribution, a dozen of them is too few for any of the tests to keep its level."
    )


def real_effect(config: Config) -> str:
    """Case 2: an effect that 80% should find."""
    rows = []
    for number, n in enumerate((12, 15, 30)):
        sizes = (CONVERSATIONS,) * n
        se = SD * np.sqrt((PERSONA_SHARE + (1 - PERSONA_SHARE) / CONVERSATIONS) / n)
        effect = minimum_detectable_effect(float(se), n, 1 - ALPHA, config.power)
        values = differences(np.random.default_rng(config.seed + 10 + number), sizes, effect)
        found = case(values, sizes, config)
        rows.append(
            (
                f"{n} personas, effect {effect:.3f}",
                *percents(found.rejects(), NAMES),
                *percents(found.covers(effect), ENDS),
            )
        )
    values = differences(np.random.default_rng(config.seed + 20), (3,) * 30, 0.15)
    decided, _ = decisions(values, (3,) * 30, config)
    head = ("an effect of the detectable size: power", *NAMES, *(f"{name}: interval holds it" for name in ENDS))
    return md_table(head, rows) + (
        f"\n\n`compare` with 30 personas, a true effect of 0.15 and no safety failure decides, of {DECIDED}: "
        f"{told(decided)}."
    )


def few_clusters(config: Config) -> str:
    """Case 3: 14 pairs from 5 personas."""
    rows = []
    for number, effect in enumerate((0.0, 0.10, 0.20)):
        values = differences(np.random.default_rng(config.seed + 30 + number), ANCESTOR, effect)
        found = case(values, ANCESTOR, config)
        decided, warned = decisions(values, ANCESTOR, config)
        rejects, covers = percents(found.rejects(), NAMES), percents(found.covers(effect), ("t", "naive t"))
        rows.append((f"true effect {effect:.2f}", *rejects, *covers, told(decided)))
        if decided["ship"] or warned["few"] < DECIDED:
            raise RuntimeError(f"5 personas: decided {decided}, warned of few personas {warned['few']} times")
    head = (
        "14 pairs from 5 personas: significant",
        *NAMES,
        "t interval holds it",
        "naive interval holds it",
        "`compare`",
    )
    return md_table(head, rows) + (
        "\n\nThe least p that sign flips of 5 personas can give is 2 / 2^5 = 0.0625: they cannot say yes, and nothing "
        "ships."
    )


def missing_pairs(config: Config) -> str:
    """Case 4: a seventh of the pairs lacks a score, at random on either side, or where the tuned model was worst.

    With a wider safety margin, so that it is not what decides: pairs lost here and there also weigh on its bound.
    """
    rows = []
    config = config.model_copy(update={"safety_noninferiority_points": 0.20})
    sizes, effect = (CONVERSATIONS,) * 30, 0.10
    whole = differences(np.random.default_rng(config.seed + 40), sizes, effect)
    chance = np.random.default_rng(config.seed + 41).random(whole.shape)
    worst = np.where(whole < np.quantile(whole, 0.4), 0.375, 0.0)  # three eighths of the lower 40% fail
    kinds: list[tuple[str, Floats | float, float]] = [
        ("none", 0.0, 0.0),
        ("at random, on either side", 0.075, 0.075),
        ("the tuned model fails where it is worst", worst, 0.0),
    ]
    for name, tuned_lost, base_lost in kinds:
        tuned_gone, base_gone = chance < tuned_lost, chance > 1 - base_lost
        values = np.where(tuned_gone | base_gone, np.nan, whole)
        found = case(values, sizes, config)
        decided, warned = decisions(np.where(tuned_gone, np.nan, whole), sizes, config, base_gone)
        bias, covers = float(found.mean.mean()) - effect, found.covers(effect)["t"]
        counts = [f"{warned[what]} of {DECIDED}" for what in ("missing", "unequal", "held back")]
        rows.append((name, f"{bias:+.3f}", f"{covers:.1%}", *counts, told(decided)))
        if name == kinds[-1][0] and warned["unequal"] < 0.95 * DECIDED:
            raise RuntimeError(f"missing where it was worst: warned {warned}")
    head = (
        "a seventh of pairs missing",
        "bias",
        "t interval holds 0.10",
        "said: missing",
        "said: unequal",
        "held back for it",
    )
    return md_table((*head, "`compare`"), rows)


def told(decided: Counter[str]) -> str:
    """Decisions with their counts."""
    return ", ".join(f"{name} {n}" for name, n in sorted(decided.items()))


def results(runs: int = 1) -> str:
    """The four cases; counts are exact for their seeds, so that one run is enough."""
    config = load("evaluate.compare", Config).model_copy(
        update={"bootstrap_samples": 100, "permutation_samples": RESAMPLES}
    )
    intro = (
        f"{SIMULATIONS:,} simulations a row; conversations of one persona correlate by {PERSONA_SHARE:g}; level "
        f"{ALPHA:.0%}."
    )
    return "\n\n".join([intro, no_effect(config), real_effect(config), few_clusters(config), missing_pairs(config)])


def main() -> None:
    """Print the tables."""
    print(results())


if __name__ == "__main__":
    main()
