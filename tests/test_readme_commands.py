"""README's commands are found, run as far as they can be, and a command that fails is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.readme_commands import (
    COMMAND,
    Command,
    Outcome,
    checking_form,
    commands,
    environment,
    failed,
    run,
    shown,
    summary,
)
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")
KNOWN_NEEDS = {"", "time", "keys", "keys, a GPU, hours", "a reader", "a second terminal"}
SAMPLE = """Say `make nothing` in a sentence.

```sh
make run     # needs time: an hour
dvc repro -R 'a # b'   # a comment that asks for nothing
```

```
dvc not-a-command
```

| to | do | needs |
|---|---|---|
| look | `tunewright plan`, then `make run`; `reports/x.md` | |
| read | `tunewright review` | a reader |
"""


def test_commands_are_lines_of_sh_blocks_and_code_in_a_table_s_second_column_each_once_with_what_it_needs() -> None:
    assert commands(SAMPLE) == [
        Command("make run", "time", 4),
        Command("dvc repro -R 'a # b'", "", 5),
        Command("tunewright plan", "", 14),
        Command("tunewright review", "a reader", 15),
    ]


def test_the_readme_s_commands_need_nothing_but_what_the_script_knows() -> None:
    found = commands(README)
    assert {command.needs for command in found} == KNOWN_NEEDS
    assert [c.text for c in found[:2]] == ["make run", "make test"] and len(found) > 20


def test_a_command_that_the_readme_names_in_a_sentence_is_also_one_that_is_run() -> None:
    run_ones = " ".join(command.text for command in commands(README))
    prose = [code for line in README.splitlines() if not line.startswith("|") for code in line.split("`")[1::2]]
    assert [code for code in prose if COMMAND.fullmatch(code) and code not in run_ones] == []


@pytest.mark.parametrize(
    ("command", "form"),
    [
        ("dvc repro prep/dvc.yaml", "dvc stage list prep/dvc.yaml"),
        ("dvc repro a-b c-d", "dvc stage list --name-only | grep -x a-b && dvc stage list --name-only | grep -x c-d"),
        (
            "dvc exp run -S llm=mixed -S preset=tight generate-scores",
            "trap 'git checkout -q params.yaml' EXIT; tunewright params llm=mixed preset=tight && "
            "dvc stage list --name-only | grep -x generate-scores",
        ),
        ("tunewright review --blind", "tunewright review --blind --no-browser --port 0"),
        ("tunewright adopt tutoring", "tunewright adopt --help"),
        ("export KEY=...", None),
    ],
)
def test_what_cannot_run_has_a_checking_form_or_none(command: str, form: str | None) -> None:
    assert checking_form(command) == form


def test_a_command_runs_in_the_clone_and_its_failure_is_told(tmp_path: Path) -> None:
    good = run(Command("python -c 'print(6 * 7)'", "", 1), tmp_path, quick=True)
    bad = run(Command("python -c 'raise SystemExit(3)'", "", 2), tmp_path, quick=True)
    waits = run(Command("make run", "time", 3), tmp_path, quick=True)
    paid = run(Command("export KEY=...", "keys", 4), tmp_path, quick=True)
    outcomes = [good, bad, waits, paid]
    assert (good.code, good.output, bad.code) == (0, "42\n", 3)
    assert (waits.code, waits.how) == (None, "not run: needs time, and --quick")
    assert (paid.code, paid.how) == (None, "not run: needs keys")
    assert failed(outcomes) == [bad]
    assert summary(outcomes).endswith("4 commands: 2 as written, 0 in a checking form, 2 not run; 1 failed.")


def test_a_server_is_started_and_stopped_and_one_that_never_listens_has_failed(tmp_path: Path) -> None:
    module = tmp_path / "bench/fake_expert.py"
    module.parent.mkdir()
    command = Command("python -m bench.fake_expert", "a second terminal", 1)
    waiting = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
    module.write_text(waiting + "print('http://127.0.0.1:1', flush=True)\nsignal.sigwait({signal.SIGINT})\n", "utf-8")
    assert run(command, tmp_path, quick=True).code == 0
    module.write_text("print('no address')\n", "utf-8")
    assert run(command, tmp_path, quick=True).code == 1


def test_no_key_reaches_a_command_and_the_clone_s_own_programs_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "TUNEWRIGHT_OFFLINE"):
        monkeypatch.setenv(name, "planted")
    given = environment(Path("clone"))
    assert "planted" not in given.values()
    assert given["PATH"].startswith("clone/.venv/bin:")


def test_long_output_is_shown_by_its_end() -> None:
    outcome = Outcome(Command("make x", "", 7), "as written", 0, 1.5, "".join(f"{n}\n" for n in range(20)))
    lines = shown(outcome).splitlines()
    assert lines[0] == "$ make x    (README.md, line 7; as written)"
    assert lines[1:3] == ["    ... 8 lines before", "    8"]
    assert lines[-1] == "    = 0, 1.5 s"
