"""What goes into the reply cache comes out; what is damaged counts as absent."""

import asyncio
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import spec
from tunewright.cache import ReplyCache
from tunewright.errors import ModelSetupError
from tunewright.runner import Job, run_jobs

words = st.text(st.characters(exclude_categories=["Cs"]))
counts = st.one_of(st.none(), st.integers(0, 10**9))
replies = st.fixed_dictionaries({"text": words, "finish_reason": st.one_of(st.none(), words), "prompt_tokens": counts})


@pytest.fixture
def cache(tmp_path):
    cache = ReplyCache(tmp_path)
    yield cache
    cache.close()


@given(st.dictionaries(words, replies, max_size=5))
def test_any_reply_comes_back_as_it_was_stored(tmp_path_factory, stored):
    cache = ReplyCache(tmp_path_factory.mktemp("cache"))
    for key, reply in stored.items():
        cache.put(key, "m", reply)
    assert {key: cache.get(key) for key in stored} == stored
    assert len(cache) == len(stored)
    cache.close()


def test_an_unknown_key_is_a_miss(cache):
    assert cache.get("k") is None


def test_the_first_reply_under_a_key_holds_and_who_comes_later_is_given_it(tmp_path, cache):
    other = ReplyCache(tmp_path)  # as another process has it open
    assert cache.put("k", "m", {"text": "one"}, "t1") == {"text": "one"}
    assert other.put("k", "m", {"text": "two"}, "t2") == {"text": "one"}
    assert cache.get("k") == {"text": "one"} and len(cache) == 1
    assert other._db.execute("SELECT item FROM uses").fetchall() == [("t1",), ("t2",)]
    other.close()


def test_replies_survive_closing_and_opening_again(tmp_path):
    first = ReplyCache(tmp_path)
    first.put("k", "m", {"text": "kept"})
    first.close()
    again = ReplyCache(tmp_path)
    assert again.get("k") == {"text": "kept"}
    again.close()


def test_a_reply_is_there_for_others_before_the_writer_closes(tmp_path, cache):
    cache.put("k", "m", {"text": "kept"})
    other = ReplyCache(tmp_path)
    assert other.get("k") == {"text": "kept"}
    other.close()


NO_REPLIES = ["[]", "null", '{"no": 1}', '{"text": 5}', '{"text": "x", "prompt_tokens": "many"}', "[" * 99999]


@pytest.mark.parametrize("damage", ["{half a rep", b"\xff\xfe", "", *NO_REPLIES])
def test_a_corrupted_row_is_a_miss_and_is_overwritten(cache, damage):
    cache.put("k", "m", {"text": "one"})
    with sqlite3.connect(cache.path) as other:
        other.execute("UPDATE replies SET reply = ?", (damage,))
    other.close()
    assert cache.get("k") is None
    cache.put("k", "m", {"text": "two"})
    assert cache.get("k") == {"text": "two"}


def test_a_folder_that_cannot_be_used_is_told_with_what_to_do(tmp_path):
    with pytest.raises(ModelSetupError, match=r"replies\.sqlite: cannot be used .* set TUNEWRIGHT_CACHE"):
        ReplyCache(tmp_path / "absent")


def test_a_file_that_is_no_database_is_told_and_not_overwritten(tmp_path):
    (tmp_path / "replies.sqlite").write_text("these are my notes, not a database\n" * 40)
    with pytest.raises(ModelSetupError, match="cannot be used as the reply cache"):
        ReplyCache(tmp_path)
    assert (tmp_path / "replies.sqlite").read_text().startswith("these are my notes")


def test_a_reply_that_cannot_be_stored_stops_the_run(cache):
    with sqlite3.connect(cache.path) as other:
        other.execute("DROP TABLE replies")
    other.close()
    with pytest.raises(ModelSetupError, match="a paid reply could not be stored"):
        cache.put("k", "m", {})


def test_a_cache_file_that_is_damaged_is_told_and_no_traceback(tmp_path):
    cache = ReplyCache(tmp_path)
    cache.put("k", "m", {"text": "x" * 9000})
    cache.close()
    for file in tmp_path.glob("replies.sqlite-*"):
        file.unlink()
    damaged = bytearray((tmp_path / "replies.sqlite").read_bytes())
    damaged[4096:] = b"\x07" * (len(damaged) - 4096)  # the first page, and so the schema, stays
    (tmp_path / "replies.sqlite").write_bytes(damaged)
    with pytest.raises(ModelSetupError, match="cannot be (read|used)"):
        ReplyCache(tmp_path).get("k")


def test_the_cache_knows_which_item_used_which_reply_on_a_call_and_on_a_hit(fake_server, make_client):
    async def work(client, text):
        return await client.complete(spec(), [{"role": "user", "content": text}])

    client = make_client(fake_server("Hello."))
    jobs = [Job("t1", work, ("a",)), Job("t2", work, ("a",)), Job("t2", work, ("b",))]
    for _ in range(2):
        asyncio.run(run_jobs(client, jobs, [spec()]))
    rows = sqlite3.connect(client._cache.path).execute("SELECT item, COUNT(*) FROM uses GROUP BY item").fetchall()
    assert sorted(rows) == [("t1", 1), ("t2", 2)]


def test_a_cache_that_is_only_read_gives_replies_and_writes_nothing(tmp_path):
    with_one = ReplyCache(tmp_path)
    with_one.put("k", "m", {"text": "kept"})
    with_one.close()
    before = (tmp_path / "replies.sqlite").read_bytes()
    reader = ReplyCache(tmp_path, read_only=True)
    reader.note_use("k", "t1")
    assert reader.get("k") == {"text": "kept"} and reader.get("other") is None
    with pytest.raises(ModelSetupError, match="could not be stored"):
        reader.put("k2", "m", {})
    reader.close()
    assert (tmp_path / "replies.sqlite").read_bytes() == before


def test_a_file_without_the_right_to_write_is_read(tmp_path, monkeypatch):
    with_one = ReplyCache(tmp_path)
    with_one.put("k", "m", {"text": "kept"})
    with_one.close()
    monkeypatch.setattr("tunewright.cache.os.access", lambda path, how: False)  # root may write whatever the rights are
    reader = ReplyCache(tmp_path)
    reader.note_use("k", "t1")
    assert reader.get("k") == {"text": "kept"}
    assert reader._db.execute("SELECT COUNT(*) FROM uses").fetchone() == (0,)
    reader.close()


def test_a_cache_that_is_not_there_is_read_as_an_empty_one_and_not_made(tmp_path):
    reader = ReplyCache(tmp_path, read_only=True)
    assert reader.get("k") is None and list(tmp_path.iterdir()) == []
    reader.close()
