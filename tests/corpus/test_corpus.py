"""Every malformed input gives a clear error or is handled right, and nothing is left half written."""

import os
import re

import pytest

from tests.corpus.harness import SECONDS, Case, all_cases, faults_of, outcome
from tests.corpus.ways import file_way, write
from tunewright.errors import RecordError

CASES = all_cases()
LEAST = 450


@pytest.fixture
def folder(tmp_path, monkeypatch, cache_folder):
    """An empty current folder, and a cache of its own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_input(case, folder, capsys, record_property):
    got = outcome(case)
    said = capsys.readouterr()
    record_property("corpus", got.message)
    faults = faults_of(case, got, said.out + said.err)
    assert not faults, "\n".join(faults)


def test_the_corpus_is_large_enough_and_every_input_has_a_name_of_its_own():
    assert len({case.name for case in CASES}) == len(CASES) >= LEAST


def raising(message, kind=RecordError):
    def go():
        raise kind(message)

    return go


GOOD = "x.json, line 1: found a, expected b; mend it and run again"


@pytest.mark.parametrize(
    ("go", "fault"),
    [
        (raising(GOOD), ""),
        (raising(GOOD, ValueError), "gave ValueError"),
        (raising("line 1: found a, expected b; run again"), "lacks where (x.json)"),
        (raising("x.json: expected b; run again"), "lacks what was found"),
        (raising("x.json: found a; run again"), "lacks what was expected"),
        (raising("x.json: found a, expected b"), "lacks what to do next"),
        (raising(GOOD + "!" * 2000), "characters"),
        (raising(GOOD.replace("mend", "turn")), "neither printed nor in the message: 'mend'"),
        (lambda: print("mend \x1b[2J") or raising(GOOD)(), "a terminal obeys"),
        (lambda: write("y.json", b"") or raising(GOOD)(), "these files changed: y.json"),
        (lambda: os.remove("x.json") or raising(GOOD)(), "these files changed: x.json"),
        (lambda: "read", "gave None, expected RecordError"),
    ],
)
def test_the_harness_finds_what_is_wrong_with_an_outcome(folder, capsys, go, fault):
    case = Case("one", file_way("x.json", go), b"{", RecordError, ("mend",))
    got = outcome(case)
    faults = faults_of(case, got, capsys.readouterr().out)
    assert any(fault in found for found in faults) if fault else not faults, faults


def test_the_harness_finds_half_written_files_wrong_results_and_too_much_memory(folder):
    def go():
        write("y.json.tmp", b"half")
        return len(bytearray(200 << 20))

    case = Case("one", file_way("x.json", go), b"{", gives=lambda value: value == 1)
    faults = "\n".join(faults_of(case, outcome(case), ""))
    assert (
        "half-written file is left: y.json.tmp" in faults
        and "gave 209715200" in faults
        and re.search(r"took \d{3} MB", faults)
    )
