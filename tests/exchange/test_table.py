"""The table to fill in with a spreadsheet: what it holds, what spreadsheets do to it, and what is refused."""

import csv
import io
import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.pieces import TALKS, label, material, read, write
from tunewright.errors import RecordError
from tunewright.exchange.cells import FORMULA, guarded, table_text, unguarded
from tunewright.exchange.table_write import SPOKEN, header, rows, spoken

SAVED = 1_577_934_245  # 2020-01-02T03:04:05Z


class Sheet:
    """An exported table that a test fills in as a person would."""

    def __init__(self, found, path):
        self.path = path
        self.head = header(found)
        self.rows = [dict(zip(self.head, row, strict=True)) for row in rows(found)]

    def row(self, criterion, talk="t1", nth=0):
        return [r for r in self.rows if (r["transcript_id"], r["criterion"]) == (talk, criterion)][nth]

    def read(self, *reviewers, delimiter=",", encoding="utf-8-sig", columns=None):
        file = io.StringIO(newline="")
        writer = csv.DictWriter(file, columns or self.head, delimiter=delimiter, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({name: guarded(cell) for name, cell in row.items()} for row in self.rows)
        self.path.write_bytes(file.getvalue().encode(encoding))
        os.utime(self.path, (SAVED, SAVED))
        return read("csv", self.path, *reviewers)


@pytest.fixture
def sheet(rubric, tmp_path):
    return lambda labels=(), blind=False: Sheet(material(rubric, labels, blind), tmp_path / "sheet.csv")


def said(found):
    return [
        (x.label.transcript_id, x.label.criterion, x.label.label, x.label.note, x.label.reviewer) for x in found.said
    ]


def test_a_row_asks_one_criterion_of_one_conversation_and_two_ask_about_the_whole(sheet):
    found = sheet()
    assert [r["criterion"] for r in found.rows] == ["safe", "warm", "curious", "late", "", ""] * 2
    warm = found.row("warm")
    assert (
        warm["question"] == "warm: Does the coach do warm?" and warm["reasons"] == "random: drawn; gate: NO, said large"
    )
    assert (warm["judges"], warm["combined"]) == ("large: YES; small: NO", "NO")
    assert warm["evidence"] == "large: exchanges 2; so\nsmall: exchanges 2; so"
    assert (warm["label"], warm["note"], warm["reviewer"]) == ("", "", "")


def test_a_blind_table_says_nothing_of_the_judges_and_its_labels_are_blind(sheet):
    blind, seen = sheet(blind=True), sheet()
    assert not set(blind.head) & {"judges", "combined", "evidence"}
    assert "large" not in str(blind.rows) and "large" in str(seen.rows)
    for one in (blind, seen):
        one.row("warm")["label"] = "YES"
    assert [one.read("tess").said[0].label.blind for one in (blind, seen)] == [True, False]
    assert not seen.read("tess", columns=["key", "reviewer", "note", "label"]).said[0].label.blind


def test_conversations_are_a_row_a_message(rubric):
    first = next(iter(spoken(material(rubric))))
    assert dict(zip(SPOKEN, first, strict=True)) == {
        "transcript_id": "t1", "exchange": "1", "speaker": "user", "words": "6", "text": "My cat is ill again 1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "means"),
    [
        ("yes", "YES"),
        (" No ", "NO"),
        ("TRUE", "YES"),
        ("False", "NO"),
        ("n/a", "NA"),
        ("Unsure", "unsure"),
        ("?", "unsure"),
    ],
)
def test_what_people_and_spreadsheets_write_for_an_answer_is_understood(sheet, cell, means):
    found = sheet()
    found.row("warm")["label"] = cell
    assert said(found.read("tess")) == [("t1", "warm", means, "", "tess")]


def test_the_whole_and_what_is_missing_have_answers_of_their_own(sheet):
    found = sheet()
    found.row("", nth=0).update(label="Not  satisfied", note="too long", reviewer="uwe")
    found.row("", nth=1)["note"] = "humour"
    found.row("safe", "t2")["note"] = "unclear"
    read = found.read("tess")
    assert said(read) == [
        ("t1", None, "not satisfied", "too long", "uwe"), ("t1", None, "criterion missing", "humour", "tess"),
        ("t2", "safe", "note", "unclear", "tess"),
    ]  # fmt: skip
    assert read.said[0].label.time == "2020-01-02T03:04:05.000000Z"  # when the table was saved
    assert read.said[2].label.content_hash == TALKS[1].content_hash


def test_a_changed_row_is_a_new_decision_an_unchanged_one_the_old_and_an_emptied_one_takes_nothing_back(sheet, rubric):
    labels = [label(rubric, criterion=c, n=n, note="a\r\nb") for n, c in enumerate(("warm", "safe", "late"), 1)]
    found = sheet(labels)
    found.row("warm").update(label="NO")
    found.row("safe").update(label=" yes", note="a\nb ")
    found.row("late").update(label="", note="")
    read = found.read()
    assert [x.label for x in read.said][0] == labels[1]  # gates stand first
    assert said(read)[1] == ("t1", "warm", "NO", "a\r\nb", "ann") and len(read.said) == 2
    assert [*read.told.elements()] == ["rows that had a label were emptied (that takes nothing back)"]


def test_a_copied_row_with_another_reviewer_is_a_second_opinion(sheet):
    found = sheet()
    warm = found.row("warm")
    warm.update(label="YES", reviewer="ann")
    found.rows.append(warm | {"label": "NO", "reviewer": "bob"})
    assert [x[2:] for x in said(found.read())] == [("YES", "", "ann"), ("NO", "", "bob")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16"])
def test_dialects_of_spreadsheets_are_understood(sheet, delimiter, encoding):
    found = sheet()
    found.row("warm").update(label="NO", note='é; "x", y\nz', reviewer="ann")
    read = found.read(delimiter=delimiter, encoding=encoding)
    assert (said(read), read.faults) == ([("t1", "warm", "NO", 'é; "x", y\nz', "ann")], [])


def test_columns_may_be_moved_or_dropped_but_for_those_that_say_what_is_decided(sheet):
    found = sheet()
    found.row("warm").update(label="NO", reviewer="ann")
    assert len(found.read(columns=["key", "reviewer", "note", "label"]).said) == 1
    with pytest.raises(RecordError, match="line 1: found .*, expected a header with label, note, reviewer, key"):
        found.read(columns=["label", "note", "reviewer"])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"label": "maybe"}, "label: found 'maybe', expected one of YES, NO, NA, unsure, note, or nothing"),
        ({"label": "satisfied"}, "label: found 'satisfied', expected one of YES"),
        ({"label": "note", "reviewer": "ann"}, "'note' needs a note"),
        (
            {"label": "YES", "reviewer": " "},
            "reviewer: found nothing, expected a name; fill it in, or give: --reviewer",
        ),
        ({"label": "YES", "reviewer": "a\nb"}, "reviewer: found 'a\\nb', expected at most 80 visible characters"),
        ({"key": "", "label": "YES"}, "key: found '', expected what `tunewright labels export` wrote there"),
        ({"key": "{}"}, "key: found '{}', expected what"),
        ({"transcript_id": "t2"}, "transcript_id: found 't2', but the key of this row is that of 't1': were only some"),
        ({"criterion": "safe"}, "criterion: found 'safe', but the key of this row is that of 'warm'"),
    ],
)
def test_a_bad_row_is_told_with_the_number_that_a_spreadsheet_shows(sheet, change, fault):
    found = sheet()
    found.row("warm").update(change)
    read = found.read()
    assert read.said == [] and len(read.faults) == 1
    assert read.faults[0].startswith("row 3, ") and fault in read.faults[0]


