"""What is forgotten is nowhere but in git history, and the command says so; what stays keeps its lines and replies."""

import json
import shutil
import sqlite3
from pathlib import Path
from threading import Thread

import pytest
import yaml
from typer.testing import CliRunner

from bench.fake_model_server import Answer
from stages.generate import transcripts as transcripts_stage
from stages.generate import verdicts as verdicts_stage
from stages.generate.personas import Config, sample
from tests.conftest import CONDUCT, GUIDANCE, ROOT, persona, spec, transcript, write_reviews
from tests.record_fixtures import AUTHORED, GENERATED, STAGES, RecordedProject, first_run
from tunewright import forgetting
from tunewright.append_only import appending
from tunewright.cache import ReplyCache
from tunewright.cli import app
from tunewright.errors import RecordError
from tunewright.forgetting import plan
from tunewright.forgotten import Forgotten, tombstone
from tunewright.fragments import Fragments
from tunewright.freshness import file_md5
from tunewright.personas import load_taxonomy, load_template
from tunewright.records import Record, write_jsonl, write_text
from tunewright.review_queue import QueueItem, Reason
from tunewright.tracing import load_project

PHRASE = "Marigold Quillfeather of 14 Tansy Row"
TALK = f"{PHRASE} cannot sleep since the storm took the roof"


def run_stages(workspace, server):
    """generate-transcripts and generate-verdicts on two recorded conversations, one of them with the phrase."""
    ann, bea = (persona(name, source="authored") for name in ("ann", "bea"))
    fields = {"user_kind": "authored", "assistant": "author", "n": 2}
    talks = [transcript("ann-1", persona_id="ann", user=TALK, **fields)]
    talks.append(transcript("bea-1", persona_id="bea", user="The dog eats nothing but grass", **fields))
    workspace.write_authored([ann, bea], talks)
    write_jsonl("data/generate/personas.jsonl", [])
    workspace.use_small_rubric()
    models = {role: spec(f"hosted_vllm/{role}").model_dump() for role in ("user", "assistant")}
    config = {"authored": True, "imported": "leave", "replay": 2, "exchanges": {"min": 2, "max": 2}, "seed": 7}
    config |= {"guidance": GUIDANCE, "conduct": CONDUCT}
    workspace.write_params("generate.transcripts", config | models | {"max_failed_share": 0.5}, server)
    transcripts_stage.main()
    write_reviews()
    judging = {"judged_transcripts": None, "samples": 1, "reasks": 0, "reasoning_chars": 400, "max_failed_share": 0.5}
    judging |= {"batching": "criterion", "evidence": {"quotes": 0, "quote_chars": 20, "required": False}}
    judge = {"judge_trust": "assumed", "example_tokens": 0, "judges": [spec().model_dump() | {"name": "strict"}]}
    workspace.write_params("generate.verdicts", judging | judge, server)
    verdicts_stage.main()


def echo(body):
    """Assistants repeat what they are told, judges quote the conversation."""
    said = body["messages"][-1]["content"]
    if "response_format" in body:
        who = PHRASE if PHRASE in str(body["messages"]) else "nobody"
        return Answer(json.dumps({"evidence": [1], "reasoning": f"{who} is heard", "answer": "YES"}))
    return Answer(f"You say: {said}")


def commit(folder):
    """The run as DVC would leave it, committed."""
    stages = {
        "generate-transcripts": (["authored/transcripts.jsonl"], ["data/generate/transcripts.jsonl"]),
        "generate-verdicts": (["data/generate/transcripts.jsonl"], ["data/generate/verdicts.jsonl"]),
    }
    lock = {}
    for name, paths in stages.items():
        deps, outs = ([{"path": p, "hash": "md5", "md5": file_md5(Path(p).read_bytes())} for p in ps] for ps in paths)
        lock[name] = {"deps": deps, "outs": outs}
        for out in outs:
            kept = Path(".dvc/cache/files/md5", out["md5"][:2], out["md5"][2:])
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(out["path"], kept)
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": lock}))
    Path(".gitignore").write_text("/data/generate/\n/.dvc/cache/\n/cache/\n")
    return RecordedProject.of(folder).commit("Run")


