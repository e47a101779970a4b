"""From a brief to scored transcripts, as a user would do it: no Python is edited, no model is real."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from bench import fake_expert
from bench.fake_model_server import FakeModelServer
from tests.conftest import ROOT
from tests.test_pipeline import Repository

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TUNEWRIGHT = (sys.executable, "-m", "tunewright.cli")
OUTPUTS = ("models", "data", "metrics", "plots", "reports", "*.lock", ".venv", ".git", ".cache")


def test_a_brief_becomes_scored_transcripts(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*OUTPUTS))
    for part in ("authored", "probes", "lm_eval"):
        shutil.copytree(ROOT / "data" / part, folder / "data" / part)
    (folder / "data/imported/therapy").mkdir(parents=True)
    shutil.rmtree(folder / ".dvc/tmp", ignore_errors=True)
    with FakeModelServer(fake_expert.script) as server:
        option = yaml.safe_dump(fake_expert.llm_option(server.url))
        (folder / f"conf/llm/{fake_expert.OPTION}.yaml").write_text(option, "utf-8")
        repository = Repository(folder, server, tmp_path / "cache")
        commit(repository, "init", "-q")

        repository.run(*TUNEWRIGHT, "new-domain", "tutoring")
        refused = repository.run("dvc", "repro", "prep/dvc.yaml", ok=False)
        assert "found 8 open questions" in refused and not server.requests
        shutil.copyfile(fake_expert.DRAFTS / "brief.md", folder / "prompts/tutoring/brief.md")

        repository.run(*TUNEWRIGHT, "params", "--prep", "domain=tutoring", f"llm={fake_expert.OPTION}")
        assert len(repository.repro("prep/dvc.yaml")) == 8
        n_calls = len(server.requests)
        assert repository.repro("prep/dvc.yaml") == set() and len(server.requests) == n_calls
        assert "the design of tutoring is whole" in repository.run(*TUNEWRIGHT, "adopt", "--yes", "--proposed")

        commit(repository, "add", "-A")
        commit(repository, "commit", "-qm", "tutoring")
        chosen = ("domain=tutoring", "preset=tight", f"llm={fake_expert.OPTION}")
        overrides = [argument for one in chosen for argument in ("-S", one)]
        repository.run("dvc", "exp", "run", *overrides, "generate-scores")
    scores = json.loads((folder / "metrics/generate-scores.json").read_text("utf-8"))
    assert (scores["n_transcripts"], scores["n_open"]) == (5, 0)
    assert scores["pass_rate_by_user"].keys() == {"simulated"}


def commit(repository: Repository, *arguments: str) -> None:
    """Run git under a name of the test's own."""
    repository.run("git", "-c", "user.name=test", "-c", "user.email=test@localhost", *arguments)
