"""The content-addressed store of model replies, outside the DAG.

DVC deletes a stage's outputs before it runs; this store is what makes a rerun pay only for what is new. One SQLite
file in WAL mode with JSON values: a reply is on disk before the caller sees it, so that a killed run loses none.
It may be deleted at any time and costs only money.
"""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any, Protocol

from tunewright.errors import ModelSetupError

CHECKPOINT_PAGES = 8192  # 32 MB: each checkpoint waits for the disk, and every call in flight with it


class ReplyStore(Protocol):
    """What the client needs of a store of replies."""

    path: Path

    def get(self, key: str) -> dict[str, Any] | None:
        """The stored reply, or None."""
        ...

    def put(self, key: str, model: str, reply: dict[str, Any], item: str = "") -> None:
        """Store a reply and whose it is; it is safe when this returns."""
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
        self._read_only = read_only or (self.path.exists() and not os.access(self.path, os.W_OK))
        try:
            self._db = _open_to_read(self.path) if self._read_only else _open_to_write(self.path)
        except sqlite3.Error as error:
            raise ModelSetupError(
                f"{self.path}: cannot be used as the reply cache ({error}); "
                "check disk space and rights, or set TUNEWRIGHT_CACHE to another folder"
            ) from None

    def get(self, key: str) -> dict[str, Any] | None:
        """The stored reply, or None. A row that is not JSON counts as absent and is overwritten by the next put."""
        try:
            row = self._db.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise ModelSetupError(
                f"{self.path}: cannot be read ({error}); delete the file (finished calls are then paid again) or set "
                "TUNEWRIGHT_CACHE to another folder"
            ) from None
        if row is None:
            return None
        try:
            return json.loads(row[0])
        except (json.JSONDecodeError, TypeError):
            return None

    def put(self, key: str, model: str, reply: dict[str, Any], item: str = "") -> None:
        """Store a reply and note the item that it was made for; on disk when this returns."""
        text = json.dumps(reply, ensure_ascii=False, sort_keys=True)
        try:
            with self._db:  # one transaction
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?)", (key, model, text))
                if item:
                    self._db.execute("INSERT OR IGNORE INTO uses VALUES (?, ?)", (item, key))
        except sqlite3.Error as error:
            raise ModelSetupError(
                f"{self.path}: a paid reply could not be stored ({error}); stopped so that no more are lost; "
                "free disk space or mend the rights and run again"
            ) from None

    def note_use(self, key: str, item: str) -> None:
        """Note that an item of work (a transcript's id; "" for none) used a reply, so that it can be forgotten."""
        if self._read_only or not item:
            return
        if self._db.execute("SELECT 1 FROM uses WHERE item = ? AND key = ?", (item, key)).fetchone():
            return
        try:
            self._db.execute("INSERT OR IGNORE INTO uses VALUES (?, ?)", (item, key))
        except sqlite3.Error as error:
            raise ModelSetupError(
                f"{self.path}: cannot note whose reply this is ({error}); free disk space or mend the rights"
            ) from None

    def __len__(self) -> int:
        return int(self._db.execute("SELECT COUNT(*) FROM replies").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()


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
