"""Label Studio's tasks, its labelling interface, and what its JSON export says."""

import json
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import criterion, rubric_fields
from tests.exchange.pieces import TALKS, label, material, read, terms
from tunewright.errors import ConfigError, RecordError
from tunewright.exchange.label_studio_config import config_xml
from tunewright.exchange.label_studio_read import read_tasks
from tunewright.exchange.label_studio_write import tasks
from tunewright.exchange.said import reviewers_of
from tunewright.rubric import Rubric

SUBMITTED = "2020-05-01T10:00:00.5+02:00"


def chosen(control, choice, **rest):
    fields = {"id": "Twt4adXMeN", "from_name": control, "to_name": "conversation", "type": "choices"}
    return fields | {"value": {"choices": [choice]}} | rest


def typed(control, *texts):
    return {"id": "eJ3FIgPCCX", "from_name": control, "type": "textarea", "value": {"text": [*texts]}}


def annotation(*results, **rest):
    """What the tool exports for one annotator."""
    return {"id": 7, "result": [*results], "was_cancelled": False, "completed_by": 3, "updated_at": SUBMITTED} | rest


@pytest.fixture
def exported(rubric, tmp_path):
    """Read the export of an export, the first task with these annotations instead of its own."""

    def start(*annotations, labels=(), blind=False, reviewers=("tess",), prefilled=False, change=lambda task: None):
        found = tasks(material(rubric, labels, blind))
        found[0]["annotations"] = found[0]["annotations"] + [*annotations]
        change(found[0])
        path = tmp_path / "done.json"
        path.write_text(json.dumps(found))
        return read_tasks(path, terms(*reviewers, prefilled=prefilled))

    return start


def said(found):
    return [(x.label.criterion, x.label.label, x.label.note, x.label.reviewer) for x in found.said]


def test_a_task_holds_the_conversation_the_reasons_each_judge_s_answers_and_each_reviewer_s_labels(rubric):
    bob = label(rubric, "NO", n=2, reviewer="bob", note="cold")
    first = tasks(material(rubric, [label(rubric), bob]))[0]
    assert first["data"]["conversation"][:2] == [
        {"speaker": "1 user", "text": "My cat is ill again 1"}, {"speaker": "1 assistant", "text": "Which cat is it 1"},
    ]  # fmt: skip
    assert first["data"]["reasons"] == "random: drawn; gate: NO, said large"
    assert first["data"]["judges_warm"] == ("large: YES; small: NO | large: exchanges 2; so | small: exchanges 2; so")
    answers = [(p["model_version"], [r["value"]["choices"][0] for r in p["result"]]) for p in first["predictions"]]
    assert answers == [("large", ["YES"]), ("small", ["NO"]), ("combined", ["NO"])]
    assert [
        (a["reviewer"], [(r["from_name"], *r["value"].values()) for r in a["result"]]) for a in first["annotations"]
    ] == [
        ("ann", [("answer_warm", ["YES"])]),
        ("bob", [("answer_warm", ["NO"]), ("note_warm", ["cold"])]),
    ]


def test_a_blind_task_and_its_interface_hold_nothing_of_the_judges(rubric):
    blind = material(rubric, blind=True)
    assert all(task["predictions"] == [] for task in tasks(blind))
    written = json.dumps(tasks(blind)) + config_xml(blind)
    assert "judges" not in written and "large" not in written and "large: YES" in json.dumps(tasks(material(rubric)))
    assert {task["data"]["reasons"] for task in tasks(blind)} == {""}


def test_the_interface_asks_each_criterion_once_and_a_rubric_s_words_are_no_markup():
    fields = rubric_fields()
    fields["criteria"][0] = criterion("warm", "heart", question='Is "a" < b & <Choice value="x"/>\x07\nor not?')
    root = ElementTree.fromstring(config_xml(material(Rubric.model_validate(fields))))
    controls = {c.get("name"): [choice.get("value") for choice in c] for c in root.iter("Choices")}
    answers = ["YES", "NO", "NA", "unsure"]
    assert [*controls] == ["answer_safe", "answer_warm", "answer_curious", "answer_late", "overall"]
    assert controls["answer_warm"] == answers and controls["overall"] == ["satisfied", "not satisfied"]
    texts = {text.get("name") for text in root.iter("TextArea")}
    assert texts >= {"note_warm", "overall_note", "notes", "missing"}
    headers = [header.get("value") or "" for header in root.iter("Header")]
    assert 'warm: Is "a" < b & <Choice value="x"/>\ufffd\nor not?' in headers
    assert {t.get("toName") for t in root.iter() if t.get("toName")} == {root.findall(".//Paragraphs")[0].get("name")}


