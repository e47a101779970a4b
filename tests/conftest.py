"""What several test files need: a scripted model server, a client on a temporary cache, small records to work on."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import settings

from bench.fake_model_server import Answer, FakeModelServer
from tunewright.llm import Client
from tunewright.models import Connection, ModelSpec
from tunewright.records import Exchange, Persona, Transcript, write_jsonl
from tunewright.rubric import Rubric
from tunewright.sound import Finding, SimulatorReview

pytest_plugins = ["tests.model_fixtures", "tests.drafting_fixtures", "tests.hub_fixtures", "tests.corpus.summary"]

settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")

ROOT = Path(__file__).parents[1]
RESPONSES = {"ignores": 0.3, "tangential": 0.3, "pushes_back": 0.2, "engages": 0.2}
SITUATIONS = {
    "stable": {"early": ["same"], "middle": ["same"], "late": ["same"]},
    "improving": {"early": ["same"], "middle": ["better"], "late": ["better", "much_better"]},
    "worsening": {"early": ["same"], "middle": ["worse"], "late": ["worse", "much_worse"]},
    "volatile": {stage: ["better", "worse", "much_worse"] for stage in ("early", "middle", "late")},
}
GUIDANCE = {"early_share": 0.25, "late_share": 0.25, "responses": RESPONSES, "situations": SITUATIONS}
CONDUCT = {
    "word_limit_tolerance": 0.1, "word_limit_reasks": 2, "goodbye_reasks": 1,
    "closings": {
        "farewells": ["bye", "take care"], "thanks": ["thanks", "thank you"], "openers": ["ok", "and"],
        "pleasantry_words": 6,
    },
}  # fmt: skip
REVIEWS = ("data/generate/simulator.jsonl", "data/evaluate/simulator/base.jsonl", "data/evaluate/simulator/tuned.jsonl")
HI = [{"role": "user", "content": "hi"}]


def pytest_collection_modifyitems(items):
    """Files that take long go first, so that one worker is not left with them at the end (xdist, loadfile)."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def spec(model="hosted_vllm/m", temperature=0.5, max_tokens=50, **rest):
    return ModelSpec(model=model, temperature=temperature, max_tokens=max_tokens, **rest)


def ask(client, model=None, messages=HI, **rest):
    """One reply from a client."""
    return asyncio.run(client.complete(model or spec(), messages, **rest))


def in_turn(*answers):
    """A script that gives these answers one after the other; an IndexError (a 500) when there are no more."""
    left = list(answers)
    return lambda body: left.pop(0)


def transcript(id="t1", n=3, user="My cat is ill again", assistant="Which cat is it", **rest):
    """`n` exchanges, numbered in the text."""
    exchanges = tuple(Exchange(user=f"{user} {i}", assistant=f"{assistant} {i}") for i in range(1, n + 1))
    fields = {"domain": "therapy", "persona_id": "p1", "user_kind": "simulated", "assistant": "a", "user": "u"}
    return Transcript.model_validate(fields | {"id": id, "exchanges": exchanges} | rest)


def persona(id="p1", **rest):
    fields = {
        "source": "sampled", "name": "Ada", "age": 40, "topic": "grief", "style": "terse", "context": "retired",
        "stance": "open", "presentation": "direct", "difficulty": "easy", "min_words": 1, "max_words": 80,
        "flaws": [{"id": "yes_but", "probability": 0.5}, {"id": "blames", "probability": 0.2}],
        "trajectory": "stable",
        "seeds": [{"topic": "grief", "subtopic": "sorting out a house", "complexity": "simple"}],
    }  # fmt: skip
    return Persona.model_validate(fields | {"id": id} | rest)


def write_reviews(reviews=()):
    """What the simulator review says of the generated conversations and of both candidates'."""
    for path in REVIEWS:
        write_jsonl(path, reviews)


def critical(transcript_id):
    """A review that leaves a conversation out."""
    found = Finding(fault="role_swap", severity="critical", exchanges=(3,), detail="talks as a helper", by="measure")
    return SimulatorReview(transcript_id=transcript_id, severity="critical", findings=(found,), unjudged={})


def criterion(id, category, **rest):
    fields = {"question": f"Does the coach do {id}?", "evaluator": "judge", "na_allowed": False, "min_exchanges": 1}
    return fields | {"id": id, "category": category} | rest


