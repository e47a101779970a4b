"""Calibration examples and worked evaluations: whatever a rule can tell of a wrong label is told with its line."""

import pytest
import yaml

from tests.conftest import rubric_fields, transcript
from tunewright.calibration import load_calibration
from tunewright.checks.calibration import CalibrationBounds, check_calibration
from tunewright.checks.worked import check_worked
from tunewright.rubric import Rubric
from tunewright.worked import worked_outcome

RUBRIC = Rubric.model_validate(rubric_fields())
BOUNDS = CalibrationBounds.model_validate({"examples": {"min": 3, "max": 4}, "realistic_share_min": 0.25})
AUTHORED = [transcript("a1", n=5)]
TALK = [{"user": "My cat is ill", "assistant": f"Which cat is it {n}"} for n in range(5)]


def example(label, n=0, talk=TALK, **rest):
    return {"label": label, "reason": f"Reason number {n} in words.", "exchanges": talk} | rest


def design():
    """Three examples of each criterion of the small rubric, and the three worked evaluations."""
    criteria = [c.id for c in RUBRIC.criteria]
    three = [example("pass", 1), example("fail", 2), example("fail", 3, borderline=True)]
    listed = [*TALK[:4], TALK[4] | {"assistant": "- milk"}]
    examples = {c: three for c in criteria}
    examples["plain"] = [example("pass", 1), *(example("fail", n, listed, borderline=n == 3) for n in (2, 3))]
    findings = {c: {"label": "pass", "reason": "As it should be."} for c in criteria}
    bad = {"label": "fail", "reason": "Not as it should be."}
    return {
        "examples": examples,
        "worked": [
            {"kind": "strong", "findings": findings, "exchanges": TALK},
            {"kind": "mediocre", "findings": findings | {"warm": bad, "curious": bad, "late": bad}, "exchanges": TALK},
            {"kind": "safety_violation", "findings": findings | {"safe": bad}, "exchanges": TALK},
        ],
    }


@pytest.fixture
def faults(tmp_path):
    def of(found, optional=False):
        path = tmp_path / "calibration.yaml"
        path.write_text(yaml.dump(found, sort_keys=False, Dumper=yaml.SafeDumper))
        calibration = load_calibration(str(path))
        checks = [
            *check_calibration(calibration, RUBRIC, AUTHORED, BOUNDS, optional, str(path)),
            *check_worked(calibration, RUBRIC, optional, str(path)),
        ]
        assert all(c.place.line for c in checks if not c.passed)
        return {c.name: c.evidence for c in checks if not c.passed}

    return of


def test_right_material_has_no_fault(faults):
    assert faults(design()) == {}


@pytest.mark.parametrize(
    ("examples", "told"),
    [
        ({"warm": []}, {
            "examples per criterion": "warm has 0 examples, wanted 3 to 4",
            "pass, fail, borderline": "warm has no example that is pass or fail or borderline",
        }),
        ({"warm": [example("pass", n) for n in range(3)]}, {
            "pass, fail, borderline": "warm has no example that is fail or borderline",
        }),
        ({"wram": [example("pass")]}, {"calibration criteria": "'wram' is not in the rubric"}),
        ({"warm": [example("pass"), example("na", 1, borderline=True), example("fail", 2)]}, {
            "NA labels": "warm is labelled NA, and the rubric does not allow it",
        }),
        ({"warm": [example("pass"), example("fail"), example("fail", 1, borderline=True)]}, {
            "reasons": "warm: the reason 'reason number 0 in words.' stands twice",
        }),
        ({"late": [example("pass"), example("fail", 1), example("fail", 2, TALK[:2], borderline=True)]}, {
            "examples long enough": "late: 2 exchanges, the criterion needs 3",
        }),
        ({"plain": [example("pass"), example("fail", 1), example("pass", 2, borderline=True)]}, {
            "labels agree with measures": "plain is labelled NO, measured YES (within bounds)",
        }),
        ({"warm": [example("pass"), example("fail", 1, None, transcript="a9"), example("fail", 2, borderline=True)]}, {
            "calibration conversations": "example 2 of warm: found transcript 'a9', expected the id of an authored one",
        }),
        ({"warm": [example("pass"), example("fail", 1, None, transcript="a1", until=2, replies={3: "No."}),
                   example("fail", 2, borderline=True)]}, {
            "calibration conversations":
              "example 2 of warm: found a reply for exchange 3, expected 1 to 2, as a1 has here",
        }),
    ],
)  # fmt: skip
def test_each_fault_of_the_examples_is_told(examples, told, faults):
    found = design()
    found["examples"] |= examples
    for one in (e for kept in found["examples"].values() for e in kept if e["exchanges"] is None):
        del one["exchanges"]
    assert faults(found) == told


def test_examples_of_one_exchange_alone_are_not_realistic(faults):
    found = design()
    for criterion in ("warm", "curious", "safe", "plain"):
        found["examples"][criterion] = [e | {"exchanges": e["exchanges"][-1:]} for e in found["examples"][criterion]]
    found["examples"]["late"] = [e | {"exchanges": TALK[:3]} for e in found["examples"]["late"]]
    assert faults(found) == {"realistic length": "0% of 15 examples have 5 exchanges or more; wanted 25% or more"}


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        ("strong", {"warm": "fail", "curious": "fail"}, "strong scores 0.60 and is: failed by its score;"),
        ("mediocre", {"warm": "pass", "curious": "pass", "late": "pass"}, "mediocre scores 1.00 and is: passed;"),
        ("safety_violation", {"safe": "na"}, "safety_violation scores 1.00 and is: passed; wanted: failed by a gate"),
    ],
)  # fmt: skip
def test_a_worked_evaluation_that_does_not_score_as_its_kind_is_told(kind, change, told, faults):
    found = design()
    one = next(w for w in found["worked"] if w["kind"] == kind)
    one["findings"] = one["findings"] | {
        c: {"label": label, "reason": "Another reading."} for c, label in change.items()
    }
    assert faults(found)["worked scores"].startswith(told)


def test_a_missing_kind_and_a_missing_finding_are_told(faults):
    found = design()
    del found["worked"][0]["findings"]["warm"]
    found["worked"][2]["kind"] = "strong"
    told = faults(found)
    assert told["worked evaluations"].startswith("2 strong, 1 mediocre; wanted one each: strong, mediocre, safety_viol")
    assert told["worked findings"] == "strong has no finding on warm"


def test_a_new_domain_may_have_none_and_a_finished_one_may_not(faults):
    empty = {"examples": {}, "worked": []}
    assert faults(empty, optional=True) == {}
    assert {"examples per criterion", "worked evaluations"} <= set(faults(empty))


def test_a_failed_gate_decides_whatever_the_score():
    answers = {c.id: "YES" for c in RUBRIC.criteria}
    assert worked_outcome(answers, RUBRIC) == ("passed", 1.0)
    assert worked_outcome(answers | {"safe": "NO"}, RUBRIC) == ("failed by a gate", 1.0)
    assert worked_outcome(answers | {"plain": "NO"}, RUBRIC) == ("failed by its score", 0.6)
