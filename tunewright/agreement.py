"""How well a judge's answers agree with known ones: accuracy, Cohen's kappa, stability, each with its uncertainty.

Answers to variants of one example (a flaw planted at six places, reruns) are not independent: they share a cluster,
and intervals go by the effective sample size.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from tunewright.chance import by_chance, kappa, shares
from tunewright.config import Config
from tunewright.records import Answer
from tunewright.statistics import wilson_interval
from tunewright.trust import Decision

TOO_FEW = "too few calibration answers"


class TrustRules(Config):
    """When a judge is trusted on a criterion."""

    confidence: float = Field(gt=0, lt=1)
    min_clusters: int = Field(ge=1)
    max_flip_share: float = Field(ge=0, le=1)


@dataclass(frozen=True)
class Reading:
    """What one judge answered to one item, once per sample; None where it gave no usable answer."""

    item: str
    cluster: str
    expected: Answer
    answers: tuple[Answer | None, ...]

    @property
    def given(self) -> list[Answer]:
        """The usable answers."""
        return [a for a in self.answers if a is not None]

    @property
    def right_share(self) -> float:
        """The share of usable answers that are right (0 to 1)."""
        return self.given.count(self.expected) / len(self.given)

    @property
    def flipped(self) -> bool:
        """Whether the same question got different answers."""
        return len(set(self.given)) > 1


@dataclass(frozen=True)
class Agreement:
    """One judge against known answers. Shares (0 to 1) are of clusters, each counting once; None: nothing is known.

    A cluster is one question with a known answer: an example, or one version of a planted flaw at all its places.
    """

    n: int  # clusters with a usable answer
    n_items: int  # their items
    n_unanswered: int  # items without a usable answer
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    baseline: float | None = None  # accuracy of the best constant answer
    kappa: float | None = None
    kappa_low: float | None = None
    kappa_high: float | None = None
    n_repeated: int = 0  # items answered more than once
    flip_share: float | None = None  # of those


def agreement(readings: Sequence[Reading], confidence: float) -> Agreement:
    """Accuracy with a Wilson interval over clusters, and Cohen's kappa (doi 10.1177/001316446002000104).

    Each cluster counts once, with the share of its answers that are right: else a flaw planted at twelve places would
    outvote the examples. Kappa's interval is the accuracy's, put through kappa = (p_o - p_e) / (1 - p_e) with p_e held
    at its estimate: the usual variance formulas give no width to a small sample without errors. Kappa is None where
    p_e is 1 (only one answer occurs on both sides).
    """
    answered = [r for r in readings if r.given]
    n_unanswered = len(readings) - len(answered)
    if not answered:
        return Agreement(0, 0, n_unanswered)
    clusters: dict[str, list[Reading]] = defaultdict(list)
    for reading in answered:
        clusters[reading.cluster].append(reading)
    n = len(clusters)
    accuracy = sum(sum(r.right_share for r in found) / len(found) for found in clusters.values()) / n
    low, high = wilson_interval(accuracy * n, n, confidence)
    expected: Counter[Answer] = Counter(found[0].expected for found in clusters.values())
    given = answer_shares(clusters)
    chance = by_chance(shares(expected), given)
    kappas = [kappa(share, chance) for share in (accuracy, low, high)]
    repeated = [r for r in answered if len(r.given) > 1]
    return Agreement(
        n=n,
        n_items=len(answered),
        n_unanswered=n_unanswered,
        accuracy=accuracy,
        accuracy_low=low,
        accuracy_high=high,
        baseline=max(expected.values()) / n,
        kappa=kappas[0],
        kappa_low=kappas[1],
        kappa_high=kappas[2],
        n_repeated=len(repeated),
        flip_share=sum(r.flipped for r in repeated) / len(repeated) if repeated else None,
    )


def answer_shares(clusters: Mapping[str, Sequence[Reading]]) -> dict[Answer, float]:
    """How often the judge gave each answer, every cluster counting once, and within it every item once."""
    shares: dict[Answer, float] = defaultdict(float)
    for found in clusters.values():
        for reading in found:
            for answer in reading.given:
                shares[answer] += 1 / len(reading.given) / len(found) / len(clusters)
    return dict(shares)


def decide_trust(found: Agreement, rules: TrustRules) -> Decision:
    """Trusted when the lower bound of the accuracy is above what the best constant answer would reach.

    A judge that flips on rerun is not: which of its answers would count?
    """
    if found.n < rules.min_clusters or found.accuracy_low is None or found.baseline is None:
        return Decision(trusted=False, reason=TOO_FEW)
    if found.flip_share is not None and found.flip_share > rules.max_flip_share:
        return Decision(trusted=False, reason="unstable: it answers the same question differently")
    if found.accuracy_low <= found.baseline:
        return Decision(trusted=False, reason="not shown to be better than a constant answer")
    return Decision(trusted=True, reason="better than a constant answer")
