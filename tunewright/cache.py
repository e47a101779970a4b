"""The content-addressed store of model replies, outside the DAG.

DVC deletes a stage's outputs before it runs; this store is what makes a rerun pay only for what is new. One SQLite
file in WAL mode with JSON values: a reply is on disk before the caller sees it, so that a killed run loses none.
It may be deleted at any time and costs only money.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from tunewright.errors import ModelSetupError


class ReplyCache:
    """Replies by key (SHA-256 of everything that determines them)."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "replies.sqlite"
        try:
            self._db = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(
                "PRAGMA synchronous=NORMAL"
            )  # survives kill -9 of the process; a power cut may lose the last
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, model TEXT NOT NULL, reply TEXT NOT NULL)"
            )
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS uses (item TEXT, key TEXT, PRIMARY KEY (item, key)) WITHOUT ROWID"
            )
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

    def put(self, key: str, model: str, reply: dict[str, Any]) -> None:
        """Store a reply; on disk when this returns."""
        text = json.dumps(reply, ensure_ascii=False, sort_keys=True)
        try:
            self._db.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?)", (key, model, text))
        except sqlite3.Error as error:
            raise ModelSetupError(
                f"{self.path}: a paid reply could not be stored ({error}); stopped so that no more are lost; "
                "free disk space or mend the rights and run again"
            ) from None

    def note_use(self, key: str, item: str) -> None:
        """Note that an item of work (a transcript's id; "" for none) used a reply, so that it can be forgotten."""
        if not item or self._db.execute("SELECT 1 FROM uses WHERE item = ? AND key = ?", (item, key)).fetchone():
            return
        try:
            self._db.execute("INSERT OR IGNORE INTO uses VALUES (?, ?)", (item, key))
        except sqlite3.Error as error:
            raise ModelSetupError(
                f"{self.path}: cannot note whose reply this is ({error}); free disk space or mend the rights"
            ) from None

    def usual_chars(self, model: str, structured: bool, sample: int = 200) -> int | None:
        """The mean length of a model's latest replies, JSON ones or others; None where there are none."""
        rows = self._db.execute(
            "SELECT reply FROM replies WHERE model = ? ORDER BY rowid DESC LIMIT ?", (model, sample)
        )
        texts = [json.loads(row[0])["text"] for row in rows]
        lengths = [len(text) for text in texts if text.lstrip().startswith("{") == structured]
        return round(sum(lengths) / len(lengths)) if lengths else None

    def __len__(self) -> int:
        return int(self._db.execute("SELECT COUNT(*) FROM replies").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()
