"""Keys stay out of messages, replies and configuration, whoever repeats them."""

import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from tests.conftest import ROOT
from tunewright.composing import composed_text
from tunewright.errors import ConfigError, ModelSetupError
from tunewright.faults import Fault, one_line
from tunewright.keys import Keys, hide, hide_in_reply
from tunewright.llm import Client
from tunewright.through_litellm import _reply
from tunewright.transport import read_reply

KEY = "sk-planted-0123456789abcdefghijklmnopqrstuv"  # of 43 characters; the first 22 are half of it


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (f"Bearer {KEY} is wrong", "Bearer (key) is wrong"),
        (f'{{"auth":"{KEY[:30]}", "x": 1}}', '{"auth":"(key)", "x": 1}'),
        (f"{KEY[:22]}...", "(key)"),
        (f"{KEY[:21]} is less than half", f"{KEY[:21]} is less than half"),
        (f"{KEY}{KEY}", "(key)(key)"),
    ],
)
def test_a_key_is_hidden_whole_or_cut_short(said, left):
    assert hide(said, [KEY]) == left


def test_a_short_key_of_a_local_server_is_hidden_in_errors_and_left_in_replies():
    assert hide("ollama refused", ["ollama"]) == "(key) refused"
    assert hide_in_reply("I like ollama and EMPTY rooms.", ["ollama", "EMPTY"]) == "I like ollama and EMPTY rooms."


def test_a_reply_that_repeats_the_key_is_stored_without_it():
    body = {"choices": [{"message": {"content": f"<think>{KEY}</think>You sent {KEY}."}, "finish_reason": "stop"}]}
    assert read_reply(json.dumps(body), [KEY]).text == "You sent (key)."


def test_why_a_reply_ended_is_stored_without_the_key_and_cut():
    choice = {"message": {"role": "assistant", "content": "Hi."}, "finish_reason": f"policy for {KEY} {'x' * 99}"}
    through_litellm = SimpleNamespace(**choice | {"message": SimpleNamespace(**choice["message"])})
    replies = (
        read_reply(json.dumps({"choices": [choice]}), [KEY]),
        _reply(SimpleNamespace(choices=[through_litellm]), [KEY]),
    )
    assert [reply.finish_reason for reply in replies] == ["policy for (key) " + "x" * 23] * 2


def test_an_answer_that_is_no_json_shows_no_part_of_the_key_however_it_is_cut():
    for before in range(20, 81):  # the message keeps 80 characters: somewhere the key lies across their end
        with pytest.raises(Fault) as caught:
            read_reply("x" * before + KEY, [KEY])
        assert "sk-planted" not in str(caught.value)


def test_an_error_body_cannot_steer_a_terminal():
    assert one_line("\x1b]0;owned\x07 \x1b[2J\u202egnp.exe", []) == "\ufffd]0;owned\ufffd \ufffd[2J\ufffdgnp.exe"


@pytest.mark.parametrize("value", [f"{KEY}\n", f" {KEY}", f"{KEY}\r\nX-Other: 1", f"{KEY}\u00e4"])
def test_a_key_that_no_header_takes_is_refused_without_being_shown(monkeypatch, value):
    monkeypatch.setenv("MODEL_KEY", value)
    with pytest.raises(ModelSetupError, match=r"^m: \$MODEL_KEY holds a space, a line end or a sign") as caught:
        Keys(["MODEL_KEY"], "m")
    assert "sk-planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"api_key_env": KEY}, "connections.openai.api_key_env: expected the name of an environment variable"),
        ({"api_key_env": ["A_KEY", "hf_planted0123456789abcdefghijklmn"]}, "api_key_env: expected the name of an"),
        ({"api_base": f"https://me:{KEY}@host/v1"}, "connections.openai.api_base: expected an address without user"),
        ({"api_base": f"https://host/v1?key={KEY}"}, "connections.openai.api_base: expected an address without user"),
        ({"api_base": f"https://host/v1#key={KEY}"}, "connections.openai.api_base: expected an address without user"),
        ({"api_base": f"me:{KEY}@host:8000/v1"}, "connections.openai.api_base: found another value (not shown"),
        ({"api_base": f"https://me:{KEY}/v1"}, "connections.openai.api_base: found a host or port that cannot be read"),
        ({"api_base": f"https://me:{KEY}@h\u2100st/v1"}, "api_base: found a host or port that cannot be read"),
        ({"api_base": "https://host:99999/v1"}, "api_base: found a host or port that cannot be read"),
    ],
)
def test_a_key_in_the_configuration_is_refused_and_not_repeated(tmp_path, wrong, said):
    path = tmp_path / "params.yaml"
    section = {"connections": {"openai": {"concurrency": 1, "timeout_s": 1, "attempts": 1} | wrong}}
    path.write_text(json.dumps({"llm": section}))
    with pytest.raises(ConfigError) as caught:
        Client.from_params(path)
    assert said in str(caught.value)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    "title",
    [
        "${oc.env:MODEL_KEY}", "'${ oc.env : MODEL_KEY, none}'", '"\\x24{oc.env:MODEL_KEY}"',
        "${oc.${domain.kind}:MODEL_KEY}\nkind: env",
    ],
)  # fmt: skip
def test_no_interpolation_copies_a_key_of_the_environment_into_params(tmp_path, monkeypatch, title):
    monkeypatch.setenv("MODEL_KEY", KEY)
    for folder in ("conf", ".dvc"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("cache", "tmp"))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    option = tmp_path / "conf/domain/deep/er/x.yaml"  # deeper than what is read before
    option.parent.mkdir(parents=True)
    shipped = (ROOT / "conf/domain/therapy.yaml").read_text("utf-8")
    option.write_text(re.sub("(?m)^title: .*$", lambda _: f"title: {title}", shipped), "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"conf/, domain\.title: found the variable 'MODEL_KEY' of the environment"):
        composed_text(["domain=deep/er/x"])
