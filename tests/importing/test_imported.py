"""What the pipeline makes of imports: loaded together, held out without a leak, and judged alone."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from bench.fake_model_server import Answer
from stages.generate import scores as scoring_stage
from stages.generate import transcripts as transcripts_stage
from stages.generate import verdicts as verdicts_stage
from tests.conftest import ROOT, persona, transcript
from tunewright.cli import app
from tunewright.config import load_domain
from tunewright.errors import RecordError
from tunewright.imported import held_out_ids, load_imported, load_recorded
from tunewright.records import Score, Verdict, read_jsonl, write_jsonl
from tunewright.splits import Shares, split_of

SHARES = Shares(train=0.5, valid=0.1, holdout=0.4)
PERSON = persona("u1", source="imported", age=None)


@pytest.fixture
def domain(workspace):
    workspace.write_authored([persona("p1", source="authored")], [transcript("a1", user_kind="authored")])
    workspace.write_imported("jan", [PERSON], [transcript("log-1", persona_id="u1", user_kind="imported")])
    workspace.write_params("generate.scores", {})
    return load_domain()


def test_recorded_are_the_authored_then_the_imported(domain):
    found = {s: [[one.id for one in part] for part in load_recorded(domain, s)] for s in ("authored", "imported")}
    assert found == {"authored": [["p1"], ["a1"]], "imported": [["u1"], ["log-1"]]}
    assert [[one.id for one in part] for part in load_recorded(domain, "recorded")] == [["p1", "u1"], ["a1", "log-1"]]


def test_a_conversation_of_two_imports_or_of_nobody_is_told_with_its_line(domain, workspace):
    talk = transcript("log-1", persona_id="u1", user_kind="imported")
    workspace.write_imported("feb", [PERSON], [transcript("log-0", persona_id="u1"), talk])
    with pytest.raises(
        RecordError,
        match=r"imported/jan/transcripts\.jsonl, line 1: found the id 'log-1', which another import has too",
    ):
        load_imported(domain)
    workspace.write_imported("feb", [], [talk])
    with pytest.raises(RecordError, match=r"feb/transcripts\.jsonl, line 1, log-1: found the persona 'u1'"):
        load_imported(domain)


def test_who_is_held_out_is_never_trained_on():
    people = [persona(f"p{n}", source="imported" if n % 2 else "authored") for n in range(40)]
    for use in ("take", "replay"):
        held_out = held_out_ids(people, use, SHARES, 7)
        assert held_out == {p.id for p in people if split_of(p.id, SHARES, 7) == "holdout"}
    left_out = held_out_ids(people, "leave", SHARES, 7)
    assert left_out == held_out | {p.id for p in people if p.source == "imported"}


def test_git_holds_the_folder_of_every_domain_and_nothing_that_is_imported():
    def git(*arguments):
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.split()

    kept = [f"data/imported/{path.stem}/.gitkeep" for path in sorted((ROOT / "conf/domain").glob("*.yaml"))]
    assert sorted(git("ls-files", "data/imported")) == kept and len(kept) >= 2
    logs = "data/imported/therapy/jan/transcripts.jsonl"
    assert git("check-ignore", logs, "data/imported/therapy/jan.dvc", *kept) == [logs]


def test_dvc_sees_the_folder_into_which_imports_are_added():
    from scmrepo.git import Git  # DVC's own reading of .gitignore: it passes over .dvc files in ignored folders

    with Git(str(ROOT)) as git:
        ignored = [p for p in ("therapy/", "therapy/jan.dvc", "therapy/jan/") if git.is_ignored(f"data/imported/{p}")]
    assert ignored == ["therapy/jan/"]


def test_existing_logs_are_judged_alone(workspace, fake_server):
    """No simulated, replayed or authored conversation: the scores are those of the logs."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())["generate"]
    workspace.use_small_rubric()
    shutil.copy(ROOT / "conf/import.yaml", "conf/import.yaml")
    workspace.write_authored([persona("p1", source="authored")], [transcript("a1", user_kind="authored")])
    write_jsonl("data/generate/personas.jsonl", [])
    server = fake_server(lambda body: Answer(_verdict(body)))
    judge = {"name": "strict", "model": "hosted_vllm/j", "temperature": 0.0, "max_tokens": 100}
    trusting = {"judges": [judge], "judge_trust": "assumed", "judged_transcripts": None}
    workspace.write_params("generate.verdicts", params["verdicts"] | trusting, server)
    workspace.write_params("generate.scores", params["scores"] | {"judge_trust": "assumed"}, server)
    logs = {"authored": False, "replay": 0}
    workspace.write_params("generate.transcripts", params["transcripts"] | logs, server)
    good, bad = (
        [{"from": "human", "value": w}, {"from": "gpt", "value": r}] for w, r in (("Hi", "Well"), ("Ho", "Cold"))
    )
    Path("chats.json").write_text(json.dumps([{"conversations": good}, {"conversations": bad}]))
    assert CliRunner().invoke(app, ["import", "chats.json", "--as", "jan", "--yes"]).exit_code == 0

    for stage in (transcripts_stage, verdicts_stage, scoring_stage):
        stage.main()
    # one exchange: warm and curious are asked, and safe; `late` begins at the third exchange; plain is measured
    verdicts = read_jsonl("data/generate/verdicts.jsonl", Verdict)
    assert len(server.requests) == 6 and len(verdicts) == 10
    found = read_jsonl("data/generate/scores.jsonl", Score)
    assert [(s.score, s.passed) for s in found] == [(1.0, True), (0.4, False)]
    assert workspace.metrics("generate-scores")["pass_rate_by_user"] == {"imported": 0.5}


def _verdict(body):
    """YES, but a cold reply is neither warm nor curious."""
    asked = str(body["messages"])
    cold = "Cold" in asked and "do safe?" not in asked
    return json.dumps({"evidence": [1], "reasoning": "so", "answer": "NO" if cold else "YES"})
