"""Why conversations fail: each criterion's failures, where they happen, and how they are shown.

Counts, shares with intervals and tests; what follows from them is in failure_advice.py. Only YES and NO are counted:
an NA or an unscored criterion is neither met nor missed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from tunewright.cases import Case
from tunewright.config import Config
from tunewright.proportions import Comparison, Share, compare_shares, share_of
from tunewright.records import Answer, Verdict
from tunewright.rubric import Criterion, Rubric
from tunewright.scoring import category_scores, weighted_score
from tunewright.statistics import holm

WHOLE = ""  # in place of a criterion: the conversation as a whole did not pass
TURN = "turn"  # the dimension whose cases are replies
THIRDS = ("early", "middle", "late")


class PatternConfig(Config):
    """When a pattern is one. Shares are 0 to 1; alpha is for all tests of one table together (Holm)."""

    confidence: float = Field(gt=0, lt=1)
    alpha: float = Field(gt=0, lt=1)
    group_min: int = Field(ge=2)  # cases in a group, and outside it
    failures_min: int = Field(ge=1)  # fewer are not looked at by group


class Quotes(Config):
    """How much of a failure is shown."""

    per_criterion: int = Field(ge=1)
    words: int = Field(ge=5)

    def example(self, case: Case, criterion: str) -> Example:
        """A missed criterion with the first reply that a judge named; a measure names none and gives its numbers."""
        verdicts = misses(case, criterion)
        exchanges = tuple(sorted({n for verdict in verdicts for n in verdict.evidence}))
        reply = case.transcript.exchanges[exchanges[0] - 1].assistant.split() if exchanges else []
        quote = " ".join(reply[: self.words]) + (" ..." if len(reply) > self.words else "")
        reasoning = verdicts[0].reasoning if verdicts else ""
        return Example(case.transcript.id, exchanges, reasoning, quote)


@dataclass(frozen=True)
class Group:
    """One group's failures against all others'. `flagged`: it fails more, by more than chance among all tests."""

    criterion: str
    dimension: str
    value: str
    comparison: Comparison
    p_holm: float
    flagged: bool


@dataclass(frozen=True)
class Example:
    """A failure to look at: the conversation, the exchanges that the judge named, its words, a reply."""

    transcript_id: str
    exchanges: tuple[int, ...]
    reasoning: str
    quote: str


@dataclass(frozen=True)
class Pattern:
    """One criterion. `missed`: NO of YES and NO, among new conversations; `apart`: among authored and imported ones.

    `in_failed`: failed conversations that miss it; `alone`: those that would have passed had they met it.
    """

    criterion: str
    gate: bool
    missed: Share | None
    apart: Share | None
    n_na: int
    n_unscored: int
    in_failed: int
    alone: int
    examples: tuple[Example, ...]


def answered(cases: Sequence[Case], criterion: str) -> list[tuple[Case, bool]]:
    """The conversations on which a criterion was answered YES or NO, and whether it was missed."""
    found = [(case, case.score.answers.get(criterion)) for case in cases]
    return [(case, answer == "NO") for case, answer in found if answer in ("YES", "NO")]


def missed_share(cases: Sequence[Case], criterion: str, confidence: float) -> Share | None:
    """The share of answered conversations that miss a criterion, clustered by person; None without an answer."""
    found = answered(cases, criterion)
    if not found:
        return None
    return share_of([missed for _, missed in found], [case.score.persona_id for case, _ in found], confidence)


def would_pass(case: Case, criterion: str, rubric: Rubric) -> bool:
    """Whether a failed conversation would have passed had it met this one criterion."""
    if case.score.answers.get(criterion) != "NO" or set(case.score.gates_failed) - {criterion}:
        return False
    met: dict[str, Answer | None] = {**case.score.answers, criterion: "YES"}
    score = weighted_score(category_scores(met, rubric), rubric)
    return score is not None and score >= rubric.pass_threshold - 1e-9


def pattern(
    criterion: Criterion,
    cases: Sequence[Case],
    apart: Sequence[Case],
    rubric: Rubric,
    confidence: float,
    quotes: Quotes,
) -> Pattern:
    """One criterion's failures."""
    given = [case.score.answers.get(criterion.id) for case in cases]
    failed = [case for case in cases if case.score.passed is False]
    return Pattern(
        criterion=criterion.id,
        gate=criterion.gate,
        missed=missed_share(cases, criterion.id, confidence),
        apart=missed_share(apart, criterion.id, confidence),
        n_na=given.count("NA"),
        n_unscored=given.count(None),
        in_failed=sum(case.score.answers.get(criterion.id) == "NO" for case in failed),
        alone=sum(would_pass(case, criterion.id, rubric) for case in failed),
        examples=tuple(quotes.example(case, criterion.id) for case, missed in answered(cases, criterion.id) if missed)[
            : quotes.per_criterion
        ],
    )


