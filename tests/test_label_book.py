"""Labels are written with their text, in the order of deciding, by several people at once, and merge in git."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.conftest import transcript
from tunewright import decisions
from tunewright.errors import StorageError
from tunewright.label_book import LabelBook
from tunewright.labels import Label, in_force, read_labels, read_texts, subject
from tunewright.preferences import Preference, PreferenceBook, preferences_in_force
from tunewright.records import write_jsonl

ROOT = Path(__file__).parents[1]
TALK = transcript("t1")
YES = {"criterion": "warm", "label": "YES", "blind": False, "question_hash": "q", "rubric_version": "r"}
NO = YES | {"label": "NO"}
BASE = {
    "transcript_id": "t1", "persona_id": "p", "base_hash": "b", "tuned_hash": "t", "question": "overall",
    "better": "base", "rubric_version": "r",
}  # fmt: skip


def book(folder, reviewer="ann"):
    return LabelBook(folder, reviewer)


def said(labels):
    return [(x.reviewer, x.criterion, x.label) for x in labels]


def test_a_label_comes_with_its_text_and_a_second_label_does_not_repeat_it(tmp_path):
    ann, bob = book(tmp_path), book(tmp_path, "bob")
    first, second = ann.add(TALK, YES), bob.add(TALK, NO)
    assert read_labels(tmp_path) == ann.read() == [first, second]
    assert read_texts(tmp_path) == {TALK.content_hash: TALK}
    assert len((tmp_path / "transcripts.jsonl").read_text().splitlines()) == 1


def test_a_text_that_went_missing_is_kept_again_with_the_next_label(tmp_path):
    ann = book(tmp_path)
    ann.add(TALK, YES)
    (tmp_path / "transcripts.jsonl").write_text("")  # another branch, checked out under a running app
    ann.add(TALK, NO)
    assert read_texts(tmp_path) == {TALK.content_hash: TALK}


@pytest.mark.parametrize("field", ["user", "assistant", "user_kind"])
def test_imported_words_never_get_into_the_folder_that_is_in_git(tmp_path, field):
    book(tmp_path).add(TALK.model_copy(update={field: "imported"}), YES)
    assert len(read_labels(tmp_path)) == 1 and not (tmp_path / "transcripts.jsonl").exists()


def test_a_label_that_is_none_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValidationError):
        book(tmp_path).add(TALK, YES | {"label": "perhaps"})
    assert read_labels(tmp_path) == []


def test_the_reviewer_id_and_time_are_not_the_pages_to_say(tmp_path):
    forged = {"reviewer": "bob", "id": "1", "time": "2000-01-01T00:00:00.000000Z"}
    label = book(tmp_path).add(TALK, YES | forged)
    assert label.reviewer == "ann" and label.id != "1" and label.time > "2026"


def test_undo_takes_ones_own_last_decisions_back_one_by_one_and_never_anothers(tmp_path):
    ann, bob = book(tmp_path), book(tmp_path, "bob")
    ann.add(TALK, YES)
    ann.add(TALK, NO)
    bob.add(TALK, YES)
    undone = ann.undo(TALK, "r2")
    assert undone is not None and (undone.label, undone.criterion, undone.rubric_version) == ("undo", "warm", "r2")
    assert said(ann.in_force()) == [("ann", "warm", "YES"), ("bob", "warm", "YES")]
    assert ann.undo(TALK, "r") and said(ann.in_force()) == [("bob", "warm", "YES")]
    assert ann.undo(TALK, "r") is None and len(ann.read()) == 5


def test_undo_is_about_one_text_of_one_conversation(tmp_path):
    ann = book(tmp_path)
    ann.add(transcript("t1", user="Before"), YES)
    ann.add(transcript("t2"), NO)  # the same words in another conversation
    assert ann.undo(TALK, "r") is None and len(ann.in_force()) == 2


def test_nobody_can_take_back_what_another_decided(tmp_path):
    label = book(tmp_path).add(TALK, YES)
    book(tmp_path, "bob").add(TALK, YES | {"label": "undo", "undoes": label.id})
    assert in_force(read_labels(tmp_path)) == [label]


def test_the_latest_decision_holds_when_the_clock_was_set_back(tmp_path, monkeypatch):
    times = iter(["2026-11-22T08:00:00.999999Z", "2026-11-22T07:00:00.000000Z"])
    monkeypatch.setattr(decisions, "now", lambda: next(times))
    ann = book(tmp_path)
    ann.add(TALK, YES)
    assert ann.add(TALK, NO).time == "2026-11-22T08:00:01.000000Z"
    assert said(ann.in_force()) == [("ann", "warm", "NO")]


def test_a_time_in_another_form_is_refused():
    fields = YES | {"id": "1", "reviewer": "ann", "transcript_id": "t", "content_hash": "c"}
    with pytest.raises(ValidationError, match="time"):
        Label.model_validate(fields | {"time": datetime.now(UTC).isoformat()})


def test_a_label_that_cannot_be_written_is_an_error_even_though_its_text_is_there(tmp_path):
    (tmp_path / "labels.jsonl").mkdir()
    with pytest.raises(StorageError, match="labels.jsonl"):
        book(tmp_path).add(TALK, YES)
    assert TALK.content_hash in read_texts(tmp_path)


WRITER = """
import sys
from tunewright.label_book import LabelBook
from tunewright.records import Transcript, read_jsonl
folder, reviewer = sys.argv[1:]
talks = read_jsonl(folder + "/talks.jsonl", Transcript)
print("ready", flush=True)
sys.stdin.readline()
book = LabelBook(folder, reviewer)
for n in range(200):
    fields = {"criterion": f"c{n}", "label": "YES", "blind": False, "question_hash": "q", "rubric_version": "r"}
    book.add(talks[n % len(talks)], fields)
