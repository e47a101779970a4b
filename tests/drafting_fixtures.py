"""For tests of drafting: a folder in which the tutoring domain is being drafted, with a scripted expert behind HTTP."""

import copy
import json
import shutil
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from bench import fake_expert
from bench.fake_model_server import Answer, FakeModelServer
from tests.conftest import ROOT
from tunewright.config import PREP_PARAMS
from tunewright.new_domain import new_domain

STAGES = ("frameworks", "anchors", "taxonomy", "rubric", "calibration", "personas", "prompts", "critique")
DRAFTS = Path("data/prep/tutoring")


@dataclass
class Desk:
    """The folder and its expert, whose answers to one schema can be spoilt for a while."""

    server: FakeModelServer
    spoilt: dict = field(default_factory=dict)

    def spoil(self, schema, change, times=99):
        """Let the next `times` answers to this schema be what `change` makes of a good one (or the text it gives)."""
        self.spoilt[schema] = (change, times)

    def answer(self, body):
        good = fake_expert.script(body)
        schema = body["response_format"]["json_schema"]["schema"]["title"]
        change, left = self.spoilt.get(schema, (None, 0))
        if not left:
            return good
        self.spoilt[schema] = (change, left - 1)
        value = json.loads(good.text)
        changed = change(value)
        return Answer(changed if isinstance(changed, str) else json.dumps(value))

    def run(self, *stages):
        for stage in stages:
            import_module(f"stages.prep.{stage}").main()

    def asked(self, schema):
        """The messages of every request for this schema."""
        titles = [(r["response_format"]["json_schema"]["schema"]["title"], r["messages"]) for r in self.server.requests]
        return [messages for title, messages in titles if title == schema]


def write_params(url):
    """prep/params.yaml as shipped, for the tutoring domain and with the scripted expert in every stage."""
    params = yaml.safe_load((ROOT / PREP_PARAMS).read_text("utf-8"))
    params["domain"] = yaml.safe_load(Path("conf/domain/tutoring.yaml").read_text("utf-8"))
    option = fake_expert.llm_option(url)
    for section in params["prep"].values():
        section["expert"] = option["expert"]
    params["llm"] = {"connections": option["connections"]}
    PREP_PARAMS.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")


def start_domain():
    """The skeleton of the domain, in the current folder."""
    for name in ("prompts/shared", "prep/templates"):
        shutil.copytree(ROOT / name, name)
    new_domain("tutoring", (fake_expert.DRAFTS / "brief.md").read_text("utf-8"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder in which every stage has run once."""
    folder = tmp_path_factory.mktemp("drafting")
    with pytest.MonkeyPatch.context() as patch, FakeModelServer(fake_expert.script) as server:
        patch.chdir(folder)
        patch.setenv("TUNEWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        start_domain()
        write_params(server.url)
        Desk(server).run(*STAGES)
    return folder


@pytest.fixture
def desk(finished, tmp_path, cache_folder, fake_server, monkeypatch):
    """A copy of the finished folder to run stages in again, with a cache of its own."""
    shutil.copytree(finished, tmp_path / "desk")
    monkeypatch.chdir(tmp_path / "desk")
    made = Desk(fake_server(lambda body: made.answer(body)))
    write_params(made.server.url)
    return made


@pytest.fixture
def section():
    """A stage's shipped section, as its Config."""

    def load(stage):
        values = yaml.safe_load((ROOT / PREP_PARAMS).read_text("utf-8"))["prep"][stage]
        return import_module(f"stages.prep.{stage}").Config.model_validate(values)

    return load


def good(name):
    """A good answer, as plain data that a test may change."""
    return copy.deepcopy(fake_expert.read(name))
