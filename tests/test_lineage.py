"""An id is followed to the prompts that it came from and back, from records, dvc.lock and git alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT
from tests.record_fixtures import AUTHORED, DOMAIN, GENERATED, RecordedProject, first_run, verdict
from tunewright.cli import app
from tunewright.document import to_markdown
from tunewright.errors import RecordError
from tunewright.lineage import Consequences, Lineage, trace
from tunewright.lineage_report import blocks
from tunewright.review_queue import QueueItem, Reason
from tunewright.tracing import load_project


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    project = RecordedProject(tmp_path_factory.mktemp("lineage"))
    project.commit("Prompts")
    first_run(project)
    project.commit("Run")
    return project


@pytest.fixture
def project(built, monkeypatch):
    """The built project, put back after the test."""
    monkeypatch.chdir(built.folder)
    yield built
    built.git("checkout", "-q", "--", ".")


def traced(asked):
    found = trace(load_project(), asked)
    assert isinstance(found, Lineage)
    return found


def prompts(found):
    return [f.path for f in found.files if f.path.startswith("prompts/")]


def test_an_example_leads_to_its_transcript_its_person_and_the_prompts_with_their_commits(project):
    found = traced("simulated-persona-0001@3")
    (example,) = found.examples
    assert (example.split, example.n_exchanges, example.trained) == ("train", 3, "yes: models/adapter")
    (talk,) = found.transcripts
    assert (talk.id, talk.user_kind, talk.result, talk.score) == ("simulated-persona-0001", "simulated", "pass", 0.9)
    assert talk.verdicts == {"small": {"YES": 2}}
    assert [(p["id"], p["batch"], p["stage"]) for p in found.personas] == [("persona-0001", 1, "generate-personas")]
    assert prompts(found) == ["prompts/cats/system.md", "prompts/cats/assistant.md", "prompts/shared/judge.md"]
    assert {f.state for f in found.files} == {"same"} and found.stale == []
    assert {f.version.subject for f in found.files if f.path.startswith("prompts/")} == {"Prompts"}


def test_an_authored_conversation_met_no_prompt_that_generates_and_comes_again_as_replay_and_pair(project):
    found = traced("ann-1")
    assert prompts(found) == ["prompts/cats/system.md", "prompts/shared/judge.md"]
    assert [t.path for t in found.transcripts] == [f"{AUTHORED}/transcripts.jsonl", f"{GENERATED}/transcripts.jsonl"]
    assert [t.id for t in found.descendants] == ["replay-ann-1", "pair-ann-1"]
    assert [e.id for e in found.examples] == ["ann-1@3"]


def test_a_pair_leads_to_the_recording_that_it_replays_and_to_the_model_s_training_data(project):
    found = traced("pair-ann-1")
    assert [t.id for t in found.transcripts] == ["pair-ann-1", "ann-1", "ann-1"]
    assert {"train-adapter", "generate-slices"} <= {s.stage for s in found.stages}


def test_a_person_leads_to_all_conversations_and_examples(project):
    found = traced("ann")
    assert {t.id for t in found.transcripts} == {"ann-1", "replay-ann-1", "pair-ann-1"}
    assert [e.id for e in found.examples] == ["ann-1@3"] and found.kind == "persona"


def test_what_is_held_out_or_only_measured_was_not_trained_on(project):
    assert traced("bea-1@2").examples[0].trained == "no: held out of training"
    assert traced("simulated-persona-0002@3").examples[0].trained.startswith("no: the loss on it was only measured")


def test_an_adapter_of_an_older_split_is_not_said_to_have_learned_from_it(project):
    lock = project.folder / "dvc.lock"
    head, tail = lock.read_text().split("  train-adapter:")
    lock.write_text(head + "  train-adapter:" + tail.replace(project.md5(f"{GENERATED}/train.jsonl"), "0" * 32))
    assert traced("ann-1@3").examples[0].trained.startswith("not known: models/adapter was trained on another version")


def test_an_edited_prompt_and_a_changed_param_make_it_stale_and_the_version_then_is_still_found(project):
    project.write({"prompts/cats/assistant.md": "Be someone else.\n"})
    params = (project.folder / "params.yaml").read_text().replace("seed: 1", "seed: 2")
    project.write({"params.yaml": params})
    found = traced("simulated-persona-0001@3")
    assert found.stale == [
        "prompts/cats/assistant.md changed since", "param of generate-transcripts: generate.transcripts.seed 1 -> 2",
    ]  # fmt: skip
    (file,) = [f for f in found.files if f.path == "prompts/cats/assistant.md"]
    assert (file.state, file.version.subject) == ("changed", "Prompts")
    assert traced("ann-1@3").stale == ["param of generate-transcripts: generate.transcripts.seed 1 -> 2"]


def test_a_version_that_was_never_committed_is_in_no_commit(project):
    project.write({"prompts/cats/assistant.md": "Never committed.\n"})
    project.run()
    (file,) = [f for f in traced("simulated-persona-0001").files if f.path == "prompts/cats/assistant.md"]
    assert (file.state, file.version) == ("same", None)


def test_a_prompt_leads_to_the_stages_and_conversations_that_came_of_it(project):
    found = trace(load_project(), "./prompts/cats/assistant.md")
    assert isinstance(found, Consequences)
    direct = [line.stage for line in found.outputs if line.direct]
    assert direct == ["generate-transcripts"] and found.outputs[1].stage == "generate-verdicts"
    assert found.outputs[0].records == {f"{GENERATED}/transcripts.jsonl": 5}
    assert found.transcripts == ["simulated-persona-0001", "simulated-persona-0002", "replay-ann-1", "pair-ann-1"]
    assert trace(load_project(), f"{GENERATED}/train.jsonl").made_by == "generate-slices"


def test_an_unknown_id_is_told_with_its_neighbours_and_where_it_was_looked_for(project):
    with pytest.raises(RecordError) as caught:
        trace(load_project(), "simulated-persona-001")
    said = str(caught.value)
    assert "Did you mean simulated-persona-0001" in said and f"Looked in {AUTHORED}/personas.jsonl, " in said


def test_unscored_verdicts_are_counted_with_their_reason_and_labels_are_counted(project):
    rows = "".join(verdict("bea-1", c, a).model_dump_json() + "\n" for c, a in (("warm", "NO"), ("safe", None)))
    project.write({
        f"{GENERATED}/verdicts.jsonl": rows,
        "reviews/cats/labels.jsonl": '{"transcript_id":"bea-1","criterion":"warm"}\n',
        "reviews/cats/preferences.jsonl": '{"transcript_id":"bea-1","better":"tie"}\n',
    })  # fmt: skip
    found = traced("bea-1")
    assert found.transcripts[1].verdicts == {"small": {"NO": 1, "unscored": 1}}
    assert (found.transcripts[1].unscored, found.n_labels, found.n_preferences) == (["no answer"], 1, 1)
    first_run(project)


def test_a_conversation_that_people_should_read_says_why(project):
    why = Reason(kind="gate", says="gate safe failed"), Reason(kind="random", says="drawn at random: 6 of 90")
    item = QueueItem(transcript_id="simulated-persona-0001", content_hash="x", reasons=why, drawn=6 / 90)
    project.write({f"{GENERATED}/review_queue.jsonl": [item]})
    told = to_markdown(blocks(traced("persona-0001"), limit=5))
    Path(f"{GENERATED}/review_queue.jsonl").unlink()
    assert "## To be read by people\n\n- simulated-persona-0001: gate safe failed; drawn at random: 6 of 90" in told


def test_the_command_prints_the_lineage_and_its_json(project):
    run = CliRunner().invoke
    page = " ".join(run(app, ["lineage", "ann-1@3"]).output.split())
    assert "ann-1@3: split train" in page and "Up to date" in page
    assert "user: replay of ann-1" in " ".join(run(app, ["lineage", "ann-1"]).output.split())
    values = json.loads(run(app, ["lineage", "ann-1@3", "--format", "json"]).output)
    assert values["stages"][1]["params"] == {"params.yaml": {"generate.transcripts": {"seed": 1}}}
    assert "generate-transcripts through others" not in run(app, ["lineage", DOMAIN["rubric"]]).output
    assert len(blocks(traced("ann"), 1)) > 3


def test_a_project_in_which_nothing_ran_still_knows_its_authored_conversations(project):
    (project.folder / "dvc.lock").unlink()
    assert [t.id for t in traced("ann-1").transcripts][:1] == ["ann-1"] and traced("ann-1").files == []
    assert traced("ann-1@3").examples[0].trained == "no: nothing is trained yet"


def test_the_commands_that_follow_records_import_no_heavy_library():
    script = "import sys, tunewright.cli, tunewright.lineage_report, tunewright.difference_report; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = {"torch", "litellm", "transformers", "pandas", "scipy", "numpy", "dvc", "matplotlib"}
    assert not {name.split(".")[0] for name in done.stdout.split()} & heavy
