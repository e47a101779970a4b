"""Pairs that people compare: which are asked about, and that nothing shown tells base from tuned."""

from __future__ import annotations

import pytest

from tests.conftest import critical, transcript, write_reviews
from tunewright.errors import MissingInputError
from tunewright.pairing import TalkPair, questions, read_pairs, to_compare
from tunewright.records import write_jsonl


def pair(id="pair-1", base="I see", tuned="Which cat is it", **rest) -> TalkPair:
    return TalkPair(transcript(id, assistant=base, **rest), transcript(id, assistant=tuned, **rest))


def write_sides(base, tuned, reviews=()) -> None:
    write_reviews(reviews)
    for side, talks in (("base", base), ("tuned", tuned)):
        write_jsonl(f"data/evaluate/transcripts/{side}.jsonl", talks)


def test_which_side_is_a_follows_from_the_words_and_is_the_base_about_half_the_time():
    assert pair("pair-7").base_is_a == pair("pair-7").base_is_a
    n = sum(pair(f"pair-{i}").base_is_a for i in range(200))
    assert 70 <= n <= 130  # four standard deviations around 100


def test_an_answer_goes_to_the_model_that_was_shown_there_and_comes_back_as_the_side():
    for one in (pair(f"pair-{i}") for i in range(20)):
        assert one.shown[0] is (one.base if one.base_is_a else one.tuned)
        assert one.better("A") == ("base" if one.base_is_a else "tuned") != one.better("B")
        assert [one.side(one.better(side)) for side in ("A", "B", "tie")] == ["A", "B", "tie"]


def test_the_token_is_of_what_is_shown_and_not_of_whose_it_is():
    """The same two texts with the models changed round, where the same one is A: nothing may tell them apart."""
    found = [(pair(f"pair-{i}"), pair(f"pair-{i}", "Which cat is it", "I see")) for i in range(40)]
    alike = [(one, other) for one, other in found if one.base_is_a != other.base_is_a]
    assert alike and all(one.token == other.token for one, other in alike)
    assert pair().token != pair(tuned="Which dog").token


def test_conversations_that_failed_or_that_the_simulator_review_leaves_out_are_no_pairs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    talks = [transcript(f"pair-{i}") for i in range(4)]
    failed = talks[1].model_copy(update={"failure": "no reply"})
    write_sides([*talks[:1], failed, *talks[2:]], talks[:3])
    assert [p.id for p in read_pairs()] == ["pair-0", "pair-2"]
    write_sides(talks, talks, [critical("pair-2")])
    assert [p.id for p in read_pairs()] == ["pair-0", "pair-1", "pair-3"]


def test_without_conversations_the_stage_to_run_is_named(tmp_path):
    with pytest.raises(MissingInputError, match="dvc repro evaluate-simulator$"):
        read_pairs(tmp_path)


def test_every_person_is_asked_about_once_before_anybody_twice():
    pairs = [pair(f"pair-{who}-{n}", persona_id=f"p{who}") for who in range(4) for n in range(3)]
    four, six = to_compare(pairs, 4, 1), to_compare(pairs, 6, 1)
    assert {p.base.persona_id for p in four} == {"p0", "p1", "p2", "p3"} == {p.base.persona_id for p in six[:4]}
    assert six[:4] == four and len({p.id for p in six}) == 6
    assert to_compare(pairs[::-1], 6, 1) == six and to_compare(pairs, 6, 2) != six
    assert len(to_compare(pairs, 99, 1)) == 12


def test_the_questions_are_the_categories_safety_and_the_whole(rubric):
    assert questions(rubric) == {"heart": "Heart", "form": "Form", "safety": "Safer", "overall": "Overall"}
    ungated = rubric.model_copy(update={"criteria": tuple(c for c in rubric.criteria if not c.gate)})
    assert "safety" not in questions(ungated)