def test_what_is_measured_has_a_place_only_where_somebody_decided_it(rubric):
    controls = [name for n in (0, 1) for name in [config_xml(material(rubric, [label(rubric, criterion="plain")] * n))]]
    assert ["answer_plain" in text for text in controls] == [False, True]


def test_answers_become_the_annotator_s_labels_at_the_time_of_the_last_change(rubric, exported):
    form = annotation(chosen("answer_warm", "NO"), typed("note_warm", "one", "two"), chosen("overall", "satisfied"))
    found = exported(form, blind=True)
    assert (said(found), found.faults) == ([("warm", "NO", "one\ntwo", "tess"), (None, "satisfied", "", "tess")], [])
    one = found.said[0].label
    assert (one.time, one.blind, one.content_hash) == ("2020-05-01T08:00:00.500000Z", True, TALKS[0].content_hash)
    assert one.question_hash == rubric.question_hash(rubric.criteria[0])
    assert not exported(form).said[0].label.blind


def test_texts_without_an_answer_are_remarks(exported):
    form = annotation(typed("note_warm", "odd", " "), typed("notes", "long"), typed("missing", "humour"))
    assert said(exported(form)) == [
        ("warm", "note", "odd", "tess"), (None, "note", "long", "tess"), (None, "criterion missing", "humour", "tess"),
    ]  # fmt: skip


def test_a_remark_that_is_handed_in_again_later_is_the_same_remark_and_an_answer_is_a_new_one(exported):
    results = (typed("missing", "humour"), chosen("answer_warm", "NO"))
    one, other = (exported(annotation(*results, updated_at=f"2020-05-0{n}")).said for n in (1, 2))
    ids = [{x.label.label: x.label.id for x in found} for found in (one, other)]
    assert ids[0]["criterion missing"] == ids[1]["criterion missing"] and ids[0]["NO"] != ids[1]["NO"]


def test_what_the_annotator_left_as_it_was_exported_stays_its_reviewer_s_and_what_changed_is_the_annotator_s(
    rubric, exported
):
    labels = [label(rubric), label(rubric, "NA", criterion="safe", n=2)]

    def edit(task):
        form = task["annotations"][0]
        form["result"][0]["value"]["choices"] = ["NO"]
        form |= {"completed_by": {"id": 3, "email": "tess@example.org"}, "updated_at": SUBMITTED}

    found = exported(labels=labels, reviewers=(), change=edit)
    assert said(found) == [("warm", "NO", "", "tess@example.org"), ("safe", "NA", "", "ann")]
    assert found.said[1].label == labels[1]


def test_judges_answers_that_nobody_touched_are_left_out_and_counted(exported):
    form = annotation(chosen("answer_warm", "YES", origin="prediction"), chosen("answer_safe", "NA", origin="manual"))
    found = exported(form)
    assert said(found) == [("safe", "NA", "", "tess")] and sum(found.told.values()) == 1
    assert len(exported(form, prefilled=True).said) == 2


def test_people_are_named_one_by_one_where_there_are_several(exported):
    forms = annotation(chosen("answer_warm", "YES")), annotation(chosen("answer_warm", "NO"), completed_by=4)
    assert [x[3] for x in said(exported(*forms, reviewers=("3=tess", "4=uwe")))] == ["tess", "uwe"]
    assert (
        "2 people for a single name; say who is who: --reviewer 3=NAME --reviewer 4=NAME" in exported(*forms).faults[0]
    )
    assert [fault.split(": ", 1)[1] for fault in exported(forms[0], reviewers=()).faults] == [
        "completed_by: found '3', which is no name; say who it is: --reviewer NAME"
    ]


