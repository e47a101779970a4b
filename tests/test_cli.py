"""params.yaml is what conf/ composes to, and a difference is told with its line."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT
from tunewright.cli import app, main, refuse_drift, refuse_unknown_keys
from tunewright.errors import ConfigError, MissingInputError

COMPOSED = "seed: 1\nllm:\n  judge: small\n"


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path("params.yaml")


def test_equal_texts_are_no_drift():
    refuse_drift(COMPOSED, COMPOSED)


@pytest.mark.parametrize(
    ("found", "line", "here", "there"),
    [
        ("seed: 1\nllm:\n  judge: large\n", 3, "judge: large", "judge: small"),
        ("seed: 1\n", 2, "", "llm:"),
        (COMPOSED + "more: 1\n", 4, "more: 1", ""),
        ("", 1, "", "seed: 1"),
    ],
)
def test_drift_is_told_with_the_first_line_that_differs(found, line, here, there):
    with pytest.raises(ConfigError) as caught:
        refuse_drift(found, COMPOSED)
    assert str(caught.value).startswith(f"params.yaml, line {line}: found {here!r}, expected {there!r}, which conf/")
    assert str(caught.value).endswith("run: make params")


@pytest.mark.parametrize("found", [COMPOSED.removesuffix("\n"), COMPOSED.replace("\n", "\r\n")])
def test_drift_in_line_ends_alone_is_told_too(found):
    with pytest.raises(ConfigError):
        refuse_drift(found, COMPOSED)


def test_an_unknown_key_is_told_with_its_line_and_how_many_more(params):
    params.write_text("seed: 1\nllm:\n  judge: small\n  jugde: large\nsede: 2\n")
    found = {"seed": 1, "llm": {"judge": "small", "jugde": "large"}, "sede": 2}
    with pytest.raises(ConfigError) as caught:
        refuse_unknown_keys(found, {"seed": 1, "llm": {"judge": "small"}})
    assert str(caught.value).startswith("params.yaml, line 4: unknown key 'llm.jugde' (and 1 more); no file in conf/")


def test_other_values_under_known_keys_are_no_unknown_keys(params):
    refuse_unknown_keys({"seed": 2, "llm": None}, {"seed": 1, "llm": {"judge": "small"}})


def test_result_before_the_comparison_names_the_stage_to_run(params):
    found = CliRunner().invoke(app, ["result"])
    assert isinstance(found.exception, MissingInputError)
    assert "dvc repro evaluate-compare" in str(found.exception)


def test_a_user_s_mistake_is_one_line_on_stderr_and_exit_code_1(params, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["tunewright", "result"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The repository's conf/ in a DVC project of its own."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_params_are_written_checked_and_found_to_have_drifted(project):
    run = CliRunner().invoke
    assert run(app, ["params"]).exit_code == 0
    text = Path("params.yaml").read_text()
    assert run(app, ["params", "--check"]).exit_code == 0
    assert run(app, ["params", "--check-keys"]).output == ""
    Path("params.yaml").write_text(text.replace("\nseed: ", "\nseed: 1", 1))
    noted = run(app, ["params", "--check-keys"])
    assert noted.exit_code == 0 and "note: params.yaml, line" in noted.output and "make params" in noted.output
    line = next(n for n, one in enumerate(text.splitlines(), 1) if one.startswith("seed:"))
    Path("params.yaml").write_text(text.replace("\nseed:", "\nsede: 1 #", 1))
    drifted = run(app, ["params", "--check"]).exception
    assert isinstance(drifted, ConfigError) and f"params.yaml, line {line}: found 'sede: 1" in str(drifted)
    unknown = run(app, ["params", "--check-keys"]).exception
    assert isinstance(unknown, ConfigError) and f"line {line}: unknown key 'sede'" in str(unknown)


def test_an_override_that_names_nothing_is_a_config_error(project):
    found = CliRunner().invoke(app, ["params", "preset=nosuch"])
    assert isinstance(found.exception, ConfigError) and "conf/: cannot be composed" in str(found.exception)
    assert not Path("params.yaml").exists()
