"""A plan looks every request up and calls nothing: what is cached is told apart from what is not."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import validate

from tests.conftest import HI, ask, persona, spec, transcript
from tests.test_simulation import CAST
from tests.test_simulator_review import CONFIG, GIVEN
from tunewright.freshness import file_md5, folder_md5
from tunewright.judge_asking import Asking
from tunewright.judging import JudgingConfig, judge_transcripts
from tunewright.llm import Client
from tunewright.plan import Shadow
from tunewright.plan_table import usd
from tunewright.planning import PLAN, Counts, Planned, has_placeholder, placeholder, prose
from tunewright.prices import usd_of
from tunewright.simulation import simulate
from tunewright.simulator_review import review


@pytest.fixture
def planning(cache_folder, monkeypatch, tmp_path):
    """A factory of planning clients, and the file in which they leave their counts."""
    monkeypatch.setenv(PLAN, str(tmp_path / "plan.jsonl"))
    params = tmp_path / "params.yaml"
    params.write_text("llm: {connections: {hosted_vllm: {concurrency: 1, timeout_s: 1, attempts: 1}}}\n")
    return lambda: Client.from_params(params)


def counts(tmp_path):
    return [Counts.model_validate_json(line) for line in (tmp_path / "plan.jsonl").read_text().splitlines()]


def test_a_cached_reply_is_given_and_a_missing_one_is_counted_once_and_never_called(
    fake_server, make_client, planning, tmp_path
):
    server = fake_server("Known.")
    ask(make_client(server))
    client = planning()
    other = [{"role": "user", "content": "x" * 40}]
    assert ask(client).text == "Known."
    assert ask(client, messages=other).text == ask(client, messages=other).text != "Known."
    client.close()
    assert len(server.requests) == 1
    (found,) = counts(tmp_path)
    (call,) = found.calls
    assert (call.made, call.prompt_tokens, found.cached) == (1, 10, 2)  # 40 characters


def test_a_placeholder_has_the_usual_length_of_the_model_s_replies(fake_server, make_client, planning):
    ask(make_client(fake_server("w" * 300)))
    client = planning()
    assert 220 <= len(ask(client, messages=[{"role": "user", "content": "new"}]).text) <= 380
    client.close()


def test_a_request_that_rests_on_a_placeholder_makes_the_count_an_estimate_and_offline_stops_none(
    planning, tmp_path, monkeypatch
):
    monkeypatch.setenv("TUNEWRIGHT_OFFLINE", "1")
    first, second = planning(), planning()
    said = ask(first).text
    first.close()
    ask(second, messages=[*HI, {"role": "assistant", "content": ask(second).text}, {"role": "user", "content": "So?"}])
    second.close()
    assert said and [one.guessed for one in counts(tmp_path)] == [False, True]


def test_a_planned_talk_is_asked_for_once_a_message_and_its_review_finds_no_fault(planning, tmp_path, monkeypatch):
    """A placeholder keeps to no word limit and speaks no language: else every one was asked for again or left out."""
    cast = CAST.model_copy(update={"user": spec("hosted_vllm/user"), "assistant": spec("hosted_vllm/coach")})
    client = planning()
    made = asyncio.run(simulate(client, cast, persona(max_words=5), 0, "s1"))
    client.close()
    (found,) = counts(tmp_path)
    assert [one.made for one in found.calls] == [3, 3] and found.guessed
    assert review(made, GIVEN, CONFIG, None).severity is None and has_placeholder(made)
    monkeypatch.delenv(PLAN)
    assert review(made, GIVEN, CONFIG, None).severity == "critical"
    assert not has_placeholder(transcript(user="Maybe later"))


def test_many_calls_cost_what_each_does_and_not_what_one_long_prompt_would():
    many = Planned(model="gemini/gemini-2.5-pro", price=None, made=300, prompt_tokens=300_000, completion_tokens=300)
    assert usd(many) == pytest.approx(300 * (usd_of(spec(many.model), 1000, 1) or 0))


def test_a_missing_verdict_is_replaced_by_one_that_counts(planning, rubric):
    """Judged on the batch that a judge is asked, schema and all: nothing is asked again for want of a fit."""
    client = planning()
    section = {
        "judges": [{"name": "j", **spec().model_dump()}], "judge_trust": "assumed", "judged_transcripts": None,
        "samples": 1, "reasks": 0, "reasoning_chars": 100, "example_tokens": 0, "batching": "conversation",
        "evidence": {"quotes": 2, "quote_chars": 80, "required": True}, "max_failed_share": 0.0,
    }  # fmt: skip
    config = JudgingConfig.model_validate(section)
    work = judge_transcripts(client, [transcript()], Asking(rubric, config, {}), {"t1"}, config, None)
    judged = [v for v in asyncio.run(work) if v.judge == "j"]
    assert len(judged) == 4 and {v.answer for v in judged} == {"YES"}
    client.close()


@given(st.integers(1, 2000), st.text("abcdef0123456789", min_size=4, max_size=8))
def test_placeholders_are_the_same_for_the_same_request(chars, key):
    assert placeholder(key, None, chars) == placeholder(key, None, chars)


def test_what_stands_for_an_answer_fits_lists_choices_and_references():
    schema = {
        "type": "object",
        "required": ["kind", "parts"],
        "properties": {
            "kind": {"enum": ["b", "a"]},
            "parts": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/Part"}},
            "note": {"type": "string"},
        },
        "$defs": {"Part": {"type": "object", "required": ["n", "s"], "properties": {
            "n": {"type": "integer", "minimum": 3}, "s": {"type": "string", "maxLength": 5}}}},
    }  # fmt: skip
    found = json.loads(placeholder("k", schema, 10))
    validate(found, schema)
    assert found["kind"] == "b" and [p["n"] for p in found["parts"]] == [3, 3] and "note" not in found


def test_placeholders_do_not_look_like_a_loop():
    import random

    words = prose(random.Random(1), 1200).lower().replace(".", "").split()
    runs = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    assert len(set(runs)) == len(runs)


def test_a_shadow_writes_beside_the_workspace_and_hashes_as_dvc_does(tmp_path):
    root = tmp_path / "root"
    (root / "data").mkdir(parents=True)
    (root / "data/a.txt").write_text("old")
    (root / ".git").mkdir()
    shadow = Shadow(root, tmp_path / "shadow")
    assert shadow.md5("data/a.txt") == file_md5(b"old") and not shadow.touched("data")
    assert not (tmp_path / "shadow/.git").exists()
    shadow.clear(["data/a.txt"])
    Path(shadow.folder / "data/a.txt").write_text("new")
    assert (root / "data/a.txt").read_text() == "old"
    assert shadow.touched("data") and shadow.touched("data/a.txt") and not shadow.touched("dat")
    assert shadow.md5("data") == folder_md5({"a.txt": b"new"})


def test_an_output_that_nobody_knows_is_another_one_and_numbers_stay_the_last_ones(tmp_path):
    root = tmp_path / "root"
    (root / "models/base").mkdir(parents=True)
    (root / "models/base/w.bin").write_bytes(b"weights")
    (root / "m.json").write_text("{}")
    shadow = Shadow(root, tmp_path / "shadow")
    before = shadow.md5("models/base")
    shadow.pretend(["models/base", "m.json"])
    assert shadow.md5("models/base") != before
    assert (shadow.folder / "m.json").read_text() == "{}"
    assert (root / "models/base/w.bin").read_bytes() == b"weights"