def holders(folder, phrase):
    """Every file outside .git whose bytes hold the phrase."""
    files = (p for p in folder.rglob("*") if p.is_file() and ".git" not in p.parts)
    return sorted(str(p.relative_to(folder)) for p in files if phrase.encode() in p.read_bytes())


def test_a_forgotten_conversation_is_nowhere_but_in_git_history_and_the_command_says_so(
    workspace, fake_server, cache_folder
):
    server = fake_server(echo)
    run_stages(workspace, server)
    made = commit(workspace.folder)
    before, n_asked = holders(workspace.folder, PHRASE), len(server.requests)
    assert {"authored/transcripts.jsonl", "data/generate/transcripts.jsonl", "data/generate/verdicts.jsonl"} < {*before}
    assert any(path.startswith("cache/replies.sqlite") for path in before)
    assert sum(path.startswith(".dvc/cache") for path in before) == 2
    done = CliRunner().invoke(app, ["forget", "ann-1", "--yes"])
    said = " ".join(done.output.split())
    assert done.exit_code == 0, done.output
    assert holders(workspace.folder, PHRASE) == holders(workspace.folder, "Quillfeather") == []
    assert "With it go ann-1, replay-ann-1." in said and "no file of the project or its caches holds it" in said
    assert f"git history: 1 commit wrote it, {made} (2026-01-01)" in said and "git filter-repo" in said
    assert "generate-transcripts, generate-verdicts" in said
    assert '"bea-1"' in Path("authored/transcripts.jsonl").read_text()
    transcripts_stage.main()
    verdicts_stage.main()
    assert len(server.requests) == n_asked  # everything about the other conversation is still paid for
    assert holders(workspace.folder, PHRASE) == []


