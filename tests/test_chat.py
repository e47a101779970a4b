"""tunewright chat: base and tuned asked the same, each with its own replies as history."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bench.fake_model_server import Answer
from tunewright.chat_command import beside
from tunewright.chat_session import Candidates, Said
from tunewright.cli import app
from tunewright.errors import ConfigError, MissingInputError, ModelError


def candidate(name, **rest):
    return {"model": f"hosted_vllm/{name}", "temperature": 0.0, "max_tokens": 9, "price": None} | rest


@pytest.fixture
def chat(workspace, fake_server):
    """A factory: run the command against a scripted server; gives its result and the server."""

    def run(*arguments, said=lambda body: Answer(f"{body['model']} {len(body['messages'])}"), typed=""):
        server = fake_server(said)
        workspace.write_params("generate.scores", {}, server)
        workspace.params["llm"]["candidates"] = {name: candidate(name) for name in ("base", "tuned")}
        workspace.write_params("generate.scores", {})
        return CliRunner().invoke(app, ["chat", *arguments], input=typed), server

    return run


def contents(request):
    return [m["content"] for m in request["messages"]]


def test_both_are_asked_the_same_under_the_evaluation_s_system_prompt_and_remember_their_own_words(chat):
    result, server = chat(typed="Hello\n\nAnd now?\n")
    assert result.exit_code == 0
    by_model = {name: [r for r in server.requests if r["model"] == name] for name in ("base", "tuned")}
    system = Path("prompts/therapy/system.md").read_text().strip()
    for name, (first, second) in by_model.items():
        assert contents(first) == [system, "Hello"]
        assert contents(second) == [system, "Hello", f"{name} 2", "And now?"]
    assert "base 4" in result.output and "tuned 4" in result.output


def test_reset_begins_again_and_quit_ends_whatever_follows(chat):
    result, server = chat("--model", "tuned", typed="Hello\n/reset\nAgain\n/what\n/quit\nNever said\n")
    assert [contents(r)[1:] for r in server.requests] == [["Hello"], ["Again"]]
    assert "begun again" in result.output and "/what is not known" in result.output
    assert result.exit_code == 0


def test_once_prints_the_words_alone_for_one_model_and_names_for_both(chat):
    result, _ = chat("--model", "tuned", "--once", "Hello", said=lambda body: Answer("[b]Yes[/b]"))
    assert result.output == "[b]Yes[/b]\n"
    result, _ = chat("--once", "Hello")
    assert result.output == "base: base 2\n\ntuned: tuned 2\n"
    result, server = chat("--once", " ")
    assert isinstance(result.exception, ConfigError) and server.requests == []


def test_a_model_that_gives_no_answer_is_named_and_keeps_its_history(chat):
    fails = lambda body: Answer("" if body["model"] == "base" else "Here.")  # noqa: E731
    result, _ = chat("--once", "Hello", said=fails)
    assert isinstance(result.exception, ModelError) and "base gave no answer" in str(result.exception)
    result, server = chat(typed="One\nTwo\n", said=fails)
    assert result.exit_code == 0 and "no answer" in result.output
    last = [r for r in server.requests if r["model"] == "base"][-1]
    assert contents(last)[1:] == ["Two"]


def test_nothing_said_in_a_chat_is_stored(chat, cache_folder):
    chat("--once", "A secret")
    assert not any(b"A secret" in path.read_bytes() for path in cache_folder.rglob("*") if path.is_file())


def test_an_embedded_model_that_was_not_made_names_the_stage(workspace):
    spec = candidate("x") | {"model": "embedded/tuned", "weights": {"path": "models/gguf/tuned.gguf"}}
    found = Candidates.model_validate({"base": candidate("base"), "tuned": spec})
    assert list(found.chosen("base")) == ["base"]
    with pytest.raises(MissingInputError, match="models/gguf/tuned.gguf: .* dvc repro train-export@tuned"):
        found.chosen("both")


def test_answers_stand_side_by_side_where_there_is_room_and_brackets_are_text():
    answers = {"base": Said("Hi [red]", 1.0), "tuned": Said("Ho", 2.0, cut=True)}
    for width, beside_each_other in ((100, True), (60, False)):
        out = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
        out.print(beside(answers, width))
        text = out.export_text()
        assert any("Hi [red]" in line and "Ho" in line for line in text.splitlines()) is beside_each_other
        assert "1 words, 2.0 s, cut off by max_tokens" in text


def test_ctrl_c_during_a_reply_takes_the_message_back():
    from tunewright.chat_command import exchange

    class Interrupted:
        models = {"base": None}

        async def ask(self, text):
            raise KeyboardInterrupt

    out = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with asyncio.Runner() as runner, pytest.raises(KeyboardInterrupt):
        runner.run(Interrupted().ask("x"))
    with asyncio.Runner() as runner:
        exchange(runner, Interrupted(), "x", out)  # type: ignore[arg-type]
    assert "not part of the conversation" in out.export_text()
