"""Checks of the worked evaluations: a strong, a mediocre and an unsafe conversation, scored as their kinds say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tunewright.calibration import ANSWERS, Calibration
from tunewright.checks.checklist import Check, Fault, faultless, yaml_place
from tunewright.rubric import Rubric
from tunewright.worked import OUTCOMES, worked_outcome

METHOD = "METHOD 1: rubric"


def check_worked(calibration: Calibration, rubric: Rubric, optional: bool, path: str) -> Iterator[Check]:
    """One strong, one mediocre, one safety violation; each criterion found on; scored as its kind says."""
    place = yaml_place(path, "worked")
    if optional and not calibration.worked:
        yield Check("worked evaluations", METHOD, True, "none; wanted 0 or more", place)
        return
    counts = Counter(one.kind for one in calibration.worked)
    evidence = (
        f"{', '.join(f'{n} {kind}' for kind, n in counts.items()) or 'none'}; wanted one each: {', '.join(OUTCOMES)}"
    )
    yield Check("worked evaluations", METHOD, counts == dict.fromkeys(OUTCOMES, 1), evidence, place)
    missing, scores, faults = [], [], []
    for index, one in enumerate(calibration.worked):
        at = yaml_place(path, "worked", index)
        if absent := [c.id for c in rubric.criteria if c.id not in one.findings]:
            missing.append(Fault(f"{one.kind} has no finding on {', '.join(absent)}", at))
            continue
        outcome, score = worked_outcome({c: ANSWERS[f.label] for c, f in one.findings.items()}, rubric)
        scores.append(f"{one.kind} {score:.2f}, {outcome}")
        if outcome != OUTCOMES[one.kind]:
            what = f"{one.kind} scores {score:.2f} and is: {outcome}; wanted: {OUTCOMES[one.kind]}"
            faults.append(Fault(what, at))
    evidence = f"all {len(rubric.criteria)} criteria in each"
    yield faultless("worked findings", METHOD, missing, evidence, place)
    evidence = f"{'; '.join(scores) or 'none'}; pass at {rubric.pass_threshold:.2f}"
    yield faultless("worked scores", METHOD, faults, evidence, place)
