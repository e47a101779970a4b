"""A plan looks every request up and calls nothing: what is cached is told apart from what is not."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import validate

from tests.conftest import ask, spec, transcript
from tunewright.freshness import file_md5, folder_md5
from tunewright.judge_asking import Asking
from tunewright.judging import JudgingConfig, judge_transcripts
from tunewright.llm import Client
from tunewright.plan import Shadow
from tunewright.planning import PLAN, Counts, placeholder, prose


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
