"""`tunewright doctor` names what a run would miss, with what to do, and pays for nothing."""

import shutil
import sqlite3
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
import yaml
from aiohttp import web
from rich.console import Console
from typer.testing import CliRunner

from bench.fake_model_server import Answer, FakeModelServer, error_body
from tests.conftest import ROOT
from tunewright.cli import app
from tunewright.doctor.command import findings
from tunewright.doctor.connections import Use, connections, served, uses
from tunewright.doctor.finding import Finding, caught, show
from tunewright.doctor.project import configuration, other_version, packages, repository
from tunewright.doctor.storage import model_bytes, replies, room
from tunewright.errors import ConfigError
from tunewright.locations import cache_dir

SECRET = "sk-of-nobody-0123456789"


class ListingServer(FakeModelServer):
    """A server that also lists its models, to whoever has the key."""

    def routes(self):
        return [*super().routes(), web.get("/v1/models", self._list)]

    async def _list(self, request):
        if self.refuses(request):
            return error_body(401, f"Incorrect API key provided: {request.headers['Authorization']}", {})
        return web.json_response({"data": [{"id": "base"}, {"id": "tuned-2026"}]})


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of params.yaml and conf/ in an empty folder, without keys in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNEWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TUNEWRIGHT_OFFLINE", raising=False)
    monkeypatch.delenv("SOME_KEY", raising=False)
    shutil.copytree(ROOT / "conf", "conf")
    subprocess.run(["git", "init", "-q"], check=True)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    return tmp_path


def write_models(connection, *names):
    """params.yaml with these models of one provider."""
    roles = {"user": {"model": f"hosted_vllm/{names[0]}"}, "judges": [{"model": f"hosted_vllm/{n}"} for n in names]}
    section = roles | {"connections": {"hosted_vllm": {"concurrency": 1, "timeout_s": 5, "attempts": 1} | connection}}
    Path("params.yaml").write_text(yaml.safe_dump({"llm": section}), "utf-8")


def asked(look):
    """Subject and state of what a look finds."""
    return [(one.subject, one.state) for one in look()]


def test_a_model_is_named_once_with_all_its_roles():
    section = {
        "user": {"model": "a/x"},
        "judges": [{"model": "b/y"}, {"model": "a/x"}],
        "simulator_judge": None,
        "candidates": {"base": {"model": "c/z"}, "tuned": {"model": "b/y"}},
        "connections": {"a": {"concurrency": 1}},
    }
    assert uses(section) == [
        Use("a/x", ("user", "judges")),
        Use("b/y", ("judges", "candidates")),
        Use("c/z", ("candidates",)),
    ]


def test_a_key_that_is_not_set_is_a_fault_and_nobody_is_asked(project):
    write_models({"api_key_env": "SOME_KEY", "api_base": "http://127.0.0.1:9/v1"}, "base")
    [found] = connections()
    assert (found.state, found.found) == ("fault", "hosted_vllm (for judges, user): $SOME_KEY not set")
    assert found.do.startswith("export SOME_KEY=")


def test_an_endpoint_that_answers_is_ok_and_a_model_that_it_does_not_list_is_told(project, monkeypatch):
    monkeypatch.setenv("SOME_KEY", SECRET)
    with ListingServer(lambda _: Answer("hello"), api_key=SECRET) as server:
        write_models({"api_key_env": "SOME_KEY", "api_base": server.url}, "base", "tuned")
        assert asked(connections) == [("keys", "ok"), ("endpoints", "ok")]
        write_models({"api_key_env": "SOME_KEY", "api_base": server.url}, "base", "other")
        assert "does not list other" in [*connections()][1].found
        assert server.requests == []  # no reply was asked for, so nothing was paid


