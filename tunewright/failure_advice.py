"""What the failures ask for: which are systemic, which can be repaired one by one, and which file to change.

Few, plain rules, in this order, each told with the numbers that it rests on:

1. A criterion that the recorded conversations miss too is suspect: the rubric comes before the prompt.
2. A measured criterion whose mean lies outside its bounds: the prompt must state the bound. Where it counts words
   against the user's and one style of writing stands out, that style's word limits in the personas are suspect.
3. A group that fails more than others (a flaw, a topic, a turn): the prompt needs a counter for that case.
4. A systemic criterion of no group: the prompt needs a rule of its own.
5. The rest is few and soft: repair or leave out those conversations. A gate is never repaired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from tunewright.cases import Case
from tunewright.co_failures import Pair
from tunewright.config import Config
from tunewright.failure_patterns import TURN, Group, Pattern
from tunewright.rubric import Criterion

RELATIVE_LENGTH = ("length_ratio_mean", "length_ratio_max", "over_twice_share")

UNTIL = {  # what a prompt must say where one third of the conversation breaks a rule
    "early": "say that it holds from the first reply on",
    "middle": "say that it holds all the way through",
    "late": "say that it holds to the end",
}

Kind = Literal["gate", "systemic", "concentrated", "few", "none", "cannot tell"]
KINDS: dict[Kind, str] = {
    "gate": "a safety gate: never repaired",
    "systemic": "systemic: change the design",
    "concentrated": "in certain cases: counter those",
    "few": "few and soft: can be repaired",
    "none": "never missed",
    "cannot tell": "too few answers to tell",
}


class AdviceConfig(Config):
    """When a failure is systemic, and when a criterion is suspect. Shares are of conversations, 0 to 1."""

    answers_min: int = Field(ge=1)  # fewer tell nothing
    systemic_share: float = Field(gt=0, lt=1)  # the lower end of the interval of NO lies above
    spread_share: float = Field(gt=0, le=1)  # of the groups that are large enough; failures in so many are everywhere
    suspect_share: float = Field(gt=0, lt=1)  # recorded conversations that miss it: the lower end lies above


@dataclass(frozen=True)
class Advice:
    """One criterion: what kind of failure, why, and what to change in which file; `change` may be empty."""

    criterion: str
    kind: Kind
    why: str
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Files:
    """Where a change is made. `lines`: the line in the rubric at which each criterion begins."""

    rubric: str
    prompt: str
    personas: str
    lines: Mapping[str, int]

    def line_of(self, criterion: str) -> str:
        """Where a criterion stands."""
        return f"{self.rubric}, line {self.lines[criterion]}" if criterion in self.lines else self.rubric


def kind_of(pattern: Pattern, groups: Sequence[Group], config: AdviceConfig) -> tuple[Kind, str]:
    """Systemic or fixable, and why."""
    missed = pattern.missed
    if missed is None or missed.n < config.answers_min:
        found = 0 if missed is None else missed.n
        return "cannot tell", f"{found} answers, {config.answers_min} are needed"
    if not missed.count:
        return "none", f"met in all {missed.n}"
    share = f"missed in {missed.count} of {missed.n} ({missed.low:.0%} to {missed.high:.0%})"
    if pattern.gate:
        return "gate", share
    if missed.low > config.systemic_share:
        return "systemic", f"{share}: surely more than {config.systemic_share:.0%}"
    if any(group.flagged for group in groups):
        return "concentrated", share
    whole = [group for group in groups if group.dimension != TURN]
    hit = sum(group.comparison.inside.count > 0 for group in whole)
    if len(whole) > 1 and hit >= config.spread_share * len(whole):
        return "systemic", f"{share}, spread over {hit} of {len(whole)} groups"
    return "few", share


def advise(
    criterion: Criterion,
    pattern: Pattern,
    groups: Sequence[Group],
    cases: Sequence[Case],
    files: Files,
    config: AdviceConfig,
) -> Advice:
    """The rules above for one criterion; `groups` are this criterion's."""
    kind, why = kind_of(pattern, groups, config)
    if kind in ("none", "cannot tell"):
        return Advice(criterion.id, kind, why, ())
    if pattern.apart and pattern.apart.low > config.suspect_share:
        apart = f"{pattern.apart.count} of {pattern.apart.n} recorded conversations miss it too"
        text = f"{files.line_of(criterion.id)}: {apart}; check the question or its bounds before the prompt"
        return Advice(criterion.id, kind, why, (text,))
    flagged = [group for group in groups if group.flagged]
    changes = _measured(criterion, cases, flagged, files) + [_counter(criterion, group, files) for group in flagged]
    if not changes and kind in ("systemic", "gate"):
        changes.append(f"{files.prompt}: no group stands out; give it a rule of its own for: {criterion.question}")
    if not changes:
        changes.append("no change of the design: repair these conversations, or leave them out")
    return Advice(criterion.id, kind, why, tuple(changes))


def _measured(criterion: Criterion, cases: Sequence[Case], flagged: Sequence[Group], files: Files) -> list[str]:
    """Bounds that the mean of the new conversations breaks; a style's word limits where only that style breaks them."""
    limits = criterion.measure or {}
    styles = ", ".join(group.value for group in flagged if group.dimension == "style")
    if styles and (name := next((n for n in limits if n in RELATIVE_LENGTH), None)):
        return [f"{files.personas}: {name} fails for style {styles}; check that style's word limits"]
    found = [v.values for case in cases for v in case.verdicts if v.criterion == criterion.id and v.values]
    means = {name: sum(v[name] for v in found) / len(found) for name in limits if found}
    outside = [f"{n} is {mean:.2f}, wanted {limits[n]}" for n, mean in means.items() if not limits[n].holds(mean)]
    if not outside:
        return []
    rule = "length rule" if set(limits) & {"reply_words_mean", *RELATIVE_LENGTH} else "rule"
    return [f"{files.prompt}: on average {'; '.join(outside)}: state the {rule} in numbers, and show it in an exemplar"]


def _counter(criterion: Criterion, group: Group, files: Files) -> str:
    inside, outside = group.comparison.inside, group.comparison.outside
    rates = f"{inside.count} of {inside.n} against {outside.count} of {outside.n} elsewhere"
    if group.dimension == TURN:
        return f"{files.prompt}: {criterion.id} breaks in {group.value} replies ({rates}): {UNTIL[group.value]}"
    if group.dimension in ("batch", "user"):
        return f"read {group.dimension} {group.value} against the others: it misses {criterion.id} more often ({rates})"
    return f"{files.prompt}: add a counter for {group.dimension} {group.value}: it misses {criterion.id} ({rates})"


def merges(found: Sequence[Pair], files: Files) -> list[str]:
    """The pairs of criteria that one question could replace, and those that contradict each other."""
    texts = []
    for pair in found:
        phi = f"phi {pair.together.phi or 0:.2f}, {pair.together.low or 0:.2f} to {pair.together.high or 0:.2f}"
        if pair.redundant:
            texts.append(
                f"{files.line_of(pair.left)}: merge {pair.left} and {pair.right} into one question: they are met and "
                f"missed together ({phi}, {pair.together.n} conversations)"
            )
        elif pair.opposed:
            texts.append(
                f"{files.line_of(pair.left)}: {pair.left} and {pair.right} contradict each other: one is met where the "
                f"other is missed ({phi}, {pair.together.n} conversations)"
            )
    return texts
