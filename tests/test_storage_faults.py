"""What the disk, other processes and signals do to a run: told in one message, nothing half, nothing paid twice."""

import contextlib
import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import pytest

from bench.fake_model_server import Answer
from tests.conftest import ROOT, ask
from tests.stoppable import client_of, run_all
from tunewright.cache import ReplyCache
from tunewright.durations import last_durations, note_duration
from tunewright.errors import ModelSetupError, StorageError, run_main
from tunewright.limit_log import write_log
from tunewright.limits import AdaptiveLimit
from tunewright.locations import cache_dir
from tunewright.records import write_text
from tunewright.terminal import Stage
from tunewright.whole_file import _sweep, whole_file

MB = 2**20


@contextlib.contextmanager
def no_file_beyond(size):
    """No file of this process can grow beyond this size, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_where_hardly_any_disk_is_left_no_call_is_made(fake_server, make_client, monkeypatch):
    server, free = fake_server("Hello."), [17 * MB, 15 * MB]
    monkeypatch.setattr("tunewright.cache.shutil.disk_usage", lambda path: SimpleNamespace(free=free.pop(0)))
    client = make_client(server)
    assert ask(client).text == "Hello."
    with pytest.raises(ModelSetupError, match=r"15 MB of disk space are left, and 16 MB are needed .* and run again"):
        ask(client, sample=1)
    assert len(server.requests) == 1 and ask(client).text == "Hello."


def test_a_read_only_cache_gives_what_it_has_and_no_call_is_made_whose_reply_would_be_lost(
    fake_server, make_client, monkeypatch
):
    server = fake_server("Hello.")
    ask(make_client(server))
    monkeypatch.setattr("tunewright.cache.os.access", lambda path, how: path.suffix == ".sqlite")  # the folder is not
    client = make_client(server)
    assert ask(client).text == "Hello."
    with pytest.raises(
        ModelSetupError, match=r"replies.sqlite: may only be read, .*Make the file and its folder writa"
    ):
        ask(client, sample=1)
    assert len(server.requests) == 1


def test_a_disk_that_is_full_all_the_same_stops_the_run_and_keeps_what_was_stored(tmp_path):
    cache = ReplyCache(tmp_path)
    cache.put("k1", "m", {"text": "one"})
    with no_file_beyond((tmp_path / "replies.sqlite-wal").stat().st_size):
        with pytest.raises(ModelSetupError, match="a paid reply could not be stored .* free disk space"):
            cache.put("k2", "m", {"text": "two"}, "t1")
        assert cache.get("k1") == {"text": "one"} and cache.get("k2") is None
    assert cache.put("k2", "m", {"text": "two"}) == {"text": "two"} and len(cache) == 2
    cache.close()


@pytest.mark.parametrize("cut", [0, 60, 100, 4096, 5000, 8192, 20000])
def test_a_database_that_was_cut_off_is_told_or_what_is_left_is_used(tmp_path, cut):
    cache = ReplyCache(tmp_path)
    for number in range(40):
        cache.put(f"k{number}", "m", {"text": "x" * 500}, f"t{number}")
    cache.close()
    os.truncate(tmp_path / "replies.sqlite", cut)
    told = 0
    for do in (
        lambda cache: cache.get("k1"),
        lambda cache: cache.put("k99", "m", {"text": "y"}, "t99"),
        lambda cache: cache.note_use("k1", "t100"),
        lambda cache: cache.usual_chars("m", False),
        len,
    ):
        try:
            opened = ReplyCache(tmp_path)
        except ModelSetupError as error:
            told += "cannot be used as the reply cache" in str(error)
            continue
        try:
            do(opened)
        except ModelSetupError as error:
            told += "replies.sqlite: " in str(error)
        opened.close()
    assert told == (0 if cut == 0 else 5)  # a file of no bytes is a new one


def test_a_damaged_cache_says_how_to_save_what_is_whole(tmp_path):
    cache = ReplyCache(tmp_path)
    cache.put("k", "m", {"text": "x"})
    cache._db.execute("DROP TABLE replies")
    with pytest.raises(ModelSetupError, match=r"Save what is whole with: sqlite3 .*replies\.sqlite \.recover"):
        cache.get("k")
    cache.close()


def test_a_cache_folder_that_is_a_file_is_told(tmp_path, monkeypatch):
    (tmp_path / "c").write_text("notes")
    monkeypatch.setenv("TUNEWRIGHT_CACHE", str(tmp_path / "c"))
    with pytest.raises(StorageError, match=r"cannot be made as the cache folder \(File exists\); .*TUNEWRIGHT_CACHE"):
        cache_dir()


@pytest.fixture
def started():
    """A factory of processes, which end with the test however it ends."""
    with contextlib.ExitStack() as ends:

        def start(command):
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = ends.enter_context(subprocess.Popen(command, cwd=ROOT, **pipes))
            ends.callback(process.kill)
            return process

        yield start


def test_two_processes_on_one_new_cache_end_alike_and_a_third_pays_nothing(fake_server, tmp_path, started):
    server = fake_server(lambda body: Answer(f"reply {len(server.requests)}", delay_s=0.01))  # no two replies are alike
    command = [sys.executable, "-m", "tests.stoppable", server.url, str(tmp_path / "c"), "8"]
    pair = [started(command) for _ in "ab"]
    said = [process.communicate(timeout=120) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], said
    assert said[0][0] == said[1][0] and 24 <= len(server.requests) <= 48
    third, n_asked = client_of(server.url, tmp_path / "c"), len(server.requests)
    assert run_all(third, 8) == list(range(8)) and third.tally.cached == 24 and len(third._cache) == 24
    assert len(server.requests) == n_asked
    third.close()


def test_a_file_on_a_full_disk_is_named_is_as_it_was_and_leaves_no_litter(tmp_path):
    path = tmp_path / "scores.jsonl"
    write_text(path, "old\n")
    with (
        no_file_beyond(10),
        pytest.raises(StorageError, match=r"scores\.jsonl: cannot be written \(File too large\), an"),
    ):
        write_text(path, "new\n" * 9)
    assert path.read_text() == "old\n" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StorageError, match=r"data/scores\.jsonl: cannot be written .* make its folder writable"):
        write_text(tmp_path / "data" / "scores.jsonl", "x")


def test_an_error_of_who_writes_is_not_taken_for_one_of_the_disk(tmp_path):
    with pytest.raises(FileNotFoundError, match="other"), whole_file(tmp_path / "a.txt"):
        (tmp_path / "other").read_text()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_swept_and_who_still_writes_is_spared(tmp_path):
    path = tmp_path / "base.jsonl"
    (tmp_path / "base.jsonl.dead1234.tmp").write_text("half")
    with whole_file(path) as slow:
        slow.write("slow\n")
        write_text(path, "quick\n")
        assert path.read_text() == "quick\n"
    assert path.read_text() == "slow\n" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("of", "step"), [(tempfile, "mkstemp"), (os, "replace")])
def test_a_sweep_while_another_writer_begins_or_ends_costs_it_nothing(tmp_path, monkeypatch, of, step):
    """Another process sweeps once, after the file is made and before it is locked, or just before it takes its name."""
    path, real, swept = tmp_path / "base.jsonl", getattr(of, step), []

    def with_sweep(*args, **rest):
        made = real(*args, **rest) if step == "mkstemp" else None
        if not swept:
            swept.append(_sweep(path))
        return made or real(*args, **rest)

    monkeypatch.setattr(of, step, with_sweep)
    write_text(path, "quick\n")
    assert swept and path.read_text() == "quick\n" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("hints", ["5", "[5]", "[" * 100_000, '{"a": "long"}', '{"a": 1e999}', '{"a": ', "\xff"])
def test_durations_that_are_none_count_as_empty_and_are_replaced(cache_folder, hints):
    cache_folder.mkdir()
    (cache_folder / "durations.json").write_bytes(hints.encode("latin-1"))
    assert last_durations() == {}
    note_duration("generate-scores", 1.0)
    assert last_durations() == {"generate-scores": 1.0}


def test_a_cache_folder_that_cannot_be_made_fails_no_stage_at_its_end(monkeypatch):
    monkeypatch.setenv("TUNEWRIGHT_CACHE", "/proc/nope/llm")
    Stage("generate-scores").end("3 scored")
    assert last_durations() == {}


def test_hints_and_logs_that_cannot_be_kept_fail_nothing(cache_folder, capsys):
    cache_folder.mkdir()
    (cache_folder / "durations.json").mkdir()
    (cache_folder / "log").write_text("a file")
    note_duration("generate-scores", 1.0)
    limit = AdaptiveLimit(4)
    limit.refuse(limit.enter(), 1.0, None)
    write_log([("m", SimpleNamespace(line=SimpleNamespace(limit=limit)))])
    assert last_durations() == {} and "not logged: File exists" in capsys.readouterr().err.replace("\n", " ")


def main_that_raises(error):
    def main():
        raise error

    return main


def test_a_stage_whose_disk_is_full_ends_with_one_message_and_other_errors_show_where(capsys):
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            run_main(main_that_raises(OSError(errno.ENOSPC, "No space left on device", "models/adapter")))
        with pytest.raises(ConnectionResetError):
            run_main(main_that_raises(ConnectionResetError(errno.ECONNRESET, "reset")))
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.startswith("\nerror: models/adapter: No space left on device; free space or mend the rights; finished")


WRITING = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
from tunewright.errors import run_main
from tunewright.whole_file import whole_file
def main():
    with whole_file(Path(sys.argv[1])) as file:
        print("writing", flush=True)
        time.sleep(60)
run_main(main)
"""


def test_a_signal_outside_model_calls_ends_with_its_code_and_leaves_nothing_half(tmp_path, started):
    signals = {signal.SIGINT: 130, signal.SIGTERM: 143}
    running = {}
    for number in signals:
        folder = tmp_path / number.name
        command = [sys.executable, "-c", WRITING, str(folder / "out.jsonl")]
        running[number] = started(command)
    for number, process in running.items():
        assert process.stdout.readline() == "writing\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert (process.returncode, list((tmp_path / number.name).iterdir())) == (signals[number], [])
        assert (
            said
            == f"\nstopped: by {number.name}; finished model calls are in the cache, run the same command to go on\n"
        )


def test_after_model_calls_signals_mean_what_they_meant_before(fake_server, tmp_path):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    mine = {number: (lambda *_: None) for number in before}
    try:
        for number, handler in mine.items():
            signal.signal(number, handler)
        run_all(client_of(fake_server("x").url, tmp_path / "c"), 1)
        assert {number: signal.getsignal(number) for number in mine} == mine
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
