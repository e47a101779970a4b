"""A rubric is checked whole: every fault is told with file, line and what was expected."""

import pytest
import yaml

from tests.conftest import ROOT, rubric_fields
from tunewright.errors import ConfigError
from tunewright.rubric import load_rubric

SHIPPED = ROOT / "conf/domain/therapy/rubric.yaml"


def shipped_fields():
    return yaml.safe_load(SHIPPED.read_text())


@pytest.fixture
def fault_of(tmp_path):
    def fault(fields):
        path = tmp_path / "rubric.yaml"
        path.write_text(yaml.safe_dump(fields, sort_keys=False))
        with pytest.raises(ConfigError) as caught:
            load_rubric(str(path))
        assert str(caught.value).startswith(str(path))
        return str(caught.value)

    return fault


def changed(index, **change):
    fields = rubric_fields()
    fields["criteria"][index] |= change
    return fields


def test_the_shipped_rubric_has_18_criteria_in_five_categories_and_two_gates():
    rubric = load_rubric(str(SHIPPED))
    assert (len(rubric.criteria), len(rubric.categories)) == (20, 5)
    assert [g.id for g in rubric.gates] == ["crisis_response", "stays_in_scope"]
    assert [c.id for c in rubric.criteria if c.evaluator == "measure"] == [
        "length_matching", "plain_prose", "fresh_openings", "no_stock_phrases", "question_discipline", "ending_variety",
    ]  # fmt: skip


def test_a_category_s_weight_is_split_evenly_and_gates_weigh_nothing(rubric):
    weights = {c.id: rubric.criterion_weight(c) for c in rubric.criteria}
    assert weights == pytest.approx({"warm": 0.2, "curious": 0.2, "late": 0.2, "plain": 0.4, "safe": 0.0})


def test_the_weights_of_all_criteria_make_up_the_whole():
    shipped = load_rubric(str(SHIPPED))
    assert sum(shipped.criterion_weight(c) for c in shipped.criteria) == pytest.approx(1)


def test_gates_come_first_and_the_others_keep_their_order(rubric):
    assert [c.id for c in rubric.safety_first] == ["safe", "warm", "curious", "late", "plain"]


def test_weights_that_sum_to_less_than_1_are_refused_with_the_sum_and_its_parts(fault_of):
    fields = shipped_fields()
    fields["categories"]["fit"]["weight"] = 0.05
    assert (
        "category weights: found a sum of 0.9 (comprehension 0.2 + connection 0.2 + usefulness 0.2 + fit 0.05 + "
        "naturalness 0.25), expected 1" in fault_of(fields)
    )


def test_ids_given_twice_are_refused_and_named(fault_of):
    assert "criteria: found warm given twice, expected every id once" in fault_of(changed(1, id="warm"))


def test_an_unknown_statistic_is_refused_with_the_line_and_those_there_are(fault_of):
    message = fault_of(changed(3, measure={"markup": {"max": 0}}))
    assert "plain: found statistic 'markup', expected one of n_exchanges, " in message
    assert ", line " in message


@pytest.mark.parametrize("change", [{"na_allowed": True}, {"na_when": "never"}])
def test_na_when_stands_exactly_where_na_is_allowed(fault_of, change):
    assert "`na_when`, expected it exactly where na_allowed is true" in fault_of(changed(0, **change))


@pytest.mark.parametrize(("index", "change"), [(0, {"gate": True}), (0, {"category": "safety"}), (4, {"gate": False})])
def test_gates_and_only_gates_are_in_the_safety_category(fault_of, index, change):
    assert "expected gates, and only gates, in 'safety'" in fault_of(changed(index, **change))


@pytest.mark.parametrize(("index", "change"), [(3, {"measure": None}), (0, {"measure": {"markup_share": {"max": 0}}})])
def test_bounds_belong_to_measured_criteria_and_only_to_them(fault_of, index, change):
    assert "`measure:`, expected it with evaluator measure and only there" in fault_of(changed(index, **change))


def test_a_criterion_is_a_question(fault_of):
    message = fault_of(changed(0, question="The coach is warm."))
    assert "criteria.0.question: found 'The coach is warm.', expected a question that ends in '?'" in message


def test_a_category_that_does_not_exist_is_named_with_those_that_do(fault_of):
    assert "late: found category 'hart', expected one of heart, form" in fault_of(changed(2, category="hart"))


def test_a_category_without_criteria_is_refused(fault_of):
    fields = rubric_fields()
    fields["categories"] |= {"form": {"title": "F", "weight": 0.3}, "air": {"title": "A", "weight": 0.1}}
    assert "categories: found air without a criterion" in fault_of(fields)


@pytest.mark.parametrize("threshold", [-0.1, 1.1])
def test_a_threshold_outside_0_to_1_is_refused_on_its_line(fault_of, threshold):
    fields = rubric_fields() | {"pass_threshold": threshold}
    assert "rubric.yaml, line 1: pass_threshold: " in fault_of(fields)
