"""Results of lm-evaluation-harness: the newest of each side, its odd keys, and what is missing."""

from __future__ import annotations

import pytest

from tunewright.errors import RecordError
from tunewright.lm_eval_results import latest, lm_eval_numbers, numbers_of
from tunewright.records import write_json


def test_numbers_are_told_from_names_counts_and_standard_errors_that_there_are_not(tmp_path):
    """As lm-eval 0.4.13 wrote them."""
    values = {
        "name": "t", "alias": "t", "sample_len": 3, "acc,none": 0.25, "acc_stderr,none": 0.1,
        "exact_match,strict": 0.5, "exact_match_stderr,strict": "N/A",
    }  # fmt: skip
    assert numbers_of({"results": {"t": values}}, tmp_path) == {
        ("t", "acc"): (0.25, 0.1), ("t", "exact_match (strict)"): (0.5, None)
    }  # fmt: skip


def test_integers_that_no_float_can_hold_are_no_numbers(tmp_path):
    values = {"acc,none": 10**400, "f1,none": 1, "f1_stderr,none": 10**400}
    assert numbers_of({"results": {"t": values}}, tmp_path) == {("t", "f1"): (1.0, None)}


def test_the_newest_results_below_a_folder_count_and_tasks_of_one_side_are_listed(tmp_path):
    for side, day, tasks in (("base", 1, ("t",)), ("base", 2, ("t", "u")), ("tuned", 1, ("t",))):
        results = {"results": {task: {"acc,none": day / 10} for task in tasks}}
        write_json(tmp_path / side / "m" / f"results_2026-11-0{day}.json", results)
    assert latest(tmp_path / "base") == tmp_path / "base/m/results_2026-11-02.json"
    found = lm_eval_numbers(tmp_path)
    assert found and [(row["task"], row["base"], row["tuned"], row["n"]) for row in found["tasks"]] == [
        ("t", 0.2, 0.1, None)
    ]
    assert found["only_one_side"] == ["u acc"]


def test_one_side_alone_and_another_kind_of_file_are_refused(tmp_path):
    assert lm_eval_numbers(tmp_path) is None
    write_json(tmp_path / "base/results_1.json", {"results": {}})
    with pytest.raises(RecordError, match=r"tuned: no results_\*.json .the other side holds one"):
        lm_eval_numbers(tmp_path)
    write_json(tmp_path / "tuned/results_1.json", {"scores": {}})
    with pytest.raises(RecordError, match="found no `results`, expected a results file of lm_eval"):
        lm_eval_numbers(tmp_path)


def test_two_sides_that_were_asked_unlike_numbers_are_not_compared(tmp_path):
    for side, n in (("base", 500), ("tuned", 50)):
        found = {"results": {"t": {"acc,none": 0.5}}, "n-samples": {"t": {"original": 500, "effective": n}}}
        write_json(tmp_path / side / "results_1.json", found)
    with pytest.raises(RecordError, match="t was asked 500 times of the base and 50 of the tuned model"):
        lm_eval_numbers(tmp_path)