def test_a_refused_key_is_a_fault_that_does_not_show_it(project, monkeypatch):
    monkeypatch.setenv("SOME_KEY", SECRET)
    with ListingServer(lambda _: Answer("hello"), api_key="another") as server:
        write_models({"api_key_env": "SOME_KEY", "api_base": server.url}, "base")
        found = [*connections()]
    assert [one.state for one in found] == ["ok", "fault"]
    assert "refuses the key with $SOME_KEY" in found[1].found
    assert not any(SECRET in one.found + one.do for one in found)


@pytest.mark.parametrize("value", [f"{SECRET}\n", f" {SECRET}", f"{SECRET[:9]}\n{SECRET[9:]}", f"{SECRET}\u00e4"])
def test_a_key_that_no_header_takes_is_a_fault_that_does_not_show_it_and_nobody_is_asked(project, monkeypatch, value):
    monkeypatch.setenv("SOME_KEY", value)
    with ListingServer(lambda _: Answer("hello"), api_key=SECRET) as server:
        write_models({"api_key_env": "SOME_KEY", "api_base": server.url}, "base")
        [found] = connections()
    assert (found.subject, found.state) == ("keys", "fault")
    assert found.found.startswith("hosted_vllm (for judges, user): $SOME_KEY holds a space, a line end or a sign")
    assert found.do.startswith("export SOME_KEY=") and not any(part in str(found) for part in (SECRET[:9], SECRET[9:]))


def test_a_server_that_is_not_there_is_a_fault_and_one_without_a_list_is_only_noted(project):
    write_models({"api_base": "http://127.0.0.1:9/v1"}, "base")
    assert asked(connections) == [("endpoints", "fault")]
    with FakeModelServer(lambda _: Answer("hello")) as server:
        write_models({"api_base": server.url}, "base")
        assert asked(connections) == [("endpoints", "note")]


def test_offline_nobody_is_asked(project, monkeypatch):
    monkeypatch.setenv("TUNEWRIGHT_OFFLINE", "1")
    write_models({"api_base": "http://127.0.0.1:9/v1"}, "base")
    assert asked(connections) == [("endpoints", "note")]


def test_a_provider_without_a_connection_is_told(project):
    Path("params.yaml").write_text("llm: {user: {model: nobody/x}, connections: {}}", "utf-8")
    with pytest.raises(ConfigError, match="nobody/x has no connection 'nobody'"):
        list(connections())


def test_params_that_conf_does_not_compose_are_noted_and_unknown_keys_are_a_fault(project):
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], check=True)
    assert asked(configuration) == [("configuration", "ok")]
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("seed: 20260101", "seed: 7", 1), "utf-8")
    assert asked(configuration) == [("configuration", "note")]
    params.write_text("sede: 1\n", "utf-8")
    [found] = configuration()
    assert (found.state, "sede" in found.found) == ("fault", True)


def test_a_folder_without_git_is_a_fault(project, monkeypatch):
    shutil.rmtree(".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    [found] = repository()
    assert found.state == "fault" and "not a git repository" in found.found


def test_packages_are_held_to_the_lock_whatever_their_build(project):
    assert other_version("pydantic", version("pydantic") + "+cpu") is None
    assert other_version("pydantic", "0.0.1") == version("pydantic")
    assert other_version("no-such-package", "1") == "not installed"
    Path("requirements.lock").write_text(f"pydantic==0.0.1\npyyaml=={version('pyyaml')}\n# a==1\n", "utf-8")
    found = [*packages()][1]
    assert found.state == "note" and found.found.startswith("1 of 2 are not as in requirements.lock: pydantic")


def test_models_take_the_bytes_of_base_merged_and_two_gguf_files_twice():
    assert model_bytes(1000, "float32") == 2 * 1000 * (2 + 4 + 2 * 34 / 32)
    assert model_bytes(1000, "bfloat16") == 2 * 1000 * (2 + 2 + 2 * 34 / 32)


def test_a_full_disk_is_a_fault(project, monkeypatch):
    assert asked(room) == [("disk", "ok")]
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**8))
    assert asked(room) == [("disk", "fault")]


