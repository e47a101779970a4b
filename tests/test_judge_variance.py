"""The judges' part of the uncertainty, from verdicts with several samples or several judges."""

import pytest

from tunewright.judge_variance import judge_variance, judged_differences
from tunewright.records import Verdict
from tunewright.rubric import Rubric
from tunewright.trust import Decision


def criterion(name, evaluator="judge"):
    more = {"measure": {"length_ratio_mean": {"max": 2}}} if evaluator == "measure" else {}
    return {
        "id": name, "category": "warmth", "question": "Is it done as wanted?", "evaluator": evaluator,
        "na_allowed": False, "min_exchanges": 1, **more,
    }  # fmt: skip


RUBRIC = Rubric.model_validate(
    {
        "pass_threshold": 0.8, "all_na_category": "leave_out", "background": None, "lexicon": {},
        "categories": {"warmth": {"title": "Warm", "weight": 1.0}},
        "criteria": [criterion("kind"), criterion("curious"), criterion("brief", "measure")],
    }
)  # fmt: skip
PEOPLE = {"t1": "ann", "t2": "ann", "t3": "bob", "t4": "bob"}


def said(transcript, judge, **answers):
    reasons = {"unscored": "judge failed"}
    return [
        Verdict(transcript_id=transcript, criterion=c, judge=judge, answer=a, **({} if a else reasons))
        for c, a in answers.items()
    ]


def sides(samples, people=PEOPLE):
    """`samples`: by transcript, the tuned answers to `kind` of each rater; the base is always NO."""
    base, tuned = [], []
    for t in people:
        for found in (base, tuned):
            found += said(t, "measure", brief="YES")
        for rater, answer in samples[t].items():
            base += said(t, rater, kind="NO", curious="NO")
            tuned += said(t, rater, kind=answer, curious="NO")
    return {"base": base, "tuned": tuned}


def test_each_sample_scores_both_sides_by_itself_with_the_measured_criteria():
    verdicts = sides({t: {"j": "YES", "j#1": "NO"} for t in PEOPLE})
    found = judged_differences(verdicts, PEOPLE, RUBRIC, None)
    assert [(f.transcript, f.judge) for f in found[:2]] == [("t1", "j"), ("t1", "j")]
    assert [f.difference for f in found[:2]] == pytest.approx([1 / 3, 0])  # one of three criteria, on base 1/3


def test_a_criterion_that_one_sample_left_open_counts_in_none_of_them():
    verdicts = sides({t: {"j": "YES", "j#1": "YES"} for t in PEOPLE})
    failed = [v.model_copy(update={"answer": None, "unscored": "judge failed"}) for v in verdicts["tuned"][1:2]]
    verdicts["tuned"] = [verdicts["tuned"][0], *failed, *verdicts["tuned"][2:]]  # t1, j, kind
    found = [f for f in judged_differences(verdicts, PEOPLE, RUBRIC, None) if f.transcript == "t1"]
    assert [f.difference for f in found] == [0.0, 0.0]  # both on `curious` and `brief` alone


def test_reruns_that_flip_are_told_apart_from_people_who_differ():
    flipping = judge_variance(
        judged_differences(sides({t: {"j": "YES", "j#1": "NO"} for t in PEOPLE}), PEOPLE, RUBRIC, None)
    )
    assert flipping["state"] == "measured" and flipping["judge_share"] == 1.0
    assert {c["source"]: c["negative"] for c in flipping["components"]}["conversations"] is True
    samples = {t: dict.fromkeys(("j", "j#1"), "YES" if who == "ann" else "NO") for t, who in PEOPLE.items()}
    steady = judge_variance(judged_differences(sides(samples), PEOPLE, RUBRIC, None))
    assert steady["judge_share"] == 0.0 and steady["se"] == steady["se_without_judge"] > 0
    # people's means 1/3 and 0, no other variation: variance (1/3)^2 / 2, squared SE half of it
    assert steady["components"][0]["variance"] == pytest.approx(1 / 18) and steady["se"] == pytest.approx(1 / 6)
    assert steady["by_judge"]["j"]["n_samples"] == 2


def test_several_judges_with_one_sample_each_are_a_level_of_their_own():
    found = judge_variance(
        judged_differences(sides({t: {"a": "YES", "b": "NO"} for t in PEOPLE}), PEOPLE, RUBRIC, None)
    )
    assert [c["source"] for c in found["components"]] == ["personas", "conversations", "judges"]
    assert found["by_judge"]["a"]["difference"] == pytest.approx(1 / 3) and found["by_judge"]["b"]["difference"] == 0


def test_one_sample_of_one_judge_measures_nothing_and_says_how_to():
    found = judge_variance(judged_differences(sides({t: {"j": "YES"} for t in PEOPLE}), PEOPLE, RUBRIC, None))
    assert (found["state"], found["judge_share"], found["components"]) == ("not measured", None, [])
    assert "evaluate.verdicts.samples" in found["says"]


def test_a_judge_that_does_not_count_has_no_part_in_it():
    verdicts = sides({t: {"j": "YES", "j#1": "NO"} for t in PEOPLE})
    untrusted = {"j": {c: Decision(trusted=False, reason="at chance") for c in ("kind", "curious")}}
    found = judge_variance(judged_differences(verdicts, PEOPLE, RUBRIC, untrusted))
    assert (found["state"], found["n_values"]) == ("no judge counts", 0)


def test_conversations_that_are_left_out_do_not_count():
    verdicts = sides({t: {"j": "YES", "j#1": "NO"} for t in PEOPLE})
    assert {f.transcript for f in judged_differences(verdicts, {"t1": "ann"}, RUBRIC, None)} == {"t1"}
