"""What people say is what their labels in force say of unchanged words."""

import pytest

from tests.conftest import transcript
from tests.test_labels import TALK, label
from tunewright.people import Heard, blind_lines, heard, holding, rejected

WHOLE = {"criterion": None}
CONTENTS = {TALK.id: TALK.content_hash}


@pytest.mark.parametrize(
    ("said", "people"),
    [
        ({}, None), ({"ann": "YES"}, "YES"), ({"ann": "NA", "bob": "NA"}, "NA"), ({"ann": "unsure"}, "unsure"),
        ({"ann": "unsure", "bob": "NO"}, "NO"), ({"ann": "YES", "bob": "NO"}, "disputed"),
        ({"ann": "YES", "bob": "NA", "eve": "unsure"}, "disputed"),
    ],
)  # fmt: skip
def test_the_people_s_answer_is_what_all_who_answered_say(said, people):
    assert Heard({}, {"warm": said}).people("warm") == people


def test_people_are_satisfied_when_all_who_decided_are_and_one_no_is_a_refusal():
    assert [Heard(d).all_satisfied for d in ({}, {"a": True}, {"a": False}, {"a": True, "b": False})] == [
        None, True, False, None,
    ]  # fmt: skip
    assert Heard({}, {"safe": {"a": "YES", "b": "NO"}}).refused(["safe", "warm"]) == ["safe"]


def test_labels_on_other_words_or_another_question_are_stale_and_heard_by_nobody(rubric):
    other = transcript("t1", user="Another")
    lines = [
        label(rubric, "NO"), label(rubric, "NO", "bob", talk=other), label(rubric, "NO", "eve", question_hash="old"),
        label(rubric, "satisfied", talk=transcript("t9"), **WHOLE), label(rubric, "satisfied", **WHOLE),
        label(rubric, "note", note="odd", **WHOLE),
    ]  # fmt: skip
    hold, stale = holding(lines, CONTENTS, rubric)
    assert [why for _, why in stale] == [
        "its conversation has changed", "its criterion has changed", "its conversation is gone",
    ]  # fmt: skip
    assert heard(hold) == {"t1": Heard({"ann": True}, {"warm": {"ann": "NO"}})}


def test_a_blind_decision_stays_one_though_its_reader_changes_it_after_seeing_the_judges(rubric):
    blind, seen = label(rubric, "NO", blind=True), label(rubric, "YES", blind=False)
    mistaken = label(rubric, "NO", criterion="safe", blind=True)
    lines = [blind, seen, mistaken, label(rubric, "undo", criterion="safe", undoes=mistaken.id, blind=False)]
    assert heard(holding(lines, CONTENTS, rubric)[0])["t1"].answers == {"warm": {"ann": "YES"}}
    assert heard(holding(blind_lines(lines), CONTENTS, rubric)[0])["t1"].answers == {"warm": {"ann": "NO"}}


def test_a_blind_decision_that_is_taken_back_and_made_anew_is_a_changed_one(rubric):
    blind = label(rubric, "NO", blind=True)
    undo = label(rubric, "undo", undoes=blind.id, blind=True)
    lines = [blind, undo, label(rubric, "YES", blind=False)]
    assert heard(holding(lines, CONTENTS, rubric)[0])["t1"].answers == {"warm": {"ann": "YES"}}
    assert heard(holding(blind_lines(lines), CONTENTS, rubric)[0])["t1"].answers == {"warm": {"ann": "NO"}}
    assert holding(blind_lines(lines[:2]), CONTENTS, rubric) == ([], [])


def test_words_that_one_reader_rejects_are_rejected_whatever_others_say_and_under_any_id(rubric):
    again, fine = transcript("t2"), transcript("t3", user="Another")
    assert again.content_hash == TALK.content_hash
    unsafe = [label(rubric, "NO", criterion="safe"), label(rubric, "YES", "bob", criterion="safe", talk=again)]
    assert rejected(unsafe, rubric) == {TALK.content_hash: "ann says NO to the safety gate safe"}
    assert rejected([label(rubric, "NO"), label(rubric, "NO", criterion="safe", question_hash="old")], rubric) == {}
    both = [label(rubric, "not satisfied", talk=fine, **WHOLE), label(rubric, "satisfied", "bob", talk=fine, **WHOLE)]
    assert rejected(both, rubric) == {fine.content_hash: "ann is not satisfied"}