"""


def test_two_processes_that_write_at_once_lose_nothing_and_keep_each_text_once(tmp_path):
    write_jsonl(tmp_path / "talks.jsonl", [transcript(f"t{n}") for n in range(8)])
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    writers = [subprocess.Popen([*command, name], **pipes) for name in ("ann", "bob")]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 2
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    found = read_labels(tmp_path)
    assert sorted((x.reviewer, x.criterion) for x in found) == sorted(
        (name, f"c{n}") for name in ("ann", "bob") for n in range(200)
    )
    assert len((tmp_path / "transcripts.jsonl").read_text().splitlines()) == 8


def git(folder, *words):
    name = ["-c", "user.name=ann", "-c", "user.email=ann@example.org"]
    return subprocess.run(["git", *name, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("ends_whole", [True, False])
def test_git_merges_what_two_people_decided_and_either_way_the_same_holds(tmp_path, ends_whole):
    reviews, talk = tmp_path / "reviews/therapy", transcript("t2", user="Another")
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / ".gitattributes").write_text((ROOT / ".gitattributes").read_text())
    first = book(reviews).add(TALK, YES)
    commit(tmp_path)
    git(tmp_path, "checkout", "-q", "-b", "bobs")
    book(reviews, "bob").add(TALK, NO)
    book(reviews, "bob").add(talk, NO)
    commit(tmp_path)
    git(tmp_path, "checkout", "-q", "main")
    book(reviews).add(talk, YES)
    book(reviews).undo(TALK, "r")
    labels = reviews / "labels.jsonl"
    if not ends_whole:
        labels.write_bytes(labels.read_bytes().rstrip(b"\n"))
    commit(tmp_path)
    found = [merged(tmp_path, *order) for order in (("main", "bobs"), ("bobs", "main"))]
    assert {x.id for x in found[0]} == {x.id for x in found[1]} and len({x.id for x in found[0]}) == 5
    assert first in found[0] and said(in_force(found[0])) == said(in_force(found[1]))
    assert said(in_force(found[0])) == [("bob", "warm", "NO"), ("bob", "warm", "NO"), ("ann", "warm", "YES")]
    assert read_texts(reviews) == {t.content_hash: t for t in (TALK, talk)}


def commit(folder):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "decided")


def merged(folder, into, what):
    git(folder, "checkout", "-q", "-B", "both", into)
    git(folder, "merge", "-q", "--no-edit", what)
    return read_labels(folder / "reviews/therapy")


IDS = st.sampled_from("abcdef")


@st.composite
def lines(draw):
    """Labels as merges and edits by hand may leave them: few ids, some of them twice with other words."""
    undoes = draw(st.none() | IDS)
    kind = draw(st.sampled_from(["YES", "NO", "note"]))
    criterion = draw(st.sampled_from(["warm", "safe"]))
    fields = {
        "id": draw(IDS), "reviewer": draw(st.sampled_from(["ann", "bob"])), "transcript_id": "t", "content_hash": "c",
        "time": f"2026-11-22T08:00:0{draw(st.integers(0, 3))}.000000Z", "note": draw(st.sampled_from("xy")),
        "label": "undo" if undoes else kind, "undoes": undoes, "criterion": criterion, "question_hash": "q",
        "blind": False, "rubric_version": "r",
    }  # fmt: skip
    return Label.model_validate(fields)


@settings(max_examples=60)
@given(st.lists(lines(), max_size=12), st.randoms(use_true_random=False), st.data())
def test_what_holds_is_the_same_for_any_order_and_repetition_of_the_lines(labels, random, data):
    repeated = labels + [x for x in labels if data.draw(st.booleans())]
    random.shuffle(repeated)
    assert in_force(repeated) == in_force(labels)


@settings(max_examples=60)
@given(st.lists(lines(), max_size=8))
def test_what_holds_is_the_same_when_lines_come_one_by_one(labels):
    standing = decisions.Standing(subject)
    for n in range(len(labels) + 1):
        assert standing.of(labels[:n]) == in_force(labels[:n])
    assert standing.of(labels[2:]) == in_force(labels[2:])  # the file was replaced


def test_preferences_have_the_same_rules(tmp_path):
    ann, bob = PreferenceBook(tmp_path, "ann"), PreferenceBook(tmp_path, "bob")
    first = ann.add(BASE)
    second, other = ann.add(BASE | {"better": "tuned"}), bob.add(BASE | {"better": "tie"})
    assert ann.in_force() == bob.in_force() == [second, other]
    undone = ann.undo("t1", "b", "t", "r2")
    assert undone is not None and (undone.better, undone.undoes, undone.question) == ("undo", second.id, "overall")
    assert ann.in_force() == [first, other] == preferences_in_force(reversed([*ann.read(), *ann.read()]))
    assert bob.undo("t1", "b", "changed", "r") is None
    with pytest.raises(ValidationError):
        Preference.model_validate(first.model_dump() | {"better": "undo"})
