"""Two revisions are compared from git, dvc.lock and DVC's cache: what changed is told, and nothing else."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from tests.conftest import transcript
from tests.record_fixtures import GENERATED, RecordedProject, example, first_run, score, verdict
from tunewright.cli import app
from tunewright.difference import SECTIONS, Difference, Move, difference
from tunewright.errors import ConfigError, RecordError, RepositoryError
from tunewright.outputs import sides
from tunewright.record_changes import CriterionFlips
from tunewright.record_index import Indexed
from tunewright.wording import first_change, word_difference

TRAINED = example("ann-1", "ann", words="My cat is ill again")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Two commits; in the second a prompt, a conversation, three verdicts, two results and a split have changed."""
    project = RecordedProject(tmp_path_factory.mktemp("difference"))
    first_run(project)
    project.commit("First")
    second_run(project)
    project.commit("Second")
    return project


def second_run(project):
    folder = project.folder / GENERATED
    talks = (folder / "transcripts.jsonl").read_text().splitlines(keepends=True)
    other = transcript("simulated-persona-0002", persona_id="persona-0002", domain="cats", assistant="Which dog is it")
    names = ("ann-1", "bea-1", "simulated-persona-0001", "simulated-persona-0002", "simulated-persona-0003")
    people = dict(zip(names, ("ann", "bea", "persona-0001", "persona-0002", "persona-0003"), strict=True))
    answers = {("ann-1", "warm"): "NO", ("simulated-persona-0002", "warm"): "NO", ("bea-1", "safe"): None}
    project.write({
        "prompts/cats/assistant.md": "Be very kind.\nBe brief.\n",
        f"{GENERATED}/transcripts.jsonl": "".join(talks[:3]) + other.model_dump_json() + "\n"
        + transcript("simulated-persona-0003", persona_id="persona-0003", domain="cats").model_dump_json() + "\n",
        f"{GENERATED}/verdicts.jsonl": [
            verdict(t, c, answers.get((t, c), "YES"), "cold" if (t, c) in answers else "it shows")
            for t in names for c in ("warm", "safe")
        ],
        f"{GENERATED}/scores.jsonl": [
            score(t, p, {"ann-1": False, "bea-1": None}.get(t, True), 0.4 if t == "ann-1" else 0.9)
            for t, p in people.items()
        ],
        f"{GENERATED}/valid.jsonl": [example("simulated-persona-0001", "persona-0001")],
        f"{GENERATED}/train.jsonl": [TRAINED, example("simulated-persona-0002", "persona-0002")],
        "metrics/generate-scores.json": json.dumps({"n_passed": 3, "pass_rate": 0.75, "gate": {"open": 1}}),
    })  # fmt: skip
    project.run()


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.chdir(project.folder)
    return project


@pytest.fixture(scope="module")
def found(project):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        return compared("HEAD~1", "HEAD")


def compared(before, after, only=SECTIONS, limit=5) -> Difference:
    with sides(before, after) as (old, new):
        return difference(old, new, only, limit)


def test_a_changed_prompt_is_told_first_as_the_history_tells_it(found):
    assert found.design == ["assistant.md +1 -1"]


def test_transcripts_are_matched_by_id_and_the_first_message_that_differs_is_shown_by_words(found):
    (change,) = found.transcripts
    assert (change.path, change.n_before, change.n_after) == (f"{GENERATED}/transcripts.jsonl", 5, 5)
    assert (change.added, change.removed) == (["simulated-persona-0003"], ["replay-ann-1"])
    assert change.changed == ["simulated-persona-0002"]
    (shown,) = change.examples
    assert (shown.exchange, shown.who, shown.words) == (1, "assistant", "Which [-cat-] {+dog+} is it 1")


def test_flips_are_counted_by_criterion_and_direction_and_unscored_is_no_flip(found):
    (change,) = found.verdicts
    assert change.n_flips == 2
    assert change.criteria == [
        CriterionFlips("warm", "small", {"YES -> NO": 2}, on_same_words=1),
        CriterionFlips("safe", "small", now_unscored=1),
    ]
    first, second = change.examples
    assert (first.transcript_id, first.reasoning_before, first.reasoning_after) == ("ann-1", "it shows", "cold")
    assert first.same_words and not second.same_words


def test_results_that_crossed_the_pass_line_are_told_with_their_scores(found):
    (change,) = found.scores
    assert change.directions == {"pass -> fail": 1, "pass -> open": 1}
    assert [(c.transcript_id, c.score_before, c.score_after) for c in change.examples] == [
        ("ann-1", 0.9, 0.4), ("bea-1", 0.9, 0.9),
    ]  # fmt: skip


