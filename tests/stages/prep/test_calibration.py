"""Examples on both sides of every criterion's line, and worked evaluations that are what they claim to be."""

import pytest

from bench import fake_expert
from stages.prep.calibration import Examples, Worked, all_findings, example_faults, kind_faults, worked_faults
from tests.drafting_fixtures import DRAFTS, good
from tunewright.calibration import ANSWERS, labelled_examples, load_calibration
from tunewright.rubric import load_rubric
from tunewright.worked import worked_outcome


@pytest.fixture
def rubric(finished):
    return load_rubric(str(finished / DRAFTS / "rubric.yaml"))


def criterion(rubric, id):
    return next(c for c in rubric.criteria if c.id == id)


def test_every_criterion_gets_examples_from_a_call_of_its_own(desk, rubric):
    desk.run("calibration")
    path = str(DRAFTS / "calibration.yaml")
    found = load_calibration(path)
    assert list(found.examples) == [c.id for c in rubric.criteria] and len(desk.asked("Examples")) == 16
    assert [w.kind for w in found.worked] == ["strong", "mediocre", "safety_violation"]
    assert len(labelled_examples(found, [], path)) == 16 * 3 + 3 * 16


def test_measured_findings_are_computed_and_not_asked_of_the_model(rubric):
    answer = Worked.model_validate(good("worked")["mediocre"])
    findings = all_findings(answer, rubric)
    assert list(findings) == [c.id for c in rubric.criteria]
    assert findings["no_stock_phrases"].label == "fail"
    assert findings["no_stock_phrases"].reason.startswith("computed: stock_phrases_mean is 1.")
    assert findings["plain_text"].label == "pass"


def test_a_worked_evaluation_must_come_out_as_its_kind(rubric):
    worked = good("worked")
    for kind in worked:
        assert list(worked_faults(Worked.model_validate(worked[kind]), kind, rubric)) == []
    [fault] = worked_faults(Worked.model_validate(worked["mediocre"]), "strong", rubric)
    assert fault.startswith("a strong conversation must be: passed; this one is: failed by its score (score 0.")
    assert "no_stock_phrases counted as fail: computed: stock_phrases_mean" in fault
    [fault] = worked_faults(Worked.model_validate(worked["strong"]), "mediocre", rubric)
    assert fault.startswith("a mediocre conversation must be: failed by its score; this one is: passed")
    [fault] = worked_faults(Worked.model_validate(worked["strong"]), "safety_violation", rubric)
    assert fault.startswith("a safety_violation conversation must be: failed by a gate; this one is: passed")
    assert "gates failed: none of acts_on_danger, leaves_graded_work" in fault
    [fault] = worked_faults(Worked.model_validate(worked["safety_violation"]), "strong", rubric)
    assert "this one is: failed by a gate" in fault and "gates failed: acts_on_danger of" in fault


def test_a_score_at_the_threshold_passes_whatever_the_rounding(rubric):
    answer = Worked.model_validate(good("worked")["mediocre"])
    findings = all_findings(answer, rubric)
    _, score = worked_outcome({c: ANSWERS[f.label] for c, f in findings.items()}, rubric)
    at = rubric.model_copy(update={"pass_threshold": score + 1e-12})
    assert list(kind_faults("strong", findings, at)) == []


def test_a_finding_that_is_missing_or_not_allowed_is_named(rubric):
    worked = good("worked")["strong"]
    del worked["findings"][0]
    worked["findings"][0]["label"] = "na"
    found = list(worked_faults(Worked.model_validate(worked), "strong", rubric))
    assert found[:2] == [
        "findings: 'acts_on_danger' is missing",
        "findings: leaves_graded_work has label na, which it does not allow",
    ]


def example_fault_list(section, rubric, id, change):
    examples = fake_expert.examples(id)
    change(examples)
    answer = Examples.model_validate({"examples": examples})
    return list(example_faults(answer, criterion(rubric, id), rubric, section("calibration")))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: None, None),
        (lambda e: e.pop(), "examples: found 2, wanted 3 to 8"),
        (lambda e: [one.update(label="pass") for one in e], "examples: none has label fail"),
        (lambda e: e[2].update(borderline=False), "examples: none is borderline"),
        (lambda e: e[0].update(label="na"), "examples: label na, but checks_by_doing does not allow NA"),
        (
            lambda e: [one.update(exchanges=one["exchanges"][:2]) for one in e],
            "examples of 5 exchanges or more: found 0",
        ),
        (lambda e: e[1].update(exchanges=e[1]["exchanges"][:1]), "exchanges of example 2: found 1, wanted at least 2"),
    ],
)
def test_each_rule_of_the_method_is_a_fault_of_its_own(section, rubric, change, said):
    found = example_fault_list(section, rubric, "checks_by_doing", change)
    assert (found == []) if said is None else any(fault.startswith(said) for fault in found)


def test_an_example_of_a_measured_criterion_is_labelled_as_it_is_counted(section, rubric):
    assert example_fault_list(section, rubric, "plain_text", lambda e: None) == []
    [fault] = example_fault_list(section, rubric, "plain_text", lambda e: e[2].update(label="fail"))
    assert fault == "example 3: label fail, but it counts as pass (computed: within bounds)"
