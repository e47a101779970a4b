"""Scores of base and tuned brought together by conversation: who has a partner, and what is left out and counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tunewright.aligning import Pair
from tunewright.errors import RecordError
from tunewright.records import Score
from tunewright.statistics import sign_test_p

Metrics = dict[str, Any]
Value = Callable[[Score], float | None]


def pair_up(base: Sequence[Score], tuned: Sequence[Score]) -> tuple[list[Pair], int]:
    """Scores of the same conversation, by id, and how many have no partner; raises RecordError on a doubled id."""
    sides = []
    for name, scores in (("base", base), ("tuned", tuned)):
        by_id = {s.transcript_id: s for s in scores}
        if len(by_id) < len(scores):
            raise RecordError(
                f"data/evaluate/scores/{name}.jsonl: {len(scores) - len(by_id)} transcript ids stand twice; "
                f"score again with: dvc repro -f evaluate-scores@{name}"
            )
        sides.append(by_id)
    shared = sorted(sides[0].keys() & sides[1].keys())
    pairs = [(sides[0][i], sides[1][i]) for i in shared]
    if mixed := [b.transcript_id for b, t in pairs if b.persona_id != t.persona_id]:
        raise RecordError(
            f"data/evaluate/scores: {mixed[0]} is of another persona on each side ({len(mixed)} such conversations); "
            "expected both models to talk with the same people; make them again with: dvc repro -f evaluate-transcripts"
        )
    return pairs, len(sides[0].keys() ^ sides[1].keys())


def without_partner(scores: Sequence[Score], others: Sequence[Score]) -> list[Score]:
    """The scores of conversations that the other side has no score of."""
    there = {s.transcript_id for s in others}
    return [s for s in scores if s.transcript_id not in there]


def without_critical(
    base: Sequence[Score], tuned: Sequence[Score], critical: Mapping[str, Collection[str]]
) -> tuple[list[Score], list[Score], Metrics]:
    """Both sides without the conversations whose simulated user broke down on either, and the counts of that.

    `critical`: ids by side; those have no score on that side. `p_value`: the exact sign test of "it breaks down as
    often with either".
    """
    dropped = set(critical["base"]) | set(critical["tuned"])
    kept = [[s for s in scores if s.transcript_id not in dropped] for scores in (base, tuned)]
    sides = [set(critical[side]) for side in ("base", "tuned")]
    p = sign_test_p(len(sides[1] - sides[0]), len(sides[0] - sides[1]))
    counts = {"base_critical": len(sides[0]), "tuned_critical": len(sides[1]), "p_value": p}
    return kept[0], kept[1], {"n_pairs_dropped": len(dropped), "simulator": counts}


def paired_values(pairs: Sequence[Pair], value: Value) -> tuple[list[float], list[float], list[str]]:
    """Base values, tuned values and personas of the pairs that have a value on both sides."""
    rows = [(value(b), value(t), b.persona_id) for b, t in pairs]
    kept = [(b, t, p) for b, t, p in rows if b is not None and t is not None]
    return [b for b, _, _ in kept], [t for _, t, _ in kept], [p for _, _, p in kept]


def missing_pairs(
    base: Sequence[Score], tuned: Sequence[Score], difference: float | None, n_pairs: int, n_dropped: int
) -> Metrics:
    """Conversations scored on one side alone: how many, whether one model loses more, and what they could change.

    `difference` is the mean over the `n_pairs` that are there; the `n_dropped` that the simulator review took away
    count as conversations only. The worst case for tuned takes each missing tuned score as 0 and each missing base
    score as 1, the best case the other way round (bounds without assumptions: Manski 1990, Am. Econ. Rev. 80:319).
    Conversations that both models lost are in neither file and can be in neither case.
    """
    scored = [{s.transcript_id: s.score for s in side if s.score is not None} for side in (base, tuned)]
    only = [[v for i, v in scored[side].items() if i not in scored[1 - side]] for side in (0, 1)]
    ids = {s.transcript_id for side in (base, tuned) for s in side}
    total = len(ids) + n_dropped
    found: Metrics = {"n_conversations": total, "n_pairs": n_pairs, "paired_share": n_pairs / total if total else None}
    p = sign_test_p(len(only[0]), len(only[1]))
    found |= {"base_only": len(only[0]), "tuned_only": len(only[1]), "p_value": p}
    n, gain = n_pairs + len(only[0]) + len(only[1]), (difference or 0.0) * n_pairs
    worst = (gain - sum(only[0]) - sum(1 - v for v in only[1])) / n if n else None
    best = (gain + sum(1 - v for v in only[0]) + sum(only[1])) / n if n else None
    return found | {"difference_worst": worst, "difference_best": best, "says": _says(only, worst, best)}


def _says(only: Sequence[Sequence[float]], worst: float | None, best: float | None) -> str | None:
    if not any(only):
        return None
    return (
        f"{len(only[0])} conversations are scored with the base alone and {len(only[1])} with the tuned model alone: "
        f"with their missing scores at their worst and best for the tuned model the change would be {worst:+.2f} to "
        f"{best:+.2f}"
    )