def test_people_who_moved_between_splits_are_named(found):
    assert found.moves == [Move("persona-0001", "train", "valid", 1), Move("persona-0002", "valid", "train", 1)]
    assert [(c.path, c.added, c.removed, c.changed) for c in found.examples] == [
        (f"{GENERATED}/train.jsonl", ["simulated-persona-0002@3"], ["simulated-persona-0001@3"], []),
        (f"{GENERATED}/valid.jsonl", ["simulated-persona-0001@3"], ["simulated-persona-0002@3"], []),
    ]


def test_metrics_are_told_with_the_amount_and_a_new_one_has_none(found):
    assert found.metrics == [
        "generate-scores: n_passed 5 -> 3 (-2)",
        "generate-scores: pass_rate 1 -> 0.75 (-0.25)",
        "generate-scores: gate.open none -> 1",
    ]


def test_equal_revisions_differ_in_nothing_and_pairs_that_are_the_same_are_not_told(found, here):
    assert found.evaluation == found.personas == found.faults == []
    assert compared("HEAD", "HEAD") == Difference("HEAD", "HEAD")


def test_the_workspace_is_read_from_disk_without_an_object_left_in_git(here):
    before = here.git("count-objects")
    prompt = here.folder / "prompts/cats/assistant.md"
    text = prompt.read_text()
    prompt.write_text("Be very kind.\nA line that is in no commit.\n")
    found = compared("HEAD", "workspace")
    prompt.write_text(text)
    assert (found.design, found.transcripts) == (["assistant.md +1 -1"], [])
    assert here.git("count-objects") == before and here.git("status", "--short") == ""


def test_an_experiment_is_named_as_dvc_names_it_and_an_unknown_name_is_told_with_its_neighbours(here):
    first, second = here.git("rev-parse", "HEAD~1"), here.git("rev-parse", "HEAD")
    here.git("update-ref", f"refs/exps/{first[:2]}/{first[2:]}/stern-cats", second)
    assert compared("HEAD~1", "stern-cats", ["splits"]).moves == compared("HEAD~1", "HEAD", ["splits"]).moves != []
    with pytest.raises(RepositoryError, match="'stern-cat' is neither .* near it: stern-cats;"):
        compared("stern-cat", "HEAD")


def test_an_output_that_the_cache_lacks_is_told_with_the_next_command_and_the_rest_is_compared(here, tmp_path):
    md5 = here.md5(f"{GENERATED}/verdicts.jsonl")
    kept = here.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    shutil.move(kept, tmp_path / "verdicts")
    done = CliRunner().invoke(app, ["diff", "HEAD~1", "HEAD"])
    shutil.move(tmp_path / "verdicts", kept)
    assert done.exit_code == 1
    said = " ".join(done.output.split())
    assert f"dvc.lock at HEAD records it: {GENERATED}/verdicts.jsonl; get it with: dvc fetch --all-commits" in said
    assert "dvc repro generate-verdicts" in said and "persona-0001: train -> valid (1 example)" in said


def test_markdown_json_and_only_show_the_same_difference(here):
    run = CliRunner().invoke
    page = run(app, ["diff", "HEAD~1", "HEAD", "--format", "markdown", "--only", "verdicts"]).output
    assert "| warm | small | 2 | 1 | 0 |" in page and "## Splits" not in page
    values = json.loads(run(app, ["diff", "HEAD~1", "HEAD", "--format", "json"]).output)
    assert values["verdicts"][0]["criteria"][0]["directions"] == {"YES -> NO": 2}
    wrong = run(app, ["diff", "--only", "verdict"]).exception
    assert isinstance(wrong, ConfigError) and "there are: design, personas, transcripts" in str(wrong)


def test_limit_bounds_the_examples_and_not_the_counts(here):
    (change,) = compared("HEAD~1", "HEAD", ["verdicts"], limit=1).verdicts
    assert (change.n_flips, len(change.examples)) == (2, 1)


def test_an_index_keeps_no_record_and_finds_ids_in_any_order_of_keys(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id":"a","x":1}\n{"x": 2, "id": "b"}\n{"id":"a","x":3}\n')
    with path.open("rb") as file:
        index = Indexed("rows", file, "id")
        assert [row["x"] for row in index.records("a")] == [1, 3] and index.records("c") == []
        assert list(index.blocks) == ["a", "b"]


def test_a_file_that_is_cut_off_is_told_with_its_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id":"a"}\n{"id":"b"')
    with path.open("rb") as file, pytest.raises(RecordError, match="rows, line 2: "):
        Indexed("rows", file, "id")


def test_words_around_a_change_are_few_and_a_longer_conversation_is_told_by_its_length():
    before = "one two three four five six seven eight nine ten"
    assert word_difference(before, before.replace("ten", "TEN")) == "... six seven eight nine [-ten-] {+TEN+}"
    short, long = ({"exchanges": [{"user": "a", "assistant": "b"}] * n} for n in (1, 2))
    assert first_change("t", short, long).words == "1 exchanges -> 2"
    assert first_change("t", short, short | {"sample": 1}).words == "differs in: sample"
