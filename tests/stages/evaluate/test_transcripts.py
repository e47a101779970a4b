"""Both candidates talk with the same people, under the same prompt, and only the weights differ."""

from pathlib import Path

import pytest

from bench.fake_model_server import Answer
from stages.evaluate import transcripts as stage
from stages.evaluate.transcripts import Config
from tests.conftest import CONDUCT, GUIDANCE, ROOT, persona, spec, transcript
from tunewright.config import Domain, read_yaml
from tunewright.encounters import recordings
from tunewright.errors import ConfigError, MissingInputError, TooManyFailuresError
from tunewright.records import Transcript, read_jsonl, write_jsonl

DOMAIN = Domain.model_validate(read_yaml(ROOT / "params.yaml")["domain"])
PEOPLE = [persona("p1"), persona("p2", name="Boris")]
RECORDED = [
    transcript("b", persona_id="p1", user="Second", n=5), transcript("a", persona_id="p1", user="First", n=5),
    transcript("c", persona_id="p2", user="Third", n=2), transcript("z", persona_id="p9", user="Other"),
]  # fmt: skip


def section(**rest):
    fields = {
        "user_kind": "replay", "user": spec("hosted_vllm/user").model_dump(),
        "candidates": {name: spec(f"hosted_vllm/{name}").model_dump() for name in ("base", "tuned")},
        "conversations_per_persona": 1, "exchanges": {"min": 3, "max": 6}, "max_exchanges": 4,
        "guidance": GUIDANCE, "conduct": CONDUCT, "max_failed_share": 0.2, "seed": 7,
    }  # fmt: skip
    return fields | rest


@pytest.mark.parametrize(
    ("exchanges", "most", "expected"),
    [
        ({"min": 3, "max": 6}, 4, (3, 4)),
        ({"min": 3, "max": 6}, 2, (2, 2)),
        ({"min": 3, "max": 3}, 9, (3, 3)),
        ({}, 4, (1, 4)),
    ],
)
def test_simulated_talks_are_as_long_as_both_limits_allow(monkeypatch, exchanges, most, expected):
    monkeypatch.chdir(ROOT)
    config = Config.model_validate(section(exchanges=exchanges, max_exchanges=most))
    cast = config.cast(DOMAIN, config.candidates["tuned"])
    assert (cast.exchanges.min, cast.exchanges.max) == expected
    assert cast.assistant.model == "hosted_vllm/tuned" and cast.assistant_prompt == "prompts/therapy/system.md"


def test_each_person_s_first_recordings_by_id_are_replayed():
    assert [(p.id, t.id) for p, t in recordings(PEOPLE, RECORDED, 1)] == [("p1", "a"), ("p2", "c")]
    assert [(p.id, t.id) for p, t in recordings(PEOPLE, RECORDED, 9)] == [("p1", "a"), ("p1", "b"), ("p2", "c")]


@pytest.fixture
def run(workspace, fake_server, monkeypatch):
    write_jsonl("data/evaluate/personas.jsonl", PEOPLE)
    workspace.write_authored([*PEOPLE, persona("p9")], RECORDED)

    def start(candidate, script="Well.", **rest):
        server = fake_server(script)
        workspace.write_params("evaluate.transcripts", section(**rest), server)
        monkeypatch.setattr("sys.argv", ["transcripts.py", candidate])
        stage.main()
        return server, read_jsonl(f"data/evaluate/transcripts/{candidate}.jsonl", Transcript)

    return start


def test_replayed_users_say_the_same_to_both_and_the_ids_pair(run, workspace):
    base_server, base = run("base", lambda body: Answer(f"By {body['model']}"))
    tuned_server, tuned = run("tuned", lambda body: Answer(f"By {body['model']}"))
    assert [t.id for t in base] == [t.id for t in tuned] == ["pair-a", "pair-c"]
    assert [[e.user for e in t.exchanges] for t in base] == [[e.user for e in t.exchanges] for t in tuned]
    assert [len(t.exchanges) for t in base] == [4, 2]  # the recording of five is cut to max_exchanges
    assert base[0].exchanges[0].user == "First 1"
    assert {e.assistant for t in base for e in t.exchanges} == {"By base"}
    assert {e.assistant for t in tuned for e in t.exchanges} == {"By tuned"}
    assert workspace.metrics("evaluate-transcripts/tuned") == {
        "n_transcripts": 2,
        "n_exchanges": 6,
        "n_failed": 0,
        "n_cut": 0,
        "n_out_of_limits": 0,
        "by_end": {"maximum": 1, "recorded": 1},
    }
    assert len(base_server.requests) == len(tuned_server.requests) == 6
    assert base_server.requests[0]["messages"][0] == tuned_server.requests[0]["messages"][0]


def test_simulated_users_get_the_same_directions_for_both(run):
    settings = {"user_kind": "simulated", "conversations_per_persona": 2, "exchanges": {"min": 2, "max": 2}}
    _, base = run("base", **settings)
    server, tuned = run("tuned", **settings)
    assert [t.id for t in tuned] == ["pair-p1-0", "pair-p1-1", "pair-p2-0", "pair-p2-1"] == [t.id for t in base]
    # the user's requests were all answered for base already; p1's and p2's coach hears the same `Well.`, in two samples
    assert {r["model"] for r in server.requests} == {"tuned"} and len(server.requests) == 2 * 2


def test_a_second_run_makes_no_request_and_the_same_bytes(run):
    run("base")
    before = Path("data/evaluate/transcripts/base.jsonl").read_bytes()
    server, _ = run("base")
    assert server.requests == [] and Path("data/evaluate/transcripts/base.jsonl").read_bytes() == before


def test_too_many_failures_stop_the_stage_and_write_nothing(run):
    def script(body):
        return Answer("no", status=400) if "Third" in str(body["messages"]) else Answer("Well.")

    with pytest.raises(TooManyFailuresError, match=r"1 of 2 conversations failed \(allowed: 20%\)"):
        run("base", script)
    assert not Path("data/evaluate/transcripts/base.jsonl").exists()


def test_without_people_the_stage_to_run_is_named(run):
    Path("data/evaluate/personas.jsonl").unlink()
    with pytest.raises(MissingInputError, match="dvc repro evaluate-personas"):
        run("base")


def test_imported_users_are_replayed_like_authored_ones(run, workspace):
    talk = transcript("log", persona_id="someone", user="Log", user_kind="imported")
    workspace.write_imported("jan", [persona("someone", source="imported", age=None)], [talk])
    write_jsonl("data/evaluate/personas.jsonl", [PEOPLE[0], persona("someone", source="imported", age=None)])
    found = run("base")[1]
    assert [t.id for t in found] == ["pair-a", "pair-log"]
    assert [e.user for e in found[1].exchanges] == ["Log 1", "Log 2", "Log 3"]


def test_imported_people_are_not_played_by_a_model(run):
    write_jsonl("data/evaluate/personas.jsonl", [PEOPLE[0], persona("someone", source="imported", age=None)])
    with pytest.raises(ConfigError, match=r"1 of 2 people are imported \(someone first\).* evaluation_user: replay"):
        run("base", user_kind="simulated")