def test_a_cache_is_counted_and_a_damaged_one_is_a_fault(project):
    assert "is empty" in next(replies()).found
    path = cache_dir() / "replies.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE replies (key TEXT, model TEXT, reply TEXT)")
        database.execute("INSERT INTO replies VALUES ('k', 'm', '{}')")
    database.close()
    assert next(replies()).found.startswith("1 replies")
    path.write_bytes(b"no database at all" * 100)
    assert asked(replies) == [("cache", "fault")]


def test_a_look_that_raises_is_a_fault_and_the_others_are_made(project):
    Path("params.yaml").unlink()
    found = {one.subject: one for one in findings()}
    assert found["configuration"].state == "fault" and "make params" in found["configuration"].found
    assert found["cache"].state == "ok"


def without(*keys):
    """A change of params.yaml: this key is taken out."""

    def change(params):
        for key in keys[:-1]:
            params = params[key]
        del params[keys[-1]]

    return change


@pytest.mark.parametrize(
    ("subject", "change", "said"),
    [
        ("models", without("llm"), "params.yaml: no section 'llm'"),
        ("models", without("llm", "connections"), "'llm.connections' is missing"),
        ("models", lambda params: params.update(llm=5), "llm: found 5, expected a mapping of keys"),
        (
            "models",
            lambda params: params["llm"]["user"].update(model="gpt-4o"),
            "params.yaml: gpt-4o has no connection 'gpt-4o' in llm.connections",
        ),
        ("disk", without("train", "merge"), "params.yaml: no section 'train.merge'"),
        ("disk", lambda params: params["train"]["merge"].update(dtype="auto"), "train.merge.dtype: found 'auto'"),
        ("training", without("trainer"), "params.yaml: trainer.place.kind: found None"),
    ],
)
def test_a_configuration_that_lacks_something_is_a_fault_of_its_look_alone(project, subject, change, said):
    if subject == "training":
        pytest.importorskip("trl")
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    change(params)
    Path("params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    found = {one.subject: one for one in findings()}
    assert found[subject].state == "fault" and said in found[subject].found
    assert found["cache"].state == "ok"


@pytest.mark.parametrize("answer", [{"data": 5}, {"data": [5]}, {"models": 5}, [1], "x"])
def test_a_server_that_answers_with_no_list_of_models_is_noted(answer):
    found = served("hosted_vllm", httpx.Response(200, json=answer), {"base": ("user",)})
    assert (found.state, found.found) == ("note", "hosted_vllm: answers, but not with a list of models")


@pytest.mark.parametrize("error", [KeyError("x"), IndexError("x"), TypeError("x"), ValueError("x"), OSError("x")])
def test_a_look_that_breaks_off_is_a_fault_that_names_it(error):
    def look():
        yield Finding("disk", "ok", "so far")
        raise error

    so_far, broken = caught("disk", look)
    assert (so_far.state, broken.subject, broken.state) == ("ok", "disk", "fault")
    assert type(error).__name__ in broken.found and "make params" in broken.do


def test_what_was_found_cannot_steer_the_terminal(capsys):
    show([Finding("x", "fault", "a key \x1b[31mred", "see \x1b[2J")], Console(soft_wrap=True))
    assert capsys.readouterr().out == "fault x  a key \ufffd[31mred\n         -> see \ufffd[2J\n"


def test_the_command_exits_1_at_a_fault_and_shows_what_to_do(project):
    write_models({"api_key_env": "SOME_KEY"}, "base")
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "$SOME_KEY not set" in done.stdout and "-> export SOME_KEY=..." in done.stdout


def test_markup_in_what_was_found_is_shown_word_for_word(capsys):
    show([*caught("x", lambda: iter([Finding("x", "note", "[red]a[/red]")]))], Console(soft_wrap=True))
    assert "[red]a[/red]" in capsys.readouterr().out
