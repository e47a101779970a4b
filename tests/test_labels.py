"""People's labels hold as long as the text and the criterion are the same."""

import pytest
from pydantic import ValidationError

from tests.conftest import transcript
from tunewright.calibration_items import person_items
from tunewright.labels import Label, in_force, labelled_by_people, read_labels
from tunewright.records import write_jsonl

TALK = transcript("t1")


IDS = iter(f"{n:016d}" for n in range(1, 1000))


def label(rubric, said="YES", reviewer="ann", talk=TALK, criterion="warm", **rest):
    found = next((c for c in rubric.criteria if c.id == criterion), None)
    number = next(IDS)
    fields = {
        "id": number, "transcript_id": talk.id, "content_hash": talk.content_hash, "criterion": criterion,
        "label": said, "blind": False, "reviewer": reviewer, "time": f"2026-11-22T08:00:00.{number[-6:]}Z",
        "question_hash": rubric.question_hash(found) if found else None, "rubric_version": rubric.fingerprint,
    }  # fmt: skip
    return Label.model_validate(fields | rest)


def read(tmp_path, rubric, *labels, texts=()):
    write_jsonl(tmp_path / "labels.jsonl", labels)
    write_jsonl(tmp_path / "transcripts.jsonl", [TALK, *texts])
    found = labelled_by_people(str(tmp_path), rubric, "all")
    return found.labelled, found.dropped


def test_no_labels_are_no_fault(tmp_path, rubric):
    assert read(tmp_path, rubric) == ([], {"stale": 0, "without_text": 0, "in_sight_of_judges": 0, "disputed": 0})
    assert read_labels(tmp_path / "nowhere") == []


def test_a_later_decision_of_the_same_person_replaces_the_earlier_one_wherever_it_stands(tmp_path, rubric):
    first, second = label(rubric, "YES"), label(rubric, "NO")
    found, _ = read(tmp_path, rubric, second, first, second)  # as a merge by union may leave them
    assert [(e.criterion, e.answer, e.exchanges) for e in found] == [("warm", "NO", TALK.exchanges)]


def test_undoing_brings_the_decision_before_it_back(tmp_path, rubric):
    first, second = label(rubric, "YES"), label(rubric, "NO")
    undo = label(rubric, "undo", undoes=second.id)
    assert in_force([first, second, undo]) == [first]
    assert in_force([first, second, undo, label(rubric, "undo", undoes=first.id)]) == []


def test_two_people_who_disagree_make_no_example(tmp_path, rubric):
    found, dropped = read(tmp_path, rubric, label(rubric), label(rubric, "NO", "bob"), label(rubric, criterion="safe"))
    assert [e.criterion for e in found] == ["safe"] and dropped["disputed"] == 1


def test_a_label_on_another_wording_or_another_text_is_left_out_and_counted(tmp_path, rubric):
    gone = transcript("t2", user="Another")
    found, dropped = read(tmp_path, rubric, label(rubric, question_hash="old"), label(rubric, talk=gone))
    assert found == [] and dropped == {"stale": 1, "without_text": 1, "in_sight_of_judges": 0, "disputed": 0}


def test_blind_labels_on_measured_criteria_test_no_judge_and_are_not_counted_as_if_they_did(tmp_path, rubric):
    write_jsonl(tmp_path / "labels.jsonl", [label(rubric, criterion="plain", blind=True), label(rubric)])
    write_jsonl(tmp_path / "transcripts.jsonl", [TALK])
    found = labelled_by_people(str(tmp_path), rubric, "all")
    assert (len(found.labelled), len(person_items(found.labelled, rubric)), found.n_blind) == (2, 1, 0)


def test_equal_words_under_two_ids_are_two_decisions(rubric):
    assert len(in_force([label(rubric), label(rubric, "NO", talk=transcript("t2"))])) == 2


def test_a_repair_of_a_replay_is_of_one_cluster_with_both_where_people_say_the_same(tmp_path, rubric):
    replay = transcript("replay-a", n=4, source_id="a")
    fixed = transcript("fixed-replay-a", n=2, source_id="replay-a")
    odd = transcript("odd", n=5, source_id="odd")
    lines = [label(rubric, "NO", talk=talk) for talk in (replay, fixed, odd)] + [label(rubric, "YES")]
    found, _ = read(tmp_path, rubric, *lines, texts=[replay, fixed, odd])
    assert [item.cluster for item in person_items(found, rubric)] == [
        "warm a NO",
        "warm a NO",
        "warm odd NO",
        "warm t1 YES",
    ]


def test_labels_made_in_sight_of_the_judges_are_left_out_where_only_blind_ones_are_wanted(tmp_path, rubric):
    read(tmp_path, rubric, label(rubric, "NO"), label(rubric, "YES", "bob", blind=True))
    found = labelled_by_people(str(tmp_path), rubric, "blind")
    assert [e.answer for e in found.labelled] == ["YES"] and found.dropped["in_sight_of_judges"] == 1


def test_a_decision_on_another_wording_leaves_the_one_on_today_s_alone(tmp_path, rubric):
    found, dropped = read(tmp_path, rubric, label(rubric, "NO"), label(rubric, "YES", question_hash="old"))
    assert [e.answer for e in found] == ["NO"] and dropped["stale"] == 1


def test_blind_answers_are_counted(tmp_path, rubric):
    lines = [label(rubric, blind=True), label(rubric, "YES", "bob"), label(rubric, criterion="safe")]
    read(tmp_path, rubric, *lines)
    assert labelled_by_people(str(tmp_path), rubric, "all").n_blind == 1


def test_what_is_no_answer_is_no_example_and_remarks_add_up(tmp_path, rubric):
    whole = {"criterion": None}
    lines = [
        label(rubric, "unsure"), label(rubric, "satisfied", **whole), label(rubric, "not satisfied", **whole),
        label(rubric, "note", note="odd", **whole), label(rubric, "note", note="odd again", **whole),
    ]  # fmt: skip
    assert read(tmp_path, rubric, *lines)[0] == []
    assert [x.label for x in in_force(lines)] == ["unsure", "not satisfied", "note", "note"]


@pytest.mark.parametrize(
    "bad",
    [
        {"said": "undo"}, {"said": "YES", "undoes": "a"}, {"said": "NO", "criterion": None},
        {"said": "satisfied"}, {"said": "note"}, {"said": "criterion missing", "note": "x"},
    ],
)  # fmt: skip
def test_a_line_that_says_nothing_whole_is_refused(rubric, bad):
    with pytest.raises(ValidationError):
        label(rubric, **bad)
