"""`tunewright labels export` and `import`, from the command line: what is written and told, and when nothing is."""

import csv
import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT, persona, rubric_fields, transcript
from tests.exchange.pieces import TALKS, label, score, verdict
from tunewright.cli import app
from tunewright.config import read_yaml
from tunewright.errors import ConfigError, MissingInputError, RecordError
from tunewright.label_book import LabelBook
from tunewright.labels import read_labels, read_texts
from tunewright.records import write_jsonl
from tunewright.review_queue import QUEUE, QueueItem, Reason
from tunewright.rubric import Rubric

RUBRIC = Rubric.model_validate(rubric_fields())
PRIVATE = transcript("log-1", user="A private matter").model_copy(update={"user": "imported", "user_kind": "replay"})
FORMS = {"label-studio": "review.json", "csv": "review.csv"}


def write_queue(*talks):
    why = (Reason(kind="batch", says="a tight batch is read whole"),)
    write_jsonl(
        QUEUE, [QueueItem(transcript_id=t.id, content_hash=t.content_hash, reasons=why, drawn=1) for t in talks]
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in a domain with two conversations of this run and one with imported words in the queue."""
    monkeypatch.chdir(tmp_path)
    domain = read_yaml(ROOT / "params.yaml")["domain"] | {"rubric": "rubric.yaml", "reviews": "reviews"}
    Path("params.yaml").write_text(json.dumps({"domain": domain}))
    Path("rubric.yaml").write_text(json.dumps(rubric_fields()))
    talks = (*TALKS, PRIVATE)
    write_jsonl("data/generate/transcripts.jsonl", talks)
    write_jsonl("data/generate/verdicts.jsonl", [verdict("warm", "YES", talk=t.id) for t in talks])
    write_jsonl("data/generate/scores.jsonl", [score(t) for t in talks])
    write_jsonl("data/generate/personas.jsonl", [persona()])
    write_queue(*talks)
    return lambda *options, **rest: CliRunner().invoke(app, ["labels", *options], **rest)


def fill_in(*said, reviewer="tess"):
    """Write answers into the first rows of review.csv, and save it with semicolons."""
    table = [*csv.reader(Path("review.csv").read_text("utf-8-sig").splitlines(keepends=True))]
    for cells, answer in zip(table[1:], said, strict=False):
        cells[table[0].index("label")], cells[table[0].index("reviewer")] = answer, reviewer
    with Path("review.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=";").writerows(table)


@pytest.mark.parametrize("form", FORMS)
def test_labels_go_out_and_into_another_domain(run, form):
    book = LabelBook("reviews", "ann")
    kept = {"criterion": "warm", "question_hash": RUBRIC.question_hash(RUBRIC.criteria[0]), "blind": True}
    old = book.add(TALKS[0], kept | {"label": "NO", "note": "=cold", "rubric_version": RUBRIC.fingerprint})
    out = run("export", FORMS[form])
    assert (out.exit_code, out.stdout.splitlines()[0]) == (0, "2 conversations, 4 criteria, 1 labels")
    os.rename("reviews", "before")
    done = run("import", FORMS[form], "--yes")
    assert f"{FORMS[form]}: 1 decisions; 0 are there already, 1 are new\n  1 by ann\n" in done.stdout
    assert read_labels("reviews") == [old]
    assert [*read_texts("reviews").values()] == [TALKS[0]]
    again = run("import", FORMS[form], "--yes")
    assert "1 are there already, 0 are new\nnothing is written\n" in again.stdout and len(read_labels("reviews")) == 1


@pytest.mark.parametrize("form", FORMS)
def test_imported_words_leave_only_when_asked_for_and_with_a_warning(run, form):
    out = run("export", FORMS[form])
    assert "1 conversations with imported words left out; --with-private writes them too" in out.stdout
    written = [*Path().glob("review*")]
    assert len(written) == 2 and not any("private matter" in path.read_text("utf-8") for path in written)
    out = run("export", FORMS[form], "--with-private", "--overwrite")
    assert "warning: 1 conversations have imported words: keep these files private, and out of git" in out.stdout
    assert any("private matter" in path.read_text("utf-8") for path in written)


def test_a_table_that_somebody_may_have_filled_in_is_not_written_over(run):
    run("export", "review.csv")
    fill_in("no")
    filled = Path("review.csv").read_bytes()
    refused = run("export", "review.csv").exception
    assert isinstance(refused, ConfigError) and str(refused).startswith("review.csv: is there already, and may hold")
    assert Path("review.csv").read_bytes() == filled
    assert run("export", "review.csv", "--overwrite").exit_code == 0 and Path("review.csv").read_bytes() != filled


def test_a_conversation_that_was_left_out_asks_for_the_whole_alone(run):
    write_jsonl("data/generate/scores.jsonl", [score(TALKS[0])])
    run("export", "review.csv")
    found = [*csv.DictReader(Path("review.csv").read_text("utf-8-sig").splitlines(keepends=True))]
    asked = [(row["transcript_id"], row["criterion"]) for row in found]
    assert [c for t, c in asked if t == "t1"] == ["safe", "warm", "curious", "late", "", ""]
    assert [c for t, c in asked if t == "t2"] == ["", ""]


def test_stale_labels_are_not_exported_and_none_are_if_nobody_is_to_see_them(run):
    write_jsonl("reviews/labels.jsonl", [label(RUBRIC, question_hash="old"), label(RUBRIC, n=2, criterion="safe")])
    assert "1 labels\n  1 labels left out: stale, or on conv" in run("export", "review.json").stdout
    assert "criteria, 0 labels\n" in run("export", "review.json", "--no-labels", "--blind", "--overwrite").stdout
    assert all(task["annotations"] == [] for task in json.loads(Path("review.json").read_text()))


def test_nothing_is_written_when_only_looked_at_refused_or_nobody_can_answer(run):
    run("export", "review.csv")
    fill_in("no")
    assert "1 by tess\nnothing is written (--dry-run)" in run("import", "review.csv", "--dry-run").stdout
    assert isinstance(run("import", "review.csv").exception, ConfigError)
    assert isinstance(run("import", "review.csv", input="n\n").exception, ConfigError)
    assert not Path("reviews").exists()
    assert run("import", "review.csv", input="y\n").exit_code == 0 and len(read_labels("reviews")) == 1


def test_nothing_of_a_file_with_a_bad_row_is_written_unless_bad_rows_are_left_out(run):
    run("export", "review.csv")
    fill_in("no", "perhaps")
    refused = run("import", "review.csv", "--yes")
    assert "    row 3, t1, warm: label: found 'perhaps', expected one of YES" in refused.stdout
    assert str(refused.exception) == (
        "review.csv: found 1 bad rows, expected none; nothing is written. Mend them, or leave them out with --skip-bad"
    )
    assert not Path("reviews").exists()
    assert run("import", "review.csv", "--yes", "--skip-bad").exit_code == 0
    assert [(x.criterion, x.label) for x in read_labels("reviews")] == [("safe", "NO")]


def test_an_older_decision_does_not_take_the_place_of_a_later_one_and_a_later_one_does(run):
    run("export", "review.csv", "--no-labels")
    fill_in("no")
    for seconds, told in ((1_577_836_800, "1 are older than what"), (1_609_459_200, "1 replace another answer of")):
        now = label(RUBRIC, "YES", criterion="safe", n=1, reviewer="tess", time="2020-06-01T00:00:00.000000Z")
        write_jsonl("reviews/labels.jsonl", [now])
        os.utime("review.csv", (seconds, seconds))
        assert told in run("import", "review.csv", "--yes").stdout


def test_a_queue_that_is_older_than_its_conversations_is_not_exported(run):
    write_queue(TALKS[0].model_copy(update={"id": "t9"}))
    gone = run("export", "review.csv").exception
    assert isinstance(gone, RecordError) and "the conversation t9 is no longer there: the queue is older" in str(gone)
    write_queue(TALKS[0].model_copy(update={"id": "t2"}))
    assert "t2 has changed since: the queue is older; make it again with: dvc" in str(
        run("export", "review.csv").exception
    )


def test_files_that_are_not_there_and_names_that_say_no_format_are_told(run):
    os.remove(QUEUE)
    assert "dvc repro generate-review" in str(run("export", "review.json").exception)
    absent = run("import", "absent.csv").exception
    assert isinstance(absent, MissingInputError) and str(absent).startswith(
        "absent.csv: found nothing to read (No such file"
    )
    assert "expected a name that ends in .json or .csv" in str(run("import", "x.xlsx").exception)
