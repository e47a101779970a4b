"""Who else on the machine may read what is written: what the umask says, and the store of replies its owner alone."""

import os
from contextlib import contextmanager

import pytest

from tests.conftest import HI, ask
from tests.corpus.cases_imports import talk
from tests.corpus.ways import command, small_project, write
from tunewright.append_only import appending
from tunewright.folders import whole_folder
from tunewright.private import by_umask
from tunewright.records import write_text


@contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path):
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("mask", "file", "folder"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700), (0o002, 0o664, 0o775)]
)
def test_outputs_have_the_mode_that_the_umask_says_and_no_other(tmp_path, mask, file, folder):
    with umask(mask):
        write_text(tmp_path / "report.md", "text")
        with appending(tmp_path / "labels.jsonl"):
            pass
        with whole_folder(tmp_path / "model") as draft:
            (draft / "inner").mkdir()
            (draft / "inner/weights").write_text("w")
            (draft / "inner/weights").chmod(0o600)  # as safetensors does
        assert os.umask(mask) == mask
    assert [mode(tmp_path / name) for name in ("report.md", "labels.jsonl", "model/inner/weights")] == [file] * 3
    assert [mode(tmp_path / name) for name in ("model", "model/inner")] == [folder] * 2


def test_asking_for_the_umask_leaves_it_as_it_is():
    with umask(0o027):
        assert by_umask(0o666) == 0o640
        assert by_umask(0o666) == 0o640


def test_replies_lie_in_a_folder_that_only_their_owner_can_enter(tmp_path, monkeypatch, fake_server, make_client):
    monkeypatch.setenv("TUNEWRIGHT_CACHE", str(tmp_path / "deep/cache"))
    with umask(0o022):
        ask(make_client(fake_server("Hello.")), messages=HI)
    assert mode(tmp_path / "deep/cache") == 0o700
    assert mode(tmp_path / "deep") == 0o755


def test_a_cache_folder_that_is_there_keeps_the_mode_that_a_team_gave_it(
    tmp_path, monkeypatch, fake_server, make_client
):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o770)
    monkeypatch.setenv("TUNEWRIGHT_CACHE", str(shared))
    ask(make_client(fake_server("Hello.")), messages=HI)
    assert mode(shared) == 0o770


def test_imported_logs_lie_in_a_folder_that_only_their_owner_can_enter(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_project()
    write("logs.jsonl", talk("Hello"))
    with umask(0o022):
        command("import", "logs.jsonl", "--as", "jan", "--yes")
    assert mode(tmp_path / "imported/jan") == 0o700
