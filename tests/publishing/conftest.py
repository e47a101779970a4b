"""A project to publish, and the command."""

import pytest
from typer.testing import CliRunner

from tests.publishing.project import Project
from tunewright.cli import app


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The working directory of the test. No token but the one that a test gives."""
    folder = tmp_path / "cats"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return Project()


@pytest.fixture
def publish(project):
    """Run the command on the project as it is then."""

    def run(*options, **rest):
        project.finish()
        return CliRunner().invoke(app, ["publish", *options], **rest)

    return run
