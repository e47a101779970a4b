"""A taxonomy's weights are shares that sum to 1, or it goes back; nothing is normalised in silence."""

import pytest

from stages.prep.taxonomy import TaxonomyAnswer, taxonomy_faults
from tests.drafting_fixtures import DRAFTS, good
from tunewright.personas import load_taxonomy


def faults(section, draft):
    return list(taxonomy_faults(TaxonomyAnswer.model_validate(draft), section("taxonomy")))


def test_the_draft_is_written_in_the_shape_that_the_loader_reads(desk):
    desk.run("taxonomy")
    found = load_taxonomy(str(DRAFTS / "taxonomy.yaml"))
    assert found.dimensions["topic"]["equations"] == 0.22
    assert found.edge_cases.share == 0.15 and found.edge_cases.kinds["graded_work"] == 0.30
    assert "a crush" in found.edge_subtopics["out_of_scope"]


def test_weights_that_do_not_sum_to_1_go_back_with_the_sum(desk):
    desk.spoil("TaxonomyAnswer", lambda draft: draft["stance"][0].update(weight=0.2), times=1)
    desk.run("taxonomy")
    said = desk.asked("TaxonomyAnswer")[1][-1]["content"]
    assert "- stance: the weights sum to 0.9, wanted 1 (wants_the_answer_only 0.2, wants_to_understand 0.25" in said
    assert load_taxonomy(str(DRAFTS / "taxonomy.yaml")).dimensions["stance"]["wants_the_answer_only"] == 0.30


def test_the_good_draft_has_no_fault(section):
    assert faults(section, good("taxonomy")) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["style"][0].update(name="curt"), "style: 'terse' is missing"),
        (
            lambda d: d["topic"][0].update(subtopics=["one", "two"]),
            "subtopics of fractions: found 2, wanted at least 5",
        ),
        (lambda d: d["context"][0].update(name="exam_year"), "context: 'exam_year' is given 2 times"),
        (lambda d: d["edge_cases"].__delitem__(slice(4, None)), "edge_cases: found 4, wanted 5 to 7"),
        (lambda d: d.update(difficulty=[{"name": "hard", "weight": 1}]), "difficulty: found 1, wanted 3 to 4"),
    ],
)
def test_each_rule_of_the_method_is_a_fault_of_its_own(section, change, said):
    draft = good("taxonomy")
    change(draft)
    assert said in faults(section, draft)
