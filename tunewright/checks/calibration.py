"""Checks of the labelled material that judges are tested with, wherever a rule can tell; see worked.py for scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tunewright.calibration import (
    ANSWERS,
    REALISTIC_EXCHANGES,
    Calibration,
    Conversation,
    Label,
)
from tunewright.checks.checklist import NEXT_COMMAND, Check, Fault, Place, faultless, yaml_place
from tunewright.checks.text import squeeze
from tunewright.config import Bounds, Config
from tunewright.errors import ConfigError
from tunewright.measures import measure
from tunewright.records import Exchange, Transcript
from tunewright.rubric import Criterion, Rubric
from tunewright.verdict_rules import measured_answer

EXAMPLES = "METHOD 2: rubric"


class CalibrationBounds(Config):
    """Examples for each criterion, and the share of all that must have a realistic length (0 to 1)."""

    examples: Bounds
    realistic_share_min: float


class Case(NamedTuple):
    """One labelled conversation with its place in the file."""

    criterion: str
    label: Label
    exchanges: tuple[Exchange, ...]
    place: Place


def check_calibration(
    calibration: Calibration,
    rubric: Rubric,
    authored: Sequence[Transcript],
    bounds: CalibrationBounds,
    optional: bool,
    path: str,
) -> Iterator[Check]:
    """Examples of every criterion, and labels that are right wherever a rule can tell.

    `optional`: a domain that has no authored conversations yet may have neither.
    """
    by_id = {t.id: t for t in authored}
    if optional and not calibration.examples and not calibration.worked:
        yield Check("calibration examples", EXAMPLES, True, "none; wanted 0 or more", Place(path))
        return
    yield known_criteria(calibration, rubric, path)
    examples, unresolved = example_cases(calibration, by_id, path)
    worked, unresolved_worked = worked_cases(calibration, by_id, path)
    top = yaml_place(path, "examples")
    n = len(examples)
    references = f"{n} examples and {len(calibration.worked)} worked evaluations resolve"
    yield faultless("calibration conversations", EXAMPLES, [*unresolved, *unresolved_worked], references, top)
    yield examples_per_criterion(calibration, rubric, bounds.examples, path)
    yield kinds_of_examples(calibration, rubric, path)
    yield distinct_reasons(calibration, path)
    realistic = sum(len(case.exchanges) >= REALISTIC_EXCHANGES for case in examples) / max(1, n)
    evidence = f"{realistic:.0%} of {n} examples have {REALISTIC_EXCHANGES} exchanges or more"
    wanted = f"wanted {bounds.realistic_share_min:.0%} or more"
    yield Check("realistic length", EXAMPLES, realistic >= bounds.realistic_share_min, f"{evidence}; {wanted}", top)
    yield na_where_allowed([*examples, *worked], rubric, top)
    yield long_enough(examples, rubric, top)
    yield agrees_with_measures([*examples, *worked], rubric, top)


def known_criteria(calibration: Calibration, rubric: Rubric, path: str) -> Check:
    """No example or finding is about a criterion that the rubric does not have."""
    known = {c.id for c in rubric.criteria}
    faults = [
        Fault(f"{criterion!r} is not in the rubric", yaml_place(path, "examples", criterion))
        for criterion in calibration.examples
        if criterion not in known
    ] + [
        Fault(f"{criterion!r} is not in the rubric", yaml_place(path, "worked", index, "findings", criterion))
        for index, one in enumerate(calibration.worked)
        for criterion in one.findings
        if criterion not in known
    ]
    evidence = f"{len(calibration.examples)} criteria have examples, all in the rubric"
    return faultless("calibration criteria", EXAMPLES, faults, evidence, yaml_place(path, "examples"))


def example_cases(
    calibration: Calibration, by_id: Mapping[str, Transcript], path: str
) -> tuple[list[Case], list[Fault]]:
    """Every example with its exchanges, and those whose reference leads nowhere."""
    cases, faults = [], []
    for criterion, examples in calibration.examples.items():
        for index, one in enumerate(examples):
            place = yaml_place(path, "examples", criterion, index)
            exchanges = _resolve(one, by_id, f"example {index + 1} of {criterion}", place, faults)
            cases += [Case(criterion, one.label, exchanges, place)] if exchanges else []
    return cases, faults


def worked_cases(
    calibration: Calibration, by_id: Mapping[str, Transcript], path: str
) -> tuple[list[Case], list[Fault]]:
    """Every finding of the worked evaluations with its conversation, likewise."""
    cases, faults = [], []
    for index, one in enumerate(calibration.worked):
        place = yaml_place(path, "worked", index)
        exchanges = _resolve(one, by_id, f"worked evaluation {one.kind}", place, faults)
        for criterion, finding in one.findings.items() if exchanges else ():
            line = yaml_place(path, "worked", index, "findings", criterion)
            cases.append(Case(criterion, finding.label, exchanges, line))
    return cases, faults


def _resolve(
    one: Conversation, by_id: Mapping[str, Transcript], what: str, place: Place, faults: list[Fault]
) -> tuple[Exchange, ...]:
    try:
        return one.resolve(by_id, what)
    except ConfigError as error:
        faults.append(Fault(NEXT_COMMAND.sub("", str(error)), place))
        return ()


def examples_per_criterion(calibration: Calibration, rubric: Rubric, wanted: Bounds, path: str) -> Check:
    """3 to 8 examples for every criterion."""
    counts = {c.id: len(calibration.examples.get(c.id, ())) for c in rubric.criteria}
    faults = [
        Fault(f"{criterion} has {n} examples, wanted {wanted}", yaml_place(path, "examples", criterion))
        for criterion, n in counts.items()
        if not wanted.holds(n)
    ]
    evidence = (
        f"{sum(counts.values())} for {len(counts)} criteria, {min(counts.values())} to {max(counts.values())} each"
    )
    return faultless("examples per criterion", EXAMPLES, faults, evidence, yaml_place(path, "examples"))


def kinds_of_examples(calibration: Calibration, rubric: Rubric, path: str) -> Check:
    """Each criterion has an example that passes, one that fails, and a borderline one."""
    faults = []
    for criterion in rubric.criteria:
        examples = calibration.examples.get(criterion.id, ())
        there = {e.label for e in examples} | {"borderline" for e in examples if e.borderline}
        if missing := [kind for kind in ("pass", "fail", "borderline") if kind not in there]:
            what = f"{criterion.id} has no example that is {' or '.join(missing)}"
            faults.append(Fault(what, yaml_place(path, "examples", criterion.id)))
    counts = Counter(e.label for examples in calibration.examples.values() for e in examples)
    n_borderline = sum(e.borderline for examples in calibration.examples.values() for e in examples)
    evidence = f"{', '.join(f'{n} {label}' for label, n in counts.most_common())}; {n_borderline} borderline"
    return faultless("pass, fail, borderline", EXAMPLES, faults, evidence, yaml_place(path, "examples"))


def distinct_reasons(calibration: Calibration, path: str) -> Check:
    """A reason is about its own conversation: none stands twice under a criterion."""
    faults, n = [], 0
    for criterion, examples in calibration.examples.items():
        seen: set[str] = set()
        for index, one in enumerate(examples):
            n += 1
            if (reason := squeeze(one.reason).lower()) in seen:
                what = f"{criterion}: the reason {reason[:50]!r} stands twice"
                faults.append(Fault(what, yaml_place(path, "examples", criterion, index, "reason")))
            seen.add(reason)
    return faultless("reasons", EXAMPLES, faults, f"{n} reasons, none twice", yaml_place(path, "examples"))


def na_where_allowed(cases: Sequence[Case], rubric: Rubric, place: Place) -> Check:
    """NA only where the rubric allows it, or the conversation is too short for the criterion."""
    faults = [
        Fault(f"{case.criterion} is labelled NA, and the rubric does not allow it", case.place)
        for case, criterion in _known(cases, rubric)
        if case.label == "na" and not criterion.na_allowed and len(case.exchanges) >= criterion.min_exchanges
    ]
    n = sum(case.label == "na" for case in cases)
    return faultless("NA labels", EXAMPLES, faults, f"{n} of {len(cases)} labels are NA, all allowed", place)


def long_enough(cases: Sequence[Case], rubric: Rubric, place: Place) -> Check:
    """An example has the exchanges that its criterion needs; a judge is never asked about a shorter one."""
    faults = [
        Fault(
            f"{case.criterion}: {len(case.exchanges)} exchanges, the criterion needs {criterion.min_exchanges}",
            case.place,
        )
        for case, criterion in _known(cases, rubric)
        if len(case.exchanges) < criterion.min_exchanges
    ]
    return faultless("examples long enough", EXAMPLES, faults, f"{len(cases)} reach their criterion's minimum", place)


def agrees_with_measures(cases: Sequence[Case], rubric: Rubric, place: Place) -> Check:
    """On a measured criterion the label is what the measure says: there is nothing to argue about."""
    measured = [
        (case, criterion)
        for case, criterion in _known(cases, rubric)
        if criterion.evaluator == "measure" and len(case.exchanges) >= criterion.min_exchanges
    ]
    faults = []
    for case, criterion in measured:
        answer, why = measured_answer(criterion, measure(case.exchanges, rubric.lexicon))
        if answer != ANSWERS[case.label]:
            what = f"{case.criterion} is labelled {ANSWERS[case.label]}, measured {answer} ({why})"
            faults.append(Fault(what, case.place))
    evidence = f"{len(measured)} labels on measured criteria are what is measured"
    return faultless("labels agree with measures", EXAMPLES, faults, evidence, place)


def _known(cases: Sequence[Case], rubric: Rubric) -> Iterator[tuple[Case, Criterion]]:
    by_id = {c.id: c for c in rubric.criteria}
    return ((case, by_id[case.criterion]) for case in cases if case.criterion in by_id)
