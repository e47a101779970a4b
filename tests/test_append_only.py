"""What people decided is on disk before it is acknowledged, and nothing that happens to the file loses a line."""

import os
import resource

import pytest

from tunewright.append_only import Growing, appending, itself, read_appended
from tunewright.errors import RecordError, StorageError
from tunewright.records import Record


class Line(Record):
    n: int
    note: str = ""


def add(path, *numbers):
    with appending(path) as end:
        for n in numbers:
            end.add(Line(n=n))


def numbers(path):
    return [line.n for line in read_appended(path, Line)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "reviews/therapy/lines.jsonl"


def test_lines_come_after_each_other_in_a_folder_that_is_made(path):
    assert numbers(path) == []
    add(path, 1)
    add(path, 2, 3)
    assert numbers(path) == [1, 2, 3] and path.read_bytes().endswith(b'{"n":3,"note":""}\n')


def test_the_beginning_of_a_line_that_a_crash_left_is_put_aside_and_never_glued_to_the_next(path):
    add(path, 1)
    with path.open("ab") as file:
        file.write(b'{"n":2,"no')
    assert numbers(path) == [1]
    add(path, 3)
    assert numbers(path) == [1, 3]
    assert path.with_name("lines.jsonl.torn").read_bytes() == b'{"n":2,"no\n'


def test_a_whole_last_line_without_a_line_end_counts_and_keeps_its_place(path):
    add(path, 1)
    with path.open("ab") as file:
        file.write(b'{"n": 2}')  # an editor that saves without a line end
    assert numbers(path) == [1, 2]
    add(path, 3)
    assert numbers(path) == [1, 2, 3] and not path.with_name("lines.jsonl.torn").exists()


def test_a_whole_last_line_of_the_wrong_kind_is_named_and_not_put_aside(path):
    add(path, 1)
    with path.open("ab") as file:
        file.write(b'{"m": 2}')
    with pytest.raises(RecordError, match=r"lines\.jsonl, line 2: n: Field required"):
        numbers(path)


def test_a_torn_half_of_a_letter_is_a_torn_line(path):
    add(path, 1)
    with path.open("ab") as file:
        file.write('{"n":2,"note":"ä'.encode()[:-1])
    assert numbers(path) == [1]


def test_windows_line_ends_and_empty_lines_are_read(path):
    add(path, 1)
    path.write_bytes(b'{"n": 1}\r\n\r\n{"n": 2}\r\n')
    add(path, 3)
    assert numbers(path) == [1, 2, 3]


def test_conflict_marks_are_named_with_the_line_and_the_command_that_keeps_both_sides(path):
    add(path, 1)
    path.write_text('{"n":1}\n<<<<<<< HEAD\n{"n":2}\n=======\n{"n":3}\n>>>>>>> theirs\n')
    with pytest.raises(RecordError, match="line 2: git left a conflict here") as refused:
        numbers(path)
    command = str(refused.value).partition("with: ")[2].partition(" && ")[0]
    assert os.system(command) == 0 and numbers(path) == [1, 2, 3]


def test_a_bad_line_is_not_answered_with_advice_that_would_lose_decisions(path):
    add(path, 1)
    path.write_text('{"n":1}\nnonsense\n')
    with pytest.raises(RecordError, match="line 2.*mend that line by hand") as refused:
        numbers(path)
    assert "checkout" not in str(refused.value)


def test_what_grew_is_read_and_what_was_replaced_is_read_anew(path):
    lines = Growing(path, Line, itself)
    assert lines.read() == []
    add(path, 1, 2)
    first = lines.read()
    add(path, 3)
    again = lines.read()
    assert [x.n for x in again] == [1, 2, 3] and all(a is b for a, b in zip(first, again, strict=False))
    other = path.with_name("other")
    add(other, 7, 8, 9, 10)
    os.replace(other, path)  # as git does it
    assert [x.n for x in lines.read()] == [7, 8, 9, 10]
    path.write_text('{"n":5}\n')  # as an editor may do it: the same file, shorter
    assert [x.n for x in lines.read()] == [5]
    path.unlink()
    assert lines.read() == []


def test_what_we_appended_ourselves_is_not_read_again_unless_something_else_happened(path, monkeypatch):
    lines = Growing(path, Line, itself)
    with appending(path) as end:
        lines.grew(end.add(Line(n=1)))  # read nothing yet: no more is known
    assert [x.n for x in lines.read()] == [1]
    with appending(path) as end:
        lines.grew(end.add(Line(n=2)))
    with monkeypatch.context() as only:
        only.setattr(type(path), "read_bytes", None)
        assert [x.n for x in lines.read()] == [1, 2]
    with appending(path) as end:
        end.add(Line(n=3))  # somebody else's
        lines.grew(end.add(Line(n=4)))
    assert [x.n for x in lines.read()] == [1, 2, 3, 4]


def test_a_line_without_an_end_is_not_read_twice_when_its_end_comes(path):
    lines = Growing(path, Line, itself)
    add(path, 1)
    with path.open("ab") as file:
        file.write(b'{"n":2}')
        file.flush()
        assert [x.n for x in lines.read()] == [1, 2]
        file.write(b'\n{"n":3}\n')
    assert [x.n for x in lines.read()] == [1, 2, 3]


def test_a_file_that_git_replaces_while_we_hold_it_gets_the_line_too(path):
    add(path, 1)
    other = path.with_name("other")
    add(other, 7)
    with appending(path) as end:
        os.replace(other, path)
        end.add(Line(n=2))
        end.add(Line(n=3))
    assert numbers(path) == [7, 2, 3]


def test_a_file_that_is_deleted_while_we_hold_it_is_made_again(path):
    with appending(path) as end:
        path.unlink()
        end.add(Line(n=1))
    assert numbers(path) == [1]


def test_a_full_disk_is_said_and_leaves_no_part_of_a_line(path):
    add(path, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, hard))
    try:
        with pytest.raises(StorageError, match=r"lines\.jsonl: nothing was written down.*then decide again"):
            add(path, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == '{"n":1,"note":""}\n'
    add(path, 3)
    assert numbers(path) == [1, 3]


def test_of_lines_that_do_not_all_fit_none_is_kept(path):
    add(path, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 30, limits[1]))
    try:
        with pytest.raises(StorageError), appending(path) as end:
            end.add(*(Line(n=n) for n in range(2, 9)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert numbers(path) == [1]
    with appending(path) as end:
        end.add(Line(n=2), Line(n=3))
    assert numbers(path) == [1, 2, 3]


def test_where_nothing_can_be_written_is_said(tmp_path):
    (tmp_path / "reviews").write_text("a file")
    with pytest.raises(StorageError, match="nothing was written down: (Not a directory|File exists)"):
        add(tmp_path / "reviews/therapy/lines.jsonl", 1)
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="Is a directory"):
        add(tmp_path / "folder", 1)
    with pytest.raises(StorageError, match="cannot be read: Is a directory"):
        numbers(tmp_path / "folder")


def test_a_link_out_of_the_folder_is_not_followed(path, tmp_path):
    (tmp_path / "outside").write_text("")
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "outside")
    with pytest.raises(StorageError, match="symbolic link"):
        add(path, 1)
    assert (tmp_path / "outside").read_text() == ""