@pytest.fixture
def project(tmp_path, cache_folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = RecordedProject(tmp_path)
    first_run(project, TALK)
    project.commit("Run")
    return project


def test_a_dry_run_and_a_no_change_nothing(project):
    run, before = CliRunner().invoke, project.git("status", "--short")
    files = {p: p.read_bytes() for p in project.folder.rglob("*.jsonl")}
    assert "nothing was changed" in run(app, ["forget", "ann-1", "--dry-run"]).output
    assert "nothing was changed" in run(app, ["forget", "ann-1"], input="n\n").output
    assert {p: p.read_bytes() for p in project.folder.rglob("*.jsonl")} == files
    assert project.git("status", "--short") == before == ""


def test_a_person_goes_with_all_conversations_and_the_models_that_learned_from_them_are_named(project):
    found = plan(load_project(), "ann")
    assert (found.people, found.talks) == ({"ann"}, {"ann-1", "replay-ann-1", "pair-ann-1"})
    assert found.lines == {f"{AUTHORED}/personas.jsonl": 1, f"{AUTHORED}/transcripts.jsonl": 1}
    assert found.models == ["models/adapter"]
    assert plan(load_project(), "bea").models == []  # held out


def test_what_people_said_of_it_goes_too_and_other_lines_keep_their_bytes(project):
    rows = '{"transcript_id": "bea-1", "note":"fine"}\n', '{"transcript_id":"ann-1","note":"Quillfeather!"}\n'
    pairs = '{"transcript_id": "pair-bea-1", "better":"tie"}\n', '{"transcript_id":"pair-ann-1","better":"tuned"}\n'
    project.write({"reviews/cats/labels.jsonl": "".join(rows), "reviews/cats/preferences.jsonl": "".join(pairs)})
    assert CliRunner().invoke(app, ["forget", "ann-1", "--yes"]).exit_code == 0
    assert Path("reviews/cats/labels.jsonl").read_text() == rows[0]
    assert Path("reviews/cats/preferences.jsonl").read_text() == pairs[0]
    assert Path(f"{AUTHORED}/forgotten.txt").read_text().split() == sorted(
        tombstone(id) for id in ("ann-1", "replay-ann-1", "pair-ann-1")
    )


def test_a_review_queue_that_names_it_goes_and_is_made_again(project, monkeypatch):
    queue = f"{GENERATED}/review_queue.jsonl"
    reviewing = ([f"{GENERATED}/scores.jsonl", "reviews/cats/labels.jsonl"], [queue])
    monkeypatch.setitem(STAGES, "generate-review", reviewing)
    why = Reason(kind="batch", says="one of two")
    project.write({queue: [QueueItem(transcript_id="replay-ann-1", content_hash="x", reasons=(why,), drawn=1)]})
    project.run()
    found = plan(load_project(), "ann-1")
    assert queue in found.outputs and "generate-review" in found.stages
    kept = project.md5(queue)
    assert Path(".dvc/cache/files/md5", kept[:2], kept[2:]) in found.objects


def test_a_line_of_labels_that_broke_off_does_not_stop_it(project):
    Path("reviews/cats/labels.jsonl").write_text('{"transcript_id":"ann-1","note":"x"}\n{"transcript_id":"ann')
    assert CliRunner().invoke(app, ["forget", "ann-1", "--yes"]).exit_code == 0
    assert Path("reviews/cats/labels.jsonl").read_text() == ""


def test_what_somebody_decides_while_labels_are_cleared_is_kept(project, monkeypatch):
    labels = Path("reviews/cats/labels.jsonl")
    project.write({str(labels): '{"transcript_id":"ann-1","note":"Quillfeather!"}\n'})
    deciding = Thread(target=lambda: decide(labels))

    def slow_write(path, text):
        if Path(path) == labels:
            deciding.start()
            deciding.join(0.2)  # it must wait: what it wrote now would be replaced
        write_text(path, text)

    monkeypatch.setattr(forgetting, "write_text", slow_write)
    assert CliRunner().invoke(app, ["forget", "ann-1", "--yes"]).exit_code == 0
    deciding.join()
    assert labels.read_text() == '{"says":"fine"}\n'


def decide(path):
    with appending(path) as end:
        end.add(Remark(says="fine"))


class Remark(Record):
    says: str


def test_an_import_is_cleared_and_what_dvc_holds_beyond_it_is_named(project):
    one = transcript("log-7", user=f"{TALK} and the log", persona_id="log-person", user_kind="authored")
    project.write({
        "data/imported/cats/crm/transcripts.jsonl": [one],
        "data/imported/cats/crm/personas.jsonl": [persona("log-person")],
        "data/imported/cats/crm.dvc": "outs: []\n", ".dvc/config": "['remote \"store\"']\n    url = s3://x\n",
    })  # fmt: skip
    done = CliRunner().invoke(app, ["forget", "log-person", "--yes"])
    said = " ".join(done.output.split())
    assert done.exit_code == 0, done.output
    assert Path("data/imported/cats/crm/transcripts.jsonl").read_text() == ""
    assert "dvc add data/imported/cats/crm" in said and "DVC remote store: " in said
    assert f"{AUTHORED}/transcripts.jsonl" not in said


def test_a_file_that_quotes_it_is_left_to_a_person_and_the_command_ends_in_an_error(project):
    project.write({"prompts/cats/assistant.md": f"Be kind.\nLike this: {TALK} 1\n", "notes.yaml": "talk: ann-1\n"})
    done = CliRunner().invoke(app, ["forget", "ann-1", "--yes"])
    said = " ".join(done.output.split())
    assert done.exit_code == 1 and "2 files still quote it; edit these by hand" in said
    assert "notes.yaml quotes it ('ann-1')" in said and "prompts/cats/assistant.md: 'marigold" in said


def test_older_versions_in_the_dvc_cache_and_in_other_branches_are_found(project):
    old = project.md5(f"{GENERATED}/train.jsonl")
    project.git("checkout", "-q", "-b", "side")
    project.write({f"{GENERATED}/train.jsonl": ""})
    project.run()
    project.commit("Nothing trained")
    found = plan(load_project(), "ann-1")
    assert Path(".dvc/cache/files/md5", old[:2], old[2:]) in found.objects
    assert [v.subject for v in found.commits] == ["Run"]


@pytest.mark.parametrize(
    ("asked", "instead"),
    [
        ("ann-1@3", "ann-1"),
        ("replay-ann-1", "ann-1"),
        ("pair-ann-1", "ann-1"),
        ("simulated-persona-0001", "persona-0001"),
    ],
)
def test_what_would_be_made_again_names_what_to_forget_instead(project, asked, instead):
    with pytest.raises(RecordError, match=f"tunewright forget {instead}$"):
        plan(load_project(), asked)


def test_a_repaired_replay_is_forgotten_with_the_recording_whose_words_it_says(project):
    own = next(
        json.loads(li) for li in Path(f"{GENERATED}/transcripts.jsonl").read_text().splitlines() if "replay" in li
    )
    fixed = own | {"id": "fixed-replay-ann-1", "source_id": "replay-ann-1"}
    mine = {"transcript_id": fixed["id"], "persona_id": "ann", "id": "fixed-replay-ann-1@3"}
    project.write({
        f"{GENERATED}/fixed.jsonl": json.dumps(fixed) + "\n",
        f"{GENERATED}/fixed_verdicts.jsonl": json.dumps({"transcript_id": fixed["id"]}) + "\n",
        f"{GENERATED}/train.jsonl": json.dumps(mine) + "\n",
        "reviews/cats/labels.jsonl": json.dumps({"transcript_id": fixed["id"], "criterion": "warm"}) + "\n",
    })  # fmt: skip
    found = plan(load_project(), "ann-1")
    assert "fixed-replay-ann-1" in found.talks and found.fragments.quoted(TALK) is not None
    assert found.models and found.lines["reviews/cats/labels.jsonl"] == 1
    with pytest.raises(RecordError, match="repairs 'replay-ann-1' and would be made again"):
        plan(load_project(), "fixed-replay-ann-1")


def test_an_id_that_is_forgotten_already_and_one_that_never_was_are_told_apart(project):
    assert CliRunner().invoke(app, ["forget", "persona-0001", "--yes"]).exit_code == 0
    with pytest.raises(RecordError, match="'persona-0001' is forgotten already"):
        plan(load_project(), "persona-0001")
    with pytest.raises(RecordError, match="Did you mean bea-1"):
        plan(load_project(), "bea-11")


def test_a_forgotten_number_is_not_sampled_again_and_moves_nobody(tmp_path):
    conf = ROOT / "conf/domain/therapy"
    taxonomy, template = load_taxonomy(str(conf / "taxonomy.yaml")), load_template(str(conf / "personas.yaml"))
    forgotten, config = Forgotten(str(tmp_path)), Config(count=4, batch_size=2, seed=1)
    everyone = sample(config, taxonomy, template, forgotten)
    forgotten.add(["persona-0002"])
    assert sample(config, taxonomy, template, Forgotten(str(tmp_path))) == [everyone[0], *everyone[2:]]


def test_a_shared_reply_stays_unless_it_quotes_and_nothing_is_left_in_the_file_or_its_log(cache_folder):
    cache_folder.mkdir()
    cache = ReplyCache(cache_folder)
    texts = {"own": "Only Ann's secret", "shared": "Well.", "quoted": "As Ann's secret says", "other": "Mine."}
    for key, text in texts.items():
        cache.put(key, "m", {"text": text})
    for key, item in (("own", "ann"), ("shared", "ann"), ("shared", "bea"), ("quoted", "bea"), ("other", "bea")):
        cache.note_use(key, item)
    assert cache.forget({"ann"}, lambda reply: "secret" in reply, dry_run=True) == 2 and len(cache) == 4
    assert cache.forget({"ann"}, lambda reply: "secret" in reply) == 2
    assert [cache.get(key) is None for key in texts] == [True, False, True, False]
    files = b"".join(p.read_bytes() for p in cache_folder.iterdir())
    assert b"secret" not in files and b"Mine." in files
    with sqlite3.connect(cache.path) as db:
        assert sorted(db.execute("SELECT * FROM uses")) == [("bea", "other"), ("bea", "shared")]
    cache.close()


def test_fragments_are_found_through_escapes_and_what_others_say_too_is_nobody_s():
    own = ["I don\u2019t know what to do, Jos\u00e9 left on the 5th", "Order 440917"]
    found = Fragments(own, kept=["Honestly I don't know what to do"], ids={"a-1"})
    assert found.quoted('{"text":"to do, Jos\\u00e9\\nleft on it"}') == "to do jos\u00e9 left on"
    assert found.quoted("i don't know what to do") is None
    assert found.quoted("see order 440917") == "440917" and found.quoted("on the 5th") is None
    assert found.quoted('{"id":"a-1@3"}') == "a-1@3" and found.quoted("a-10, aa-1, a-1b") is None
