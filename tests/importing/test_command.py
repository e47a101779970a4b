"""`tunewright import`, from the command line: what is written, what is told, and when nothing is."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT, persona, transcript
from tunewright.cli import app
from tunewright.config import load_domain
from tunewright.errors import ConfigError, TooManyFailuresError
from tunewright.forgotten import Forgotten
from tunewright.imported import load_imported
from tunewright.importing.reading import Provenance
from tunewright.importing.rows import Rejected
from tunewright.records import Transcript, read_jsonl, write_jsonl

FOLDER = Path("imported/jan")


def row(said, reply="Well.", **rest):
    return json.dumps({"messages": [{"role": "user", "content": said}, {"role": "assistant", "content": reply}]} | rest)


@pytest.fixture
def run(workspace):
    """Run the command on rows of text in a domain with one authored conversation."""
    shutil.copy(ROOT / "conf/import.yaml", "conf/import.yaml")
    workspace.write_authored([persona("p1", source="authored")], [transcript("a1", n=1, user_kind="authored")])
    workspace.write_params("generate.scores", {})

    def start(rows, *options, name="jan", **rest):
        Path("logs.jsonl").write_text("".join(r + "\n" for r in rows))
        return CliRunner().invoke(app, ["import", "logs.jsonl", "--as", name, *options], **rest)

    return start


TEN = [row(f"Talk {n}", user_id=f"u{n % 3}") for n in range(10)]


def test_conversations_people_provenance_and_bad_rows_are_written(run):
    found = run([*TEN[:9], "oops"], "--yes")
    assert found.exit_code == 0
    assert "10 rows, read as openai (guessed; --format says otherwise)" in found.stdout
    assert "9 conversations of 3 people, 9 exchanges\n" in found.stdout
    assert "1 bad rows (10%; allowed: 10%): 1 not JSON" in found.stdout and "line 10: not JSON" in found.stdout
    assert "dvc add imported/jan" in found.stdout
    people, talks = load_imported(load_domain())
    assert (len(people), len(talks)) == (3, 9)
    assert {(p.source, p.age, p.topic, p.min_words, p.max_words) for p in people} == {
        ("imported", None, "unknown", 2, 2)
    }
    assert {(t.user_kind, t.domain, t.assistant) for t in talks} == {("imported", "therapy", "imported")}
    provenance = read_jsonl(FOLDER / "provenance.jsonl", Provenance)
    assert [(p.file, p.line, p.user_id) for p in provenance[:2]] == [("logs.jsonl", 1, "u0"), ("logs.jsonl", 2, "u1")]
    assert [r.raw for r in read_jsonl(FOLDER / "rejected.jsonl", Rejected)] == ["oops"]
    assert json.loads((FOLDER / "import.json").read_text())["n_rejected"] == 1


def test_the_same_file_gives_the_same_bytes_again_in_place_of_the_old(run):
    run(TEN, "--yes")
    before = {p.name: p.read_bytes() for p in FOLDER.iterdir()}
    assert len(before) == 5
    run(TEN, "--yes")
    assert {p.name: p.read_bytes() for p in FOLDER.iterdir()} == before


def test_too_many_bad_rows_write_nothing(run):
    found = run([*TEN[:8], "oops", "oops"], "--yes")
    assert isinstance(found.exception, TooManyFailuresError)
    assert "found 2 bad rows of 10 (20%), expected at most 10%; nothing is written" in str(found.exception)
    assert "line 9: not JSON" in found.stdout and not FOLDER.exists()


def test_a_dry_run_and_a_no_write_nothing(run):
    assert "it would go to imported/jan" in run(TEN, "--dry-run").stdout and not FOLDER.exists()
    for answer in ("n\n", ""):
        found = run(TEN, input=answer)
        assert isinstance(found.exception, ConfigError) and "write 10 conversations to imported/jan?" in found.stdout
        assert "nothing is written" in str(found.exception) and not FOLDER.exists()
    assert run(TEN, input="y\n").exit_code == 0 and FOLDER.exists()


def test_what_the_domain_has_already_is_not_taken_twice(run):
    run(TEN, "--yes")
    authored = row("My cat is ill again 1", "Which cat is it 1")
    found = run([*TEN, authored, row("New")], "--yes", name="feb")
    assert "11 skipped as duplicate: line 1 is that of jan imported-jan-" in found.stdout
    assert len(read_jsonl("imported/feb/transcripts.jsonl", Transcript)) == 1
    nothing = run(TEN, "--yes", name="mar")
    assert "says nothing new: all 10 rows are there already" in str(nothing.exception)


def test_what_is_forgotten_is_not_taken_in_again_under_any_name(run):
    run([row("Mine alone"), *TEN], "--yes")
    talks = read_jsonl(FOLDER / "transcripts.jsonl", Transcript)
    person = next(t.persona_id for t in talks if t.exchanges[0].user == "Talk 0")
    Forgotten(load_domain().authored).add([talks[0].id, person])
    for name in ("jan", "feb"):
        shutil.rmtree(FOLDER, ignore_errors=True)
        found = run([row("Mine alone"), *TEN], "--yes", name=name)
        assert "5 skipped as forgotten: line 1 is that of one that was to be forgotten" in found.stdout
        taken = read_jsonl(f"imported/{name}/transcripts.jsonl", Transcript)
        assert len(taken) == 6 and not {"Mine alone", "Talk 0"} & {t.exchanges[0].user for t in taken}


def test_a_user_in_two_imports_is_one_person_with_the_limits_of_both(run):
    run([row("One two three", user_id="u1")], "--yes")
    run([row("One", user_id="u1"), row("Two words", user_id="u2")], "--yes", name="feb")
    people, talks = load_imported(load_domain())
    assert sorted((p.min_words, p.max_words) for p in people) == [(1, 3), (2, 2)]
    assert len({t.persona_id for t in talks}) == 2 and len(talks) == 3


def test_without_a_user_every_conversation_is_another_person_s_and_that_is_said(run):
    found = run([row("One"), row("Two")], "--dry-run")
    assert "2 conversations of 2 people, 2 exchanges; no row says who its user is" in found.stdout


def test_another_domain_can_be_named(run):
    for name in ("personas", "transcripts"):
        write_jsonl(f"data/authored/support/{name}.jsonl", [])
    found = run(TEN, "--domain", "support", "--yes")
    assert found.exit_code == 0 and Path("data/imported/support/jan/transcripts.jsonl").exists()


@pytest.mark.parametrize("name", ["", "Jan", "../x", "a b", "-a"])
def test_a_name_that_is_no_folder_s_is_refused(run, name):
    found = run(TEN, "--yes", f"--as={name}")
    assert "cannot name an import" in str(found.exception)


def test_a_domain_without_imports_has_none(run):
    assert load_imported(load_domain()) == ([], [])
