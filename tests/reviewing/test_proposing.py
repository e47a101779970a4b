"""Proposed calibration examples always read back as what was meant, whatever the words are."""

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from tests.conftest import transcript
from tests.reviewing.conftest import write_talks
from tunewright.calibration import Calibration, CalibrationExample
from tunewright.config import load_file, read_yaml
from tunewright.reviewing.proposing import PROPOSED, Proposed, example_of, text_of

REASON = "It asks which cat: exchange 2."
TRICKY = [
    "- a: 'b'",
    "yes",
    "null",
    "# no comment",
    "tab\there",
    "a\n\nb",
    "  led by spaces",
    "\U0001f63f",
    "1e3",
    "{{x}}",
]


def proposed(reader):
    """The examples of the file, checked as calibration.yaml is."""
    found = read_yaml(reader.settings.root / "reviews/therapy" / PROPOSED)
    return Calibration.model_validate(found | {"worked": ()}).examples


def test_a_decision_becomes_an_example_in_the_form_of_calibration_yaml(ann, talks):
    ann.post("/labels", criterion="warm", label="NO")
    ann.post("/labels", "t2", criterion="warm", label="YES")
    ann.post("/labels", criterion="curious", label="NA")
    first = ann.post("/calibration", criterion="warm", reason=REASON, borderline=True, until=2).json()
    assert first == {"criterion": "warm", "file": f"reviews/therapy/{PROPOSED}", "n": 1}
    assert ann.post("/calibration", "t2", criterion="warm", reason=REASON).json()["n"] == 2
    ann.post("/calibration", criterion="curious", reason="Nothing of the kind\ncame up.")
    found = proposed(ann)
    warm, other = found["warm"]
    assert (warm.label, warm.borderline, warm.reason, warm.answer) == ("fail", True, REASON, "NO")
    assert warm.resolve({}, "") == talks[0].exchanges[:2] and other.resolve({}, "") == talks[1].exchanges
    assert [(e.label, e.reason) for e in found["curious"]] == [("na", "Nothing of the kind came up.")]
    text = (ann.folder / "reviews/therapy" / PROPOSED).read_text("utf-8")
    assert text.startswith("# Calibration examples that readers proposed") and "conf/domain/therapy/calibration" in text


def test_the_same_words_proposed_again_take_the_place_of_the_earlier_proposal(ann):
    ann.post("/labels", criterion="warm", label="NO")
    ann.post("/calibration", criterion="warm", reason=REASON)
    ann.post("/labels", criterion="warm", label="YES")
    ann.post("/calibration", criterion="warm", reason="On second thoughts it is warm.")
    assert [(e.label, e.reason) for e in proposed(ann)["warm"]] == [("pass", "On second thoughts it is warm.")]


@pytest.mark.parametrize(
    ("label", "sent", "status", "says"),
    [
        (None, {}, 409, "decide on this criterion first"), ("unsure", {}, 409, "sure of"),
        ("NO", {"reason": " short "}, 422, "ten characters"), ("NO", {"until": 9}, 422, "no exchange 9"),
        ("NO", {"criterion": "gone"}, 422, "no criterion"),
    ],
)  # fmt: skip
def test_what_can_be_no_example_is_refused_in_words(ann, label, sent, status, says):
    if label:
        ann.post("/labels", criterion="warm", label=label)
    answer = ann.post("/calibration", **({"criterion": "warm", "reason": REASON} | sent))
    assert answer.status_code == status and says in answer.text
    assert not (ann.folder / "reviews/therapy" / PROPOSED).exists()


def test_imported_words_never_become_an_example(ann):
    write_talks(ann.folder, transcript("t1", user="imported"), transcript("t2").model_copy(update={"user": "imported"}))
    ann.post("/labels", "t2", criterion="warm", label="NO")
    answer = ann.post("/calibration", "t2", criterion="warm", reason=REASON)
    assert answer.status_code == 409 and "imported words" in answer.text
    assert not (ann.folder / "reviews/therapy" / PROPOSED).exists()


def test_a_file_that_somebody_broke_is_left_as_it_is(ann):
    path = ann.folder / "reviews/therapy" / PROPOSED
    path.parent.mkdir(parents=True)
    path.write_text("examples: [", "utf-8")
    ann.post("/labels", criterion="warm", label="NO")
    answer = ann.post("/calibration", criterion="warm", reason=REASON)
    assert answer.status_code == 409 and "not valid YAML" in answer.text
    assert path.read_text("utf-8") == "examples: ["


@effort(max_examples=25)
@given(st.lists(st.text(min_size=1) | st.sampled_from(TRICKY), min_size=2, max_size=3), st.text(min_size=10))
def test_any_words_read_back_as_they_were(tmp_path_factory, said, reason):
    talk = transcript(n=0).model_copy(
        update={"exchanges": tuple(transcript(n=1, user=u, assistant=a).exchanges[0] for u in said for a in said[:2])}
    )
    try:
        example = example_of(talk, "NO", reason, False, None)
    except ValueError:
        assert len(" ".join(reason.split())) < 10
        return
    path = tmp_path_factory.getbasetemp() / "proposed.yaml"
    path.write_text(text_of({"warm": (example, example)}, "conf/x.yaml"), "utf-8", newline="\n")
    assert load_file(path, Proposed).examples == {"warm": (example, example)}
    assert isinstance(example, CalibrationExample)
