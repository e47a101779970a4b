"""The content-addressed store of model replies, outside the DAG.

DVC deletes a stage's outputs before it runs; this store is what makes a rerun pay only for what is new. One SQLite
file in WAL mode with JSON values: a reply is on disk before the caller sees it, so that a killed run loses none.
It may be deleted at any time and costs only money.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from tunewright.errors import ModelSetupError
from tunewright.models import Reply

CHECKPOINT_PAGES = 8192  # 32 MB: each checkpoint waits for the disk, and every call in flight with it
ROOM_BYTES = 16 * 2**20  # for the replies that are in flight: 64 KB for each of 256


RESCUE = (  # of a damaged file
    "Save what is whole with: sqlite3 {path} .recover | sqlite3 {path}.saved, and put that file in its place; or "
    "delete it (finished calls are then paid again), or set TUNEWRIGHT_CACHE to another folder"
)


class ReplyStore(Protocol):
    """What the client needs of a store of replies."""

    path: Path

    def get(self, key: str) -> dict[str, Any] | None:
        """The stored reply, or None."""
        ...

    def ready(self) -> None:
        """Raise where a reply could not be stored: before anybody pays for it."""
        ...

    def put(self, key: str, model: str, reply: dict[str, Any], item: str = "") -> dict[str, Any]:
        """Store a reply and whose it is; it is safe when this returns. Gives the reply that holds: the first one."""
        ...

    def note_use(self, key: str, item: str) -> None:
        """Note which item of work used a reply."""
        ...

    def close(self) -> None:
        """Nothing more will be stored."""
        ...


class ReplyCache:
    """Replies by key (SHA-256 of everything that determines them).

    One transaction a reply, about 30 microseconds of CPU: gathering those of several replies saves little and would
    make each wait for the others.
    """

    def __init__(self, folder: Path, read_only: bool = False) -> None:
        self.path = folder / "replies.sqlite"
        locked = self.path.exists() and not all(os.access(path, os.W_OK) for path in (self.path, folder))
        self._read_only = read_only or locked  # SQLite writes a log beside the file
        try:
            self._db = _open_to_read(self.path) if self._read_only else _open_to_write(self.path)
        except sqlite3.Error as error:
            raise ModelSetupError(
                f"{self.path}: cannot be used as the reply cache ({error}); "
                "check disk space and rights, or set TUNEWRIGHT_CACHE to another folder"
            ) from None

    def get(self, key: str) -> dict[str, Any] | None:
        """The stored reply, or None. A row that is no reply counts as absent and is overwritten by the next put."""
        rows = self._read("SELECT reply FROM replies WHERE key = ?", key)
        return _parsed(rows[0][0]) if rows else None

    def _read(self, query: str, *values: str | int) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise ModelSetupError(f"{self.path}: cannot be read ({error}). {RESCUE.format(path=self.path)}") from None

    def ready(self) -> None:
        """Raise ModelSetupError where a reply could not be stored: a file that is only read, a disk that is full."""
        if self._read_only:
            raise ModelSetupError(
                f"{self.path}: may only be read, and lacks a reply that is wanted; no call was made, since its reply "
                "would be lost. Make the file and its folder writable, or set TUNEWRIGHT_CACHE to another folder"
            )
        free = shutil.disk_usage(self.path.parent).free
        if free < ROOM_BYTES:
            raise ModelSetupError(
                f"{self.path}: {free / 2**20:.0f} MB of disk space are left, and {ROOM_BYTES >> 20} MB are needed to "
                "store replies; stopped before the next call. Free space, or set TUNEWRIGHT_CACHE to a folder on "
                "another disk, and run again: finished calls are in the cache"
            )

    def put(self, key: str, model: str, reply: dict[str, Any], item: str = "") -> dict[str, Any]:
        """Store a reply and note the item that it was made for; on disk when this returns.

        Of two processes that ask the same the first decides: the reply that holds is returned.
        """
        text = json.dumps(reply, ensure_ascii=False, sort_keys=True)
        try:
            with self._db:  # one transaction
                self._db.execute("BEGIN IMMEDIATE")
                row = self._db.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
                held = _parsed(row[0]) if row else None
                if held is None:
                    self._db.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?)", (key, model, text))
                if item:
                    self._db.execute("INSERT OR IGNORE INTO uses VALUES (?, ?)", (item, key))
        except sqlite3.Error as error:
            raise ModelSetupError(
                f"{self.path}: a paid reply could not be stored ({error}); stopped so that no more are lost; "
                "free disk space or mend the rights and run again"
            ) from None
        return reply if held is None else held

    def note_use(self, key: str, item: str) -> None:
        """Note that an item of work (a transcript's id; "" for none) used a reply, so that it can be forgotten."""
        if self._read_only or not item:
            return
        if self._read("SELECT 1 FROM uses WHERE item = ? AND key = ?", item, key):
            return
        try:
            self._db.execute("INSERT OR IGNORE INTO uses VALUES (?, ?)", (item, key))
        except sqlite3.Error as error:
            raise ModelSetupError(
                f"{self.path}: cannot note whose reply this is ({error}); free disk space or mend the rights"
            ) from None

    def usual_chars(self, model: str, structured: bool, sample: int = 200) -> int | None:
        """The mean length of a model's latest replies, JSON ones or others; None where there are none."""
        rows = self._read("SELECT reply FROM replies WHERE model = ? ORDER BY rowid DESC LIMIT ?", model, sample)
        replies = [reply for row in rows if (reply := _parsed(row[0])) is not None]
        lengths = [len(r["text"]) for r in replies if r["text"].lstrip().startswith("{") == structured]
        return round(sum(lengths) / len(lengths)) if lengths else None

    def forget(self, items: Collection[str], quotes: Callable[[str], bool], dry_run: bool = False) -> int:
        """Delete what was replied about these items, and every reply that quotes them; gives how many replies go.

        A reply that an item which stays used too stays, unless it quotes. Afterwards the file and its log hold no byte
        of them: freed pages are overwritten, the log is emptied and the file is written anew.
        """
        try:
            gone = self._replies_about(set(items), quotes)
            if not dry_run:
                self._erase(gone, items)
        except sqlite3.Error as error:
            raise ModelSetupError(
                f"{self.path}: cannot be cleared ({error}); stop what is using it, and run the same command again"
            ) from None
        return len(gone)

    def _replies_about(self, items: set[str], quotes: Callable[[str], bool]) -> list[str]:
        users: dict[str, set[str]] = {}
        for item, key in self._db.execute("SELECT item, key FROM uses"):
            users.setdefault(key, set()).add(item)
        rows = self._db.execute("SELECT key, reply FROM replies")
        return [key for key, reply in rows if users.get(key, set()) <= items and users.get(key) or quotes(reply)]

    def _erase(self, keys: Sequence[str], items: Collection[str]) -> None:
        self._db.execute("PRAGMA secure_delete=ON")
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("DELETE FROM replies WHERE key = ?", [(key,) for key in keys])
        self._db.executemany("DELETE FROM uses WHERE key = ?", [(key,) for key in keys])
        self._db.executemany("DELETE FROM uses WHERE item = ?", [(item,) for item in items])
        self._db.execute("COMMIT")
        self._db.execute("VACUUM")
        busy, *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("another process reads it, so its log cannot be emptied")

    def __len__(self) -> int:
        return int(self._read("SELECT COUNT(*) FROM replies")[0][0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _parsed(text: Any) -> dict[str, Any] | None:
    """A stored reply; None for a row that is damaged."""
    try:
        value = json.loads(text)
        Reply.model_validate(value)
    except (ValidationError, ValueError, TypeError, RecursionError):
        return None
    return value


def _open_to_write(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")  # survives kill -9 of the process; a power cut may lose the last
    db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    _make_tables(db)
    return db


def _open_to_read(path: Path) -> sqlite3.Connection:
    """The file as it is; where there is none, an empty store."""
    if not path.exists():
        db = sqlite3.connect(":memory:", isolation_level=None)
        _make_tables(db)
        return db
    for how in ("mode=ro", "immutable=1"):  # the second where no lock file can be made beside it
        db = sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, timeout=60, isolation_level=None)
        try:
            db.execute("SELECT 1 FROM replies LIMIT 1").fetchone()
            return db
        except sqlite3.OperationalError:
            db.close()
    raise sqlite3.OperationalError("it cannot be opened for reading")


def _make_tables(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, model TEXT NOT NULL, reply TEXT NOT NULL)")
    db.execute("CREATE TABLE IF NOT EXISTS uses (item TEXT, key TEXT, PRIMARY KEY (item, key)) WITHOUT ROWID")
