"""An input that is wrong, the way in which a user would hand it over, and what must come of it.

A module `cases_<subject>.py` beside this one has a list CASES; test_corpus.py runs all of them. A way in first puts the
bytes where a user would (in an empty folder, which is the current one), then calls the real command, stage or function.
After an error every file must be as it was before the call. A message must say where, what was found, what was
expected and what to do next, in characters that a terminal shows as they are.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tests.corpus
from tunewright.errors import TunewrightError, shown

MB = 1 << 20
MESSAGE_CHARS = 1500
FOUND = re.compile(r"\b(found|holds?|lacks?|no such|cut off)\b")
EXPECTED = re.compile(r"\bexpected\b")
NEXT = re.compile(
    r"\b(tunewright|dvc|git|make|pip|sed|ollama|run|save|mend|restore|remove|delete|rename|export|give|write|choose|add|"
    r"raise|lower|import|install|set|name|fill|leave|take|copy|download|put|use|edit|quote|say)\b"
)
SECONDS = 15  # that any input may take
MEMORY = 96 * MB  # that any input may take beside ITS_OWN times its own size
ITS_OWN = 16


@dataclass(frozen=True)
class Way:
    """A way in. `put` writes the bytes down, `go` is what the user calls; `where`: how a message names the place."""

    put: Callable[[bytes], object]
    go: Callable[[], Any]
    where: str


@dataclass(frozen=True)
class Case:
    """One input. `error` None: it is handled, and `gives` (if there is one) must be true of what the way gives.

    `says`: phrases of the message, or of what is printed. `data`: bytes, or what builds them when they are needed.
    """

    name: str
    way: Way
    data: bytes | Callable[[], bytes]
    error: type[BaseException] | None = None
    says: tuple[str, ...] = ()
    gives: Callable[[Any], object] | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of an input. `message`: the error as a terminal shows it; "" where it was handled."""

    value: Any
    error: BaseException | None
    message: str
    changed: list[str]  # files that the call made, changed or removed
    n_bytes: int
    grown: int  # bytes that the process had more at its highest than before; 0 where the system does not tell


def all_cases() -> list[Case]:
    """The cases of every module beside this one, in the order of the modules' names."""
    names = sorted(m.name for m in pkgutil.iter_modules(tests.corpus.__path__) if m.name.startswith("cases_"))
    return [case for name in names for case in importlib.import_module(f"tests.corpus.{name}").CASES]


def outcome(case: Case) -> Outcome:
    """Put the input into the current folder, which is empty, and call what the user would call."""
    data = case.data() if callable(case.data) else case.data
    case.way.put(data)
    before, memory = state(), begin_peak()
    value, error = None, None
    try:
        value = case.way.go()
    except (Exception, SystemExit) as raised:
        error = raised
    after = state()
    changed = sorted({name for name, _ in before.items() ^ after.items()})
    return Outcome(value, error, shown(error) if error else "", changed, len(data), peak() - memory)


def faults_of(case: Case, got: Outcome, printed: str) -> list[str]:
    """All that is wrong with an outcome, in words; empty where it is as it should be."""
    faults = [] if case.error else _faults_of_handling(case, got)
    if case.error and type(got.error) is not case.error:
        faults.append(f"gave {got.error!r}, expected {case.error.__name__}")
    if isinstance(got.error, TunewrightError):
        faults += faults_of_message(got.message, case.way.where)
    if got.error and got.changed:
        faults.append(f"an error, and yet these files changed: {', '.join(got.changed)}")
    faults += [
        f"neither printed nor in the message: {words!r}" for words in case.says if words not in printed + got.message
    ]
    faults += [f"a half-written file is left: {name}" for name in got.changed if name.endswith(".tmp")]
    if printed != shown(printed):
        faults.append(f"printed characters that a terminal obeys: {printed!r}")
    if got.grown > MEMORY + ITS_OWN * got.n_bytes:
        faults.append(f"took {got.grown // MB} MB for an input of {got.n_bytes} bytes")
    return faults


def _faults_of_handling(case: Case, got: Outcome) -> list[str]:
    if got.error:
        return [f"gave {type(got.error).__name__}: {got.message}; expected that it is handled"]
    return [] if case.gives is None or case.gives(got.value) else [f"gave {got.value!r:.400}"]


def faults_of_message(message: str, where: str) -> list[str]:
    """What a message does not say, of all that a person needs."""
    lacks = [
        what
        for what, is_there in {
            f"where ({where})": where in message,
            "what was found": FOUND.search(message),
            "what was expected": EXPECTED.search(message),
            "what to do next": NEXT.search(message),
        }.items()
        if not is_there
    ]
    faults = [f"the message lacks {what}: {message}" for what in lacks]
    if len(message) > MESSAGE_CHARS:
        faults.append(f"the message has {len(message)} characters: {message[:200]}...")
    if "Traceback" in message or "errors.pydantic.dev" in message:
        faults.append(f"the message is a library's: {message}")
    return faults


def kind_of(message: str) -> str:
    """A message without what differs from input to input: quoted values and numbers."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "_", message)


def state() -> dict[str, bytes]:
    """The files below the current folder, without the cache: name to the first bytes and the size."""
    found = {}
    for path in sorted(Path().rglob("*")):
        if path.is_file() and path.parts[0] != "cache":
            with path.open("rb") as file:
                begin, size = file.read(65536), path.stat().st_size
            found[str(path)] = begin + str(size).encode()
    return found


def begin_peak() -> int:
    """Begin to count the most memory that this process has; returns what it has now, in bytes."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """The most memory that this process has had since `begin_peak`, in bytes; 0 where the system does not tell."""
    with suppress(OSError):
        line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return 0
