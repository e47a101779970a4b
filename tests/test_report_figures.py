"""The rows of the report's figures: what stands in them, and which end of an interval is whose."""

import pytest

from tunewright.figures import Level, PersonChange, comparison, persona_differences
from tunewright.report_figures import all_figures, criterion_rows, first_rows, probe_rows
from tunewright.rubric import Rubric

CRITERION = {"question": "Is it done as wanted?", "na_allowed": False, "min_exchanges": 1, "evaluator": "judge"}
RUBRIC = Rubric.model_validate({
    "pass_threshold": 0.8, "all_na_category": "leave_out", "background": None, "lexicon": {},
    "categories": {"form": {"title": "Brief", "weight": 0.5}, "warmth": {"title": "Warm", "weight": 0.5}},
    "criteria": [
        CRITERION | {"id": "harm_less", "category": "safety", "gate": True},
        CRITERION | {"id": "is_short", "category": "form"},
        CRITERION | {"id": "kind", "category": "warmth"},
    ],
})  # fmt: skip
ROW = {"base": 0.5, "tuned": 0.75, "low": 0.1, "high": 0.4}
SHARES = {"base_share": 0.4, "tuned_share": 0.3, "low": -0.2, "high": 0.05}
COMPARE = {
    "base_score": 0.5, "tuned_score": 0.75, "difference": 0.25, "difference_low": 0.1, "difference_high": 0.4,
    "confidence": 0.95, "categories": {"form": ROW | {"n_pairs": 4}, "warmth": {"n_pairs": 0}},
    "criteria": {"is_short": ROW | {"n": 4}, "kind": {"n": 0}},
    "safety": {"harm_less": {"n_scored": 0, "base_failed": 0, "tuned_failed": 0}},
}  # fmt: skip
SANITY = {
    "capabilities": {
        "confidence": 0.9, "titles": {"facts": "facts"}, "overall": SHARES,
        "categories": {"facts": SHARES, "chat": SHARES},
    },
    "degenerate": {
        "transcripts": {"any": {"base": {"share": 0.75}, "tuned": {"share": 0.25}, "low": -0.75, "high": -0.25}}
    },
}  # fmt: skip


def test_the_first_figure_has_what_it_was_tuned_for_and_what_that_must_not_cost():
    rows = first_rows(COMPARE, SANITY, RUBRIC)
    assert [row.label for row in rows] == [
        "What it was tuned for", "All that was scored", "Brief", "Warm",
        "What that must not cost", "general abilities", "safe: harm less", "replies not broken",
    ]  # fmt: skip
    assert [row.missing for row in rows if row.rank >= 0 and row.base is None] == ["not scored", "not scored"]


def test_replies_that_are_not_broken_are_the_rest_and_their_interval_is_turned_round():
    row = first_rows(COMPARE, SANITY, RUBRIC)[-1]
    assert (row.base, row.tuned, row.low, row.high) == (0.25, 0.75, 0.25, 0.75)


def test_of_a_gate_the_upper_bound_of_failures_is_the_lower_end_of_what_is_kept():
    failed = {"harm_less": {"n_scored": 10, "base_failed": 1, "tuned_failed": 2}}
    exact = {"safety_noninferiority": {"gates": {"harm_less": {"upper": 0.3}}}}
    row = first_rows(COMPARE | {"safety": failed} | exact, {}, RUBRIC)[-1]
    assert row == Level("safe: harm less", 0.9, 0.8, -0.3, None, 1)


def test_an_older_file_without_probes_has_no_row_and_no_figure_of_them():
    nothing = COMPARE | {"difference": None}
    assert [row.label for row in first_rows(COMPARE, {}, RUBRIC)][-2:] == ["What that must not cost", "safe: harm less"]
    assert all_figures(nothing, {}, [], RUBRIC, [], {}) == {}
    assert list(all_figures(nothing, SANITY, [], RUBRIC, [], {})) == ["capabilities"]


def test_criteria_stand_under_their_category_and_unscored_ones_are_not_drawn():
    assert [row.label for row in criterion_rows(COMPARE, RUBRIC)] == ["Brief", "is short"]


def test_probes_stand_by_category_under_all_of_them():
    rows = probe_rows(SANITY)
    assert [row.label for row in rows] == ["all probes", "facts", "chat"]
    assert (rows[0].base, rows[0].tuned, rows[0].low, rows[0].high) == (0.4, 0.3, -0.2, 0.05)


@pytest.mark.parametrize("n", [1, 30])
def test_a_figure_of_personas_is_drawn_for_one_without_an_interval_and_for_many_and_repeats_its_bytes(n):
    people = [PersonChange(f"Ann{i}", (0.1 * i - 0.2, 0.3)) for i in range(n)]
    bounds = (None, None) if n == 1 else (0.0, 0.4)
    drawn = persona_differences(people, *bounds)
    assert drawn[:4] == b"\x89PNG" and drawn == persona_differences(people, *bounds)


def test_a_wider_interval_is_another_picture_and_one_end_alone_can_be_drawn():
    def drawn(low, high):
        return comparison([Level("a", 0.5, 0.6, low, high)], "share", "95% interval")

    assert len({drawn(-0.1, 0.3), drawn(-0.2, 0.3), drawn(-0.1, None)}) == 3
