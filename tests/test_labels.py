"""People's labels hold as long as the text and the criterion are the same."""

from tests.conftest import transcript
from tunewright.labels import Label, labelled_by_people
from tunewright.records import write_jsonl

TALK = transcript("t1")


def label(rubric, answer="YES", reviewer="ann", talk=TALK, criterion="warm", **rest):
    found = next(c for c in rubric.criteria if c.id == criterion)
    fields = {"transcript_id": talk.id, "content_hash": talk.content_hash, "criterion": criterion, "reviewer": reviewer}
    more = {"answer": answer, "time": "2026-11-22T08:00:00Z", "criterion_hash": rubric.question_hash(found)}
    return Label.model_validate(fields | more | rest)


def read(tmp_path, rubric, *labels):
    write_jsonl(tmp_path / "labels.jsonl", labels)
    write_jsonl(tmp_path / "transcripts.jsonl", [TALK])
    return labelled_by_people(str(tmp_path), rubric)


def test_no_labels_are_no_fault(tmp_path, rubric):
    assert read(tmp_path, rubric) == ([], {"stale": 0, "without_text": 0, "disputed": 0})


def test_a_later_line_of_the_same_person_replaces_the_earlier_one(tmp_path, rubric):
    found, _ = read(tmp_path, rubric, label(rubric, "YES"), label(rubric, "NO"))
    assert [(e.criterion, e.answer, e.exchanges) for e in found] == [("warm", "NO", TALK.exchanges)]
    assert read(tmp_path, rubric, label(rubric), label(rubric, None))[0] == []  # taken back


def test_two_people_who_disagree_make_no_example(tmp_path, rubric):
    found, dropped = read(tmp_path, rubric, label(rubric), label(rubric, "NO", "bob"), label(rubric, criterion="safe"))
    assert [e.criterion for e in found] == ["safe"] and dropped["disputed"] == 1


def test_a_label_on_another_wording_or_another_text_is_left_out_and_counted(tmp_path, rubric):
    gone = transcript("t2", user="Another")
    found, dropped = read(tmp_path, rubric, label(rubric, criterion_hash="old"), label(rubric, talk=gone))
    assert found == [] and dropped == {"stale": 1, "without_text": 1, "disputed": 0}