def misses(case: Case, criterion: str) -> list[Verdict]:
    """The verdicts that say NO (or a forbidden NA) to a criterion that the score counts as missed."""
    if case.score.answers.get(criterion) != "NO":
        return []
    return [v for v in case.verdicts if v.criterion == criterion and v.answer in ("NO", "NA")]


def outcome_groups(cases: Sequence[Case], config: PatternConfig) -> list[Group]:
    """Which groups of conversations fail as a whole; one family of tests."""
    decided = [(case, case.score.passed is False) for case in cases if case.score.passed is not None]
    return corrected(conversation_groups(WHOLE, decided, config), config)


def criterion_groups(cases: Sequence[Case], rubric: Rubric, config: PatternConfig) -> list[Group]:
    """Where each criterion fails, by group and by turn; all of them one family of tests."""
    found = []
    for criterion in rubric.criteria:
        found += conversation_groups(criterion.id, answered(cases, criterion.id), config)
        found += turn_groups(criterion, cases, config)
    return corrected(found, config)


Tested = tuple[str, str, str, Comparison]  # criterion, dimension, value


def conversation_groups(criterion: str, found: Sequence[tuple[Case, bool]], config: PatternConfig) -> list[Tested]:
    """Every group that is large enough, inside and outside, against the rest."""
    hits, people = [missed for _, missed in found], [case.score.persona_id for case, _ in found]
    if not config.failures_min <= sum(hits) < len(hits):
        return []
    belongs = [case.groups() for case, _ in found]
    tested = []
    for group in sorted(set().union(*belongs)):
        inside = [group in of for of in belongs]
        if min(sum(inside), len(inside) - sum(inside)) >= config.group_min:
            tested.append((criterion, *group, compare_shares(hits, people, inside, config.confidence)))
    return tested


def turn_groups(criterion: Criterion, cases: Sequence[Case], config: PatternConfig) -> list[Tested]:
    """Replies named as evidence of a miss, by the third of the conversation that they stand in, clustered by person."""
    replies: list[tuple[str, str, bool]] = []  # third, person, named
    for case, _ in answered(cases, criterion.id):
        if criterion.evaluator == "judge":
            named = {n for verdict in misses(case, criterion.id) for n in verdict.evidence}
            n = len(case.transcript.exchanges)
            replies += [(third(k, n), case.score.persona_id, k in named) for k in range(1, n + 1)]
    hits, people = [named for *_, named in replies], [person for _, person, _ in replies]
    if not config.failures_min <= sum(hits) < len(hits):
        return []
    return [
        (criterion.id, TURN, name, compare_shares(hits, people, [t == name for t, *_ in replies], config.confidence))
        for name in THIRDS
        if 0 < sum(t == name for t, *_ in replies) < len(replies)
    ]


def third(exchange: int, n: int) -> str:
    """The third of a conversation of n exchanges that an exchange (from 1) stands in."""
    return THIRDS[(exchange - 1) * len(THIRDS) // n]


def corrected(tested: Sequence[Tested], config: PatternConfig) -> list[Group]:
    """One family of tests under Holm's correction."""
    adjusted = holm([comparison.p for *_, comparison in tested])
    return [
        Group(criterion, dimension, value, comparison, p, p < config.alpha and comparison.difference > 0)
        for (criterion, dimension, value, comparison), p in zip(tested, adjusted, strict=True)
    ]


def repeated_failures(cases: Sequence[Case]) -> list[tuple[str, int]]:
    """People with two conversations or more of which all failed, with how many."""
    by_person: dict[str, list[bool | None]] = defaultdict(list)
    for case in cases:
        by_person[case.score.persona_id].append(case.score.passed)
    return [
        (person, len(found))
        for person, found in sorted(by_person.items())
        if len(found) > 1 and not any(passed is not False for passed in found)
    ]


def unscored_reasons(cases: Sequence[Case]) -> list[tuple[str, int, int]]:
    """Why criteria are unscored: the reason, how many answers, how many criteria; the commonest first."""
    answers: Counter[str] = Counter()
    criteria: Mapping[str, set[str]] = defaultdict(set)
    for case in cases:
        for criterion, reason in case.score.unscored.items():
            answers[reason] += 1
            criteria[reason].add(criterion)
    return [(reason, n, len(criteria[reason])) for reason, n in sorted(answers.items(), key=lambda x: (-x[1], x[0]))]
