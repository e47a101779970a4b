"""Labels that go out and come back are the same labels, whatever is in them."""

import tempfile
from itertools import count

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.conftest import rubric_fields
from tests.exchange.pieces import TALKS, label, material, read, write
from tunewright.exchange.arriving import arrival, keep
from tunewright.labels import REMARKS, in_force, read_labels, read_texts
from tunewright.rubric import Rubric

RUBRIC = Rubric.model_validate(rubric_fields())
CONTENTS = {talk.id: talk.content_hash for talk in TALKS}
NASTY = [
    "=1+1",
    "'=1+1",
    "''",
    "'tis",
    "-",
    "@x",
    "\t",
    "\r\n",
    '"',
    '";,',
    "\n\n",
    "&amp;<b>",
    "\u202e",
    "\x00",
    "  ",
    "\ufeff",
]
TEXT = st.lists(st.sampled_from([*NASTY, "a", "é", "😀", "TRUE", "1/2"]), max_size=4).map("".join)
CRITERIA = [c.id for c in RUBRIC.criteria]


@st.composite
def labels(draw):
    """Labels of two people on two conversations, in force or not."""
    numbers, found = count(1), []
    for _ in range(draw(st.integers(0, 8))):
        said = draw(
            st.sampled_from(["YES", "NO", "NA", "unsure", "satisfied", "not satisfied", "note", "criterion missing"])
        )
        whole = said in ("satisfied", "not satisfied", "criterion missing") or (said == "note" and draw(st.booleans()))
        note = draw(TEXT) + ("x" if said in REMARKS else "")
        rest = {"note": note, "reviewer": draw(st.sampled_from(["ann", "@bob"])), "blind": draw(st.booleans())}
        on = None if whole else draw(st.sampled_from(CRITERIA))
        found.append(label(RUBRIC, said, draw(st.sampled_from(TALKS)), on, next(numbers), **rest))
    return found


@pytest.mark.parametrize("form", ["label-studio", "csv"])
@settings(max_examples=40)
@given(labels(), st.booleans())
@example([label(RUBRIC, "note", n=n, note="odd") for n in (1, 2)], False)
def test_the_labels_in_force_arrive_in_an_empty_domain_as_they_were(form, given_labels, blind):
    held = in_force(given_labels)
    with tempfile.TemporaryDirectory() as folder:
        found = read(form, write(form, folder, material(RUBRIC, held, blind)))
    assert found.faults == []
    assert in_force(arrival(found.said, [], CONTENTS, RUBRIC).new) == held


@pytest.mark.parametrize("form", ["label-studio", "csv"])
def test_what_is_imported_twice_is_there_once_and_the_texts_with_it(form, tmp_path):
    old = [label(RUBRIC), label(RUBRIC, "note", n=2, note="odd"), label(RUBRIC, "satisfied", TALKS[1], None, 3)]
    path = write(form, tmp_path, material(RUBRIC, old))
    first = arrival(read(form, path).said, read_labels(tmp_path), CONTENTS, RUBRIC)
    keep(tmp_path, first.new, TALKS)
    again = arrival(read(form, path).said, read_labels(tmp_path), CONTENTS, RUBRIC)
    assert (len(first.new), first.n_there, again.new, again.n_there) == (3, 0, [], 3)
    assert read_labels(tmp_path) == old
    assert [*read_texts(tmp_path).values()] == [*TALKS]


def test_imported_words_are_not_kept_with_the_label_on_them(tmp_path):
    private = TALKS[0].model_copy(update={"user": "imported"})
    keep(tmp_path, [label(RUBRIC)], [private])
    assert len(read_labels(tmp_path)) == 1 and read_texts(tmp_path) == {}


def test_a_label_on_words_that_have_changed_since_arrives_as_a_stale_one_and_without_the_new_words(tmp_path):
    path = write("csv", tmp_path, material(RUBRIC, [label(RUBRIC), label(RUBRIC, "NO", TALKS[1], n=2)]))
    changed = TALKS[0].model_copy(update={"exchanges": TALKS[1].exchanges})
    found = arrival(read("csv", path).said, [], {"t1": changed.content_hash}, RUBRIC)
    keep(tmp_path, found.new, [changed])
    assert [(x.transcript_id, x.content_hash) for x in found.new] == [*CONTENTS.items()]
    assert found.stale == {"its conversation has changed": 1, "its conversation is gone": 1}
    assert read_texts(tmp_path) == {}


def test_a_label_that_its_reviewer_took_back_here_stays_taken_back(tmp_path):
    first = label(RUBRIC)
    path = write("csv", tmp_path, material(RUBRIC, [first]))
    lines = [first, label(RUBRIC, "undo", n=2, undoes=first.id)]
    assert arrival(read("csv", path).said, lines, CONTENTS, RUBRIC).new == []
