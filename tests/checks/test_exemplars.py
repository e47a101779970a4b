"""Authored conversations: each fault is told with the line of its conversation."""

from tests.conftest import persona, rubric_fields, transcript
from tunewright.checks.exemplars import check_exemplars
from tunewright.config import Bounds
from tunewright.rubric import Rubric
from tunewright.verdict_rules import failed_measures

RUBRIC = Rubric.model_validate(rubric_fields())
PEOPLE = [persona(max_words=6), persona("p2", edge_case="crisis")]


def checks(*transcripts, wanted=2):
    bounds = (Bounds(min=3, max=10), Bounds(min=0.1, max=0.5))
    return list(check_exemplars(PEOPLE, transcripts, RUBRIC, wanted, *bounds, "t.jsonl"))


def test_conversations_within_all_limits_have_no_fault():
    assert all(c.passed for c in checks(transcript("t1"), transcript("t2", persona_id="p2", n=10)))


def test_each_fault_is_told_with_its_place():
    long = transcript("t2", user="One two three four five six", n=2, assistant="- milk")
    found = {c.name: (str(c.place), c.evidence) for c in checks(transcript("t1"), long, wanted=3) if not c.passed}
    assert found == {
        "authored conversations": ("t.jsonl", "2; wanted 3 or more"),
        "authored lengths": ("t.jsonl:2", "t2 has 2 exchanges, wanted 3 to 10"),
        "authored edge cases": ("t.jsonl", "0%, wanted 10% to 50%"),
        "authored word limits": (
            "t.jsonl:2",
            "t2 exchange 1: 7 words, wanted 1 to 6; line 2: t2 exchange 2: 7 words, wanted 1 to 6",
        ),
        "authored conversations pass": ("t.jsonl:2", "t2 fails plain: markup_share is 1.00, wanted at most 0"),
    }


def test_a_domain_that_wants_none_may_have_none():
    assert [(c.passed, c.evidence) for c in checks(wanted=0)] == [(True, "none; wanted 0 or more")]
    assert [(c.passed, c.evidence) for c in checks(wanted=2)] == [(False, "none; wanted 2 or more")]


def test_a_measure_is_not_held_against_a_talk_that_is_too_short_for_it():
    fields = rubric_fields()
    fields["criteria"][3]["min_exchanges"] = 3
    rubric = Rubric.model_validate(fields)
    assert failed_measures(transcript(assistant="- milk", n=2).exchanges, rubric) == {}
    assert list(failed_measures(transcript(assistant="- milk", n=3).exchanges, rubric)) == ["plain"]