def test_a_table_of_another_domain_is_refused(rubric, tmp_path):
    other = replace(material(rubric, [label(rubric)]), domain="support")
    found = read("csv", write("csv", tmp_path, other))
    assert found.said == [] and "found the domain 'support' (version 1), expected 'therapy'" in found.faults[0]


def test_two_answers_of_one_person_in_one_table_are_a_contradiction(sheet):
    found = sheet()
    warm = found.row("warm")
    warm.update(label="YES", reviewer="ann")
    found.rows.append(warm | {"label": "NO"})
    read = found.read()
    assert read.said == [] and "row 14 (t1), warm: found 'NO' of ann, but 'YES' at row 3 (t1)" in read.faults[0]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "line 1: found '', expected a header"),
        (b"label,note,reviewer,key\n\xe9,,,\n", "line 2: found the byte 0xe9, expected UTF-8; save it as 'CSV UTF-8'"),
        (b'label,note,reviewer,key\n"a\n', "line 2: the table cannot be read on from here"),
        (b"label,label,note,reviewer,key\n", "line 1: found 'label,label"),
        (b"\xff\xfe\x00", "expected UTF-8"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path, data, says):
    path = tmp_path / "x.csv"
    path.write_bytes(data)
    with pytest.raises(RecordError) as caught:
        read("csv", path)
    assert says in str(caught.value)


def test_excel_s_own_first_line_and_rows_of_the_wrong_length_are_known(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("sep=;\nlabel;note;reviewer;key\n;;;\nYES;;ann\n")
    assert read("csv", path).faults == ["row 3: found 3 cells, expected 4 as in the header"]


@given(st.text(alphabet="'=+-@\t\r\n\uff1da ", max_size=6))
def test_no_cell_begins_like_a_formula_and_each_gives_its_text_back(text):
    cell = guarded(text)
    assert unguarded(cell) == text
    assert not FORMULA.match(cell) or cell.startswith("'")


@settings(max_examples=50)
@given(st.lists(st.tuples(st.binary(max_size=12), st.sampled_from([b",", b'"', b"\n", b"{}"])), max_size=12))
def test_whatever_bytes_come_it_is_a_fault_or_an_error_that_says_where(tmp_path_factory, parts):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"label,note,reviewer,key\n" + b"".join(map(b"".join, parts)))
    try:
        found = read("csv", path)
    except RecordError as error:
        assert str(error).startswith(f"{path}, line ")
    else:
        assert found.said == [] and all(fault.startswith("row ") for fault in found.faults)


def test_an_exported_table_opens_as_utf_8_with_no_formula(rubric, tmp_path):
    path = write("csv", tmp_path, material(rubric, [label(rubric, note="=cmd()|x")]))
    assert path.read_bytes().startswith(b"\xef\xbb\xbftranscript_id,")
    text = table_text(SPOKEN, spoken(material(rubric)))
    assert "\r\nt2,1,user,2,'=SUM(A1) 1\r\n" in text
    assert "'=cmd()|x" in path.read_text("utf-8-sig")
