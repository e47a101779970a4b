"""Every command of README.md, in its order, in a fresh clone, with what it printed.

    python -m bench.readme_commands FOLDER                    # clones this repository into FOLDER; over an hour
    python -m bench.readme_commands FOLDER --there --quick    # in a clone where `make run` has been done: minutes

A command is a line of a block marked sh, or a piece of code in a table's second column that begins with a program of
PROGRAMS; one that is there twice runs once. What it needs beyond a clone stands in README's own words: behind "# needs"
on its line, or in the table's column "needs". What needs time alone runs as it is written, unless --quick. What needs
more runs in a checking form (dry, composed, started and stopped), and where there is none it is listed with the reason.
No key of the environment, and no token of huggingface_hub's own store, reaches any of them.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAMS = ("dvc", "export", "git", "make", "pip", "python", "source", "tunewright")
COMMAND = re.compile(rf"(?:[A-Z_]+=\S+ )?(?:{'|'.join(PROGRAMS)}) \S.*")
CODE = re.compile(r"`([^`\n]+)`")
NEEDS = re.compile(r"\s{2,}#(?:.*?\bneeds ([^:]+))?.*$")  # a comment stands two spaces or more behind
TIME = "time"  # what only has to be waited for
WAIT_S = 120  # that a server may take to start and to end
TAIL = 12  # lines of output that are shown
HIDDEN = "KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|TUNEWRIGHT|PYTHONPATH|VIRTUAL_ENV"  # variables that no command gets
READY = re.compile(r"http://\S+")  # what a server prints when it listens


@dataclass(frozen=True)
class Command:
    """A command as README has it, and what README says it needs."""

    text: str
    needs: str
    line: int


@dataclass(frozen=True)
class Outcome:
    """How a command was run, and how that ended. `code` is None where it was not."""

    command: Command
    how: str
    code: int | None = None
    seconds: float = 0.0
    output: str = ""


def commands(readme: str) -> list[Command]:
    """All commands, each once, where it stands first."""
    found: dict[str, Command] = {}
    for command in _all_commands(readme):
        found.setdefault(command.text, command)
    return list(found.values())


def _all_commands(readme: str) -> Iterator[Command]:
    fence = ""
    for number, line in enumerate(readme.splitlines(), 1):
        if line.startswith("```"):
            fence = "" if fence else line[3:].strip() or "text"
        elif fence == "sh" and line.strip():
            told = NEEDS.search(line)
            yield Command(NEEDS.sub("", line).strip(), (told[1] or "").strip() if told else "", number)
        elif not fence and len(cells := line.strip("| ").split(" | ")) >= 2 and line.startswith("|"):
            needs = cells[2].strip() if len(cells) == 3 else ""
            yield from (Command(code, needs, number) for code in CODE.findall(cells[1]) if COMMAND.fullmatch(code))


def checking_form(command: str) -> str | None:
    """What shows that a command would work, without what it needs; None where nothing does."""
    words = command.split()
    if words[:3] == ["dvc", "exp", "run"]:
        return _composed(words[3:])
    if words[:2] == ["dvc", "repro"]:  # --dry stops where a file is not there yet
        return " && ".join(_listed(target) for target in words[2:]) or "dvc stage list"
    if words[:2] == ["tunewright", "review"]:
        return f"{command} --no-browser --port 0"
    if words[:2] == ["python", "-m"]:
        return command
    if words[0] == "tunewright":
        return f"tunewright {words[1]} --help"
    return None


def _composed(words: Sequence[str]) -> str:
    """The overrides of an experiment composed, its targets looked for, params.yaml put back."""
    overrides = [word for before, word in zip(words, words[1:], strict=False) if before == "-S"]
    targets = [word for before, word in zip(["", *words], words, strict=False) if before != "-S" and word != "-S"]
    steps = [f"tunewright params {' '.join(overrides)}"]
    steps += [_listed(target) for target in targets]
    return f"trap 'git checkout -q params.yaml' EXIT; {' && '.join(steps)}"


def _listed(target: str) -> str:
    """Looks for a stage, or reads another dvc.yaml."""
    return f"dvc stage list {target}" if target.endswith(".yaml") else f"dvc stage list --name-only | grep -x {target}"


def serves(command: str) -> bool:
    """Does it run until it is stopped?"""
    return command.startswith(("tunewright review", "python -m bench.fake_expert"))


def run(command: Command, folder: Path, quick: bool) -> Outcome:
    """Run a command as far as it can be run here."""
    waits = command.needs == TIME
    if not command.needs or waits and not quick:
        text, how = command.text, "as written"
    elif waits:
        return Outcome(command, "not run: needs time, and --quick")
    elif form := checking_form(command.text):
        text, how = form, f"needs {command.needs}: {form}"
    else:
        return Outcome(command, f"not run: needs {command.needs}")
    started = time.monotonic()
    if serves(text):
        how += ", stopped when it listened"
    code, output = (_served if serves(text) else _finished)(text, folder)
    return Outcome(command, how, code, time.monotonic() - started, output)


def _finished(text: str, folder: Path) -> tuple[int, str]:
    with _started(text, folder) as process:
        output, _ = process.communicate()
    return process.returncode, output


def _served(text: str, folder: Path) -> tuple[int, str]:
    """Start it, wait until it says where it listens, press Ctrl-C; 0 where it then ends in good order."""
    said = []
    with _started(f"exec {text}", folder) as process:
        assert process.stdout is not None
        too_long = threading.Timer(WAIT_S, process.kill)
        too_long.start()
        for line in process.stdout:
            said.append(line)
            if READY.search(line):
                process.send_signal(signal.SIGINT)
        too_long.cancel()
    listened = any(READY.search(line) for line in said)
    ended_well = process.returncode in (0, 128 + signal.SIGINT, -signal.SIGINT)
    return 0 if listened and ended_well else process.returncode or 1, "".join(said)


def _started(text: str, folder: Path) -> subprocess.Popen[str]:
    """A process of bash in the clone, which reads nothing; what it prints and what it complains of in one stream."""
    return subprocess.Popen(
        ["bash", "-c", text],
        cwd=folder,
        env=environment(folder),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def environment(folder: Path) -> dict[str, str]:
    """This process's, with the clone's own programs first and without keys, caches and paths of ours."""
    kept = {k: v for k, v in os.environ.items() if not re.search(HIDDEN, k)}
    own = folder / ".venv/bin"
    kept["HF_TOKEN_PATH"] = os.devnull  # else huggingface_hub reads the token of its own store
    return kept | {"PATH": f"{own}{os.pathsep}{kept['PATH']}", "PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1"}


def shown(outcome: Outcome) -> str:
    """A command, how it ran, and the end of what it printed."""
    head = f"$ {outcome.command.text}    (README.md, line {outcome.command.line}; {outcome.how})"
    if outcome.code is None:
        return head + "\n"
    lines = outcome.output.rstrip().splitlines()
    left_out = [f"    ... {len(lines) - TAIL} lines before"] if len(lines) > TAIL else []
    body = [*left_out, *(f"    {line}" for line in lines[-TAIL:]), f"    = {outcome.code}, {outcome.seconds:.1f} s"]
    return "\n".join([head, *body, ""])


def summary(outcomes: Sequence[Outcome]) -> str:
    """A table of all, and how many were run in which way."""
    rows = [
        f"| {o.command.line} | `{o.command.text.replace('|', chr(92) + '|')}` | {o.how.replace('|', chr(92) + '|')} | "
        f"{'-' if o.code is None else o.code} | {o.seconds:.1f} |"
        for o in outcomes
    ]
    n_run = sum(o.code is not None and o.how.startswith("as written") for o in outcomes)
    n_left = sum(o.code is None for o in outcomes)
    n_failed = len(failed(outcomes))
    said = f"{len(outcomes)} commands: {n_run} as written, {len(outcomes) - n_run - n_left} in a checking form, "
    said += f"{n_left} not run; {n_failed} failed."
    return "\n".join(["| line | command | how | exit | s |", "|---:|---|---|---:|---:|", *rows, "", said])


def failed(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [o for o in outcomes if o.code]


def main() -> None:
    """Clone, run all, print all; exit code 1 where a command failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.readme_commands", description="Run README's commands.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="without what needs time")
    parser.add_argument("--there", action="store_true", help="FOLDER is a clone already")
    asked = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored, by children too
    if not asked.there:
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(asked.folder)], check=True)
    folder, outcomes = asked.folder.resolve(), []
    for command in commands((folder / "README.md").read_text("utf-8")):
        outcomes.append(run(command, folder, asked.quick))
        print(shown(outcomes[-1]), flush=True)
    print(summary(outcomes))
    sys.exit(1 if failed(outcomes) else 0)


if __name__ == "__main__":
    main()
