"""Three sources of conversations, of which failed ones are kept with the reason."""

from pathlib import Path

import pytest

from bench.fake_model_server import Answer
from stages.generate import transcripts as stage
from stages.generate.transcripts import metrics, replayed
from tests.conftest import CONDUCT, GUIDANCE, persona, spec, transcript
from tunewright.errors import MissingInputError, RecordError, TooManyFailuresError
from tunewright.records import Transcript, read_jsonl, write_jsonl

FILE = Path("data/generate/transcripts.jsonl")
RECORDED = [transcript(f"a{n}", user=f"Talk {n}", user_kind="authored", persona_id="author-1") for n in range(3)]


def section(**rest):
    fields = {
        "authored": True, "imported": "take", "replay": 1, "exchanges": {"min": 2, "max": 2},
        "guidance": GUIDANCE, "conduct": CONDUCT, "max_failed_share": 0.4, "seed": 7,
        "user": spec("hosted_vllm/user").model_dump(), "assistant": spec("hosted_vllm/coach").model_dump(),
    }  # fmt: skip
    return fields | rest


@pytest.fixture
def run(workspace, fake_server):
    """Run the stage with two sampled people and three authored talks; gives the server back."""
    write_jsonl("data/generate/personas.jsonl", [persona("persona-0001"), persona("persona-0002", name="Boris")])
    workspace.write_authored([persona("author-1", source="authored")], RECORDED)

    def start(script="Well.", **rest):
        server = fake_server(script)
        workspace.write_params("generate.transcripts", section(**rest), server)
        stage.main()
        return server

    return start


def test_authored_then_simulated_then_replayed_talks_are_written(run, workspace):
    run()
    found = read_jsonl(FILE, Transcript)
    chosen = replayed(RECORDED, 1)[0].id
    assert [t.id for t in found] == [
        "a0", "a1", "a2", "simulated-persona-0001", "simulated-persona-0002", f"replay-{chosen}",
    ]  # fmt: skip
    assert found[:3] == RECORDED
    assert [len(t.exchanges) for t in found[3:]] == [2, 2, 2]
    assert workspace.metrics("generate-transcripts") == {
        "n_transcripts": 6, "n_exchanges": 15, "n_failed": 0, "n_cut": 0,
        "n_out_of_limits": 0,
        "by_user": {"authored": 3, "replay": 1, "simulated": 2},
        "by_end": {"maximum": 1, "planned": 2, "recorded": 3},
    }  # fmt: skip


@pytest.fixture
def imported(run, workspace):
    """Two logged talks of one user, beside the authored ones."""
    people = [persona("imported-user-1", source="imported", age=None)]
    talks = [transcript(f"imported-jan-{n}", user="Log", user_kind="imported", persona_id=people[0].id) for n in "ab"]
    workspace.write_imported("jan", people, talks)
    return talks


def test_imported_talks_are_taken_in_as_they_are_and_their_users_can_be_replayed(run, imported, workspace):
    write_jsonl("data/generate/personas.jsonl", [])
    server = run(authored=False, replay=5)
    found = read_jsonl(FILE, Transcript)
    assert found[:2] == imported
    assert {t.id for t in found[2:]} == {f"replay-{t.id}" for t in [*RECORDED, *imported]}
    assert {t.persona_id for t in found[2:]} == {"author-1", "imported-user-1"}
    assert "Log 1" in str([r["messages"] for r in server.requests])
    assert workspace.metrics("generate-transcripts")["by_user"] == {"imported": 2, "replay": 5}


def test_of_imported_talks_the_users_alone_can_be_used_or_nothing(run, imported):
    run(imported="replay", replay=5)
    assert [t.user_kind for t in read_jsonl(FILE, Transcript)] == ["authored"] * 3 + ["simulated"] * 2 + ["replay"] * 5
    run(imported="leave", replay=5)
    assert {t.source_id for t in read_jsonl(FILE, Transcript)} == {None, "a0", "a1", "a2"}


def test_a_second_run_makes_no_request_and_the_same_bytes(run):
    first = run()
    before = FILE.read_bytes()
    second = run()
    # 2 people x 2 messages, 2 answers to them (both people say `Well.`: paid once), 2 answers to the recording
    assert len(first.requests) == 4 + 2 + 2 and second.requests == []
    assert FILE.read_bytes() == before


def test_without_authored_replayed_or_sampled_there_is_nothing_to_call(run):
    write_jsonl("data/generate/personas.jsonl", [])
    server = run(authored=False, replay=0)
    assert server.requests == [] and FILE.read_bytes() == b""


def test_a_failed_talk_is_kept_with_its_reason(run, workspace):
    def script(body):
        return Answer("no", status=400) if "Boris" in str(body["messages"][0]) else Answer("Well.")

    run(script)
    failed = [t for t in read_jsonl(FILE, Transcript) if t.failure]
    assert [(t.id, t.exchanges) for t in failed] == [("simulated-persona-0002", ())]
    assert workspace.metrics("generate-transcripts")["n_failed"] == 1


def test_a_talk_with_a_message_that_ran_out_of_tokens_is_marked(run, workspace):
    def script(body):
        cut = "Boris" in str(body["messages"][0])
        return Answer("Well, I", finish_reason="length") if cut else Answer("Well.")

    run(script)
    assert [t.id for t in read_jsonl(FILE, Transcript) if t.is_cut] == ["simulated-persona-0002"]
    assert workspace.metrics("generate-transcripts")["n_cut"] == 1


def test_too_many_failures_stop_the_stage_and_leave_the_old_file(run):
    run()
    before = FILE.read_bytes()
    with pytest.raises(TooManyFailuresError, match=r"3 of 3 conversations failed \(allowed: 40%\)"):
        run(lambda body: Answer("no", status=400), seed=8, assistant=spec("hosted_vllm/new").model_dump())
    assert FILE.read_bytes() == before


def test_an_authored_talk_of_an_unknown_person_or_domain_is_told_with_its_line(run, workspace):
    workspace.write_authored([persona("author-1")], [RECORDED[0], transcript("x", persona_id="nobody")])
    with pytest.raises(
        RecordError, match=r"transcripts\.jsonl, line 2, x: found the persona 'nobody', expected one of"
    ):
        run()
    workspace.write_authored([persona("p1")], [transcript("x", domain="chess")])
    with pytest.raises(RecordError, match=r"line 1, x: found the domain 'chess', expected 'therapy'"):
        run()
    workspace.write_authored([persona("p1")], [transcript("x"), transcript("x")])
    with pytest.raises(RecordError, match=r"line 2: .*'x'"):
        run()


def test_without_people_the_stage_to_run_is_named(run):
    Path("data/generate/personas.jsonl").unlink()
    with pytest.raises(MissingInputError, match="dvc repro generate-personas"):
        run()


def test_one_more_replay_adds_one_to_those_there_were():
    talks = [transcript(f"a{n}") for n in range(10)]
    chosen = [[t.id for t in replayed(talks, n)] for n in range(11)]
    assert all(more[:-1] == fewer for fewer, more in zip(chosen, chosen[1:], strict=False))
    assert len(replayed(talks, 99)) == 10


def test_metrics_of_nothing_are_zeros():
    nothing = {"n_transcripts": 0, "n_exchanges": 0, "n_failed": 0, "n_cut": 0, "n_out_of_limits": 0}
    assert metrics([], 0) == nothing | {"by_user": {}, "by_end": {}}