def test_skipped_annotations_and_other_people_s_controls_are_counted_and_left_out(exported):
    found = exported(annotation(was_cancelled=True), annotation(chosen("mood", "YES"), {"type": "relation"}))
    assert (found.said, found.faults, sum(found.told.values())) == ([], [], 3)


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        (annotation(chosen("answer_warm", "yes")), "'answer_warm': found ['yes'], expected one of YES, NO, NA, unsure"),
        (annotation(chosen("answer_gone", "YES")), "found the criterion 'gone', expected one that the export asked"),
        (annotation(chosen("answer_warm", "YES") | {"value": 1}), "'answer_warm': found 1, expected a list of text"),
        (annotation(typed("missing", "\ud800")), "found '\\ud800' of 'tess', expected text that UTF-8 can hold"),
        (
            annotation(chosen("overall", "satisfied"), updated_at="yesterday"),
            "found the time 'yesterday', expected ISO",
        ),
        (annotation(typed("notes", 3)), "'notes': found {'text': [3]}, expected a list of text under 'text'"),
        (annotation(*(chosen("overall", "satisfied") for _ in "ab")), "overall: found ['satisfied', 'satisfied'], exp"),
        (annotation(result={}), "result: found {}, expected a list"),
        ("nothing", "result: found nothing, expected a list"),
    ],
)
def test_a_bad_annotation_is_told_with_its_place(exported, form, fault):
    found = exported(form)
    assert found.said == [] and len(found.faults) == 1
    assert found.faults[0].startswith("task 1 (t1), annotation 1") and fault in found.faults[0]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda task: task.pop("data"), "data.tunewright: found nothing, expected what `tunewright labels export`"),
        (lambda task: task.pop("annotations"), "annotations: found nothing, expected a list"),
        (lambda task: task["data"]["tunewright"].pop("blind"), "data.tunewright.blind: Field required"),
        (
            lambda task: task["data"]["tunewright"].update(domain="support"),
            "found the domain 'support' (version 1), exp",
        ),
        (
            lambda task: task["data"]["tunewright"].update(content_hash="0"),
            "is about t1, expected t1 as exported; leave",
        ),
    ],
)
def test_a_task_that_is_not_as_exported_is_told(exported, rubric, change, fault):
    found = exported(labels=[label(rubric)], change=change)
    assert found.said == [] and found.faults[0].startswith("task 1: ") and fault in found.faults[0]


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "[" * 100_000, "\x80", '"text"', "NaN"])
def test_a_file_that_is_no_export_is_refused(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RecordError, match="x.json: (not valid JSON|found .*, expected a list of tasks)"):
        read_tasks(path, terms("tess"))


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just([]), st.just({}), st.just([[]]),
    st.just({"email": []}), st.just("\ud800"), st.just("9999-12-31T23:59:59-14:00"),
)  # fmt: skip


def places(value, path=()):
    """The path to every node of a JSON value."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


@settings(max_examples=60)
@given(st.data())
def test_whatever_stands_anywhere_in_an_export_is_a_fault_or_an_error_that_says_where(tmp_path_factory, data):
    rubric = Rubric.model_validate(rubric_fields())
    value = {
        "tasks": tasks(material(rubric, [label(rubric, note="n"), label(rubric, "satisfied", criterion=None, n=2)]))
    }
    value["tasks"][0]["annotations"].append(annotation(chosen("answer_warm", "NO"), typed("missing", "humour")))
    *path, last = data.draw(st.sampled_from([p for p in places(value) if p]))
    at = value
    for key in path:
        at = at[key]
    at[last] = data.draw(JUNK)
    file = tmp_path_factory.getbasetemp() / "any.json"
    file.write_text(json.dumps(value["tasks"]))
    try:
        found = read("label-studio", file, "tess")
    except RecordError as error:
        assert str(error).startswith(f"{file}: ")
    else:
        assert all(fault.startswith(("task ", "completed_by: ")) for fault in found.faults)
        assert all(one.label.model_dump_json() for one in found.said)


@pytest.mark.parametrize("options", [["=ann"], ["3="], [""], ["ann", "bob"]])
def test_a_reviewer_who_is_nobody_is_refused(options):
    with pytest.raises(ConfigError, match="expected one NAME, and WHO=NAME"):
        reviewers_of(options)


def test_a_time_to_come_is_taken_for_now(exported):
    found = exported(annotation(chosen("answer_warm", "YES"), updated_at="2999-01-01T00:00:00Z"))
    assert "2020" < found.said[0].label.time < "2999"


def test_two_answers_of_one_person_at_one_time_are_a_contradiction(rubric, tmp_path):
    found = tasks(material(rubric))
    found[0]["annotations"] = [annotation(chosen("answer_warm", said)) for said in ("YES", "NO")]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(found))
    read_again = read("label-studio", path, "tess")
    assert read_again.said == []
    assert "annotation 2, warm: found 'NO' of tess, but 'YES' at task 1 (t1), annotation 1" in read_again.faults[0]