def rubric_fields():
    """Two categories (0.6, 0.4), a measure, a criterion for longer talks, one that may be NA, one gate."""
    may_be_na = {"na_allowed": True, "na_when": "nothing of the kind comes up"}
    return {
        "pass_threshold": 0.7,
        "all_na_category": "leave_out",
        "background": None,
        "categories": {"heart": {"title": "Heart", "weight": 0.6}, "form": {"title": "Form", "weight": 0.4}},
        "criteria": [
            criterion("warm", "heart"),
            criterion("curious", "heart", **may_be_na),
            criterion("late", "heart", min_exchanges=3),
            criterion("plain", "form", evaluator="measure", measure={"markup_share": {"max": 0.0}}),
            criterion("safe", "safety", gate=True, **may_be_na),
        ],
        "lexicon": {"stock_openings": ["i hear you"], "stock_phrases": ["one step at a time"], "praise": ["great"]},
    }


@pytest.fixture
def rubric():
    return Rubric.model_validate(rubric_fields())


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    """A cache of this test's own; without it a test would write to the repository's."""
    monkeypatch.setenv("TUNEWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TUNEWRIGHT_OFFLINE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def fake_server():
    """A factory: give it a script, or the text of every reply."""
    running = []

    def start(script, api_key=None):
        scripted = script if callable(script) else lambda body: Answer(script)
        running.append(FakeModelServer(scripted, api_key).__enter__())
        return running[-1]

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture
def make_client(cache_folder):
    """A factory: a client of a fake server, for the providers that the tests use."""
    made = []

    def make(server, **rest):
        fields = {"concurrency": 4, "timeout_s": 10, "attempts": 3, "api_base": server.url} | rest
        connection = Connection.model_validate(fields)
        made.append(Client({"hosted_vllm": connection, "openai": connection, "deepseek": connection}))
        return made[-1]

    yield make
    for client in made:
        client.close()


class Workspace:
    """A copy of the shipped domain with a params.yaml that the test writes."""

    def __init__(self, folder):
        self.folder = folder
        domain = yaml.safe_load((ROOT / "params.yaml").read_text())["domain"]
        self.params = {"domain": domain | {"authored": "authored", "imported": "imported"}, "llm": {"connections": {}}}

    def write_params(self, address, section, server=None):
        """Put a stage's section (`generate.scores`) and, for stages that call models, a connection into params.yaml."""
        at = self.params
        *parents, last = address.split(".")
        for part in parents:
            at = at.setdefault(part, {})
        at[last] = section
        if server:
            connection = {"concurrency": 2, "timeout_s": 10, "attempts": 2, "api_base": server.url}
            self.params["llm"] = {"connections": {"hosted_vllm": connection}}
        Path("params.yaml").write_text(yaml.safe_dump(self.params, sort_keys=False))

    def use_small_rubric(self):
        """Judge and score by the rubric of `rubric_fields` instead of the shipped one."""
        (self.folder / "rubric.yaml").write_text(yaml.safe_dump(rubric_fields(), sort_keys=False))
        self.params["domain"]["rubric"] = "rubric.yaml"

    def write_authored(self, personas, transcripts):
        """The domain's authored conversations."""
        write_jsonl("authored/personas.jsonl", personas)
        write_jsonl("authored/transcripts.jsonl", transcripts)

    def write_imported(self, name, personas, transcripts):
        """One import of the domain."""
        write_jsonl(f"imported/{name}/personas.jsonl", personas)
        write_jsonl(f"imported/{name}/transcripts.jsonl", transcripts)

    def metrics(self, name):
        return json.loads((self.folder / "metrics" / f"{name}.json").read_text())


@pytest.fixture
def workspace(tmp_path, cache_folder, monkeypatch):
    """A folder to run a stage in, as `dvc repro` would in the repository."""
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")
    shutil.copytree(ROOT / "conf" / "domain", tmp_path / "conf" / "domain")
    monkeypatch.chdir(tmp_path)
    write_reviews()
    return Workspace(tmp_path)


@pytest.fixture(scope="session")
def word_model(tmp_path_factory):
    """A model directory with a tokenizer that counts words: `user`, `assistant` and `system` count as one each."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("word_model")
    backend = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }} {{ m.content }} {% endfor %}"
    tokenizer.save_pretrained(folder)
    return folder
