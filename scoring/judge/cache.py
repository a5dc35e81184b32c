"""Every answer of a judge, kept from the moment it arrives: what was paid for is paid for once.

One SQLite file, in write-ahead mode, so that two processes may use it at once and a kill loses
only what is still under way. A file that is no longer a database is moved aside.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

from scoring.judge.base import Judgement

log = logging.getLogger(__name__)
_WAIT = 60.0
_TABLE = (
    "CREATE TABLE IF NOT EXISTS answers "
    "(key BLOB PRIMARY KEY, judgement TEXT NOT NULL) WITHOUT ROWID"
)
Found = TypeVar("Found")


def answer_key(identity: str, *parts: bytes | str) -> bytes:
    """Hash of everything that an answer depends on; respects the boundaries of the parts."""
    digest = hashlib.sha256()
    for part in (identity, *parts):
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()


class AnswerCache:
    """Judgements by key, in one file.

    Args:
        path: The file; it and its folder are made when first needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._told = False

    def get(self, key: bytes) -> Judgement | None:
        """The judgement stored under ``key``, marked as cached."""
        row = self._do(
            lambda db: db.execute("SELECT judgement FROM answers WHERE key = ?", (key,)).fetchone()
        )
        if row is None:
            return None
        try:
            return replace(Judgement(**json.loads(row[0])), cached=True)
        except (ValueError, TypeError):
            return None  # written by a later version: asked anew

    def put(self, key: bytes, judgement: Judgement) -> None:
        """Store a judgement at once; the first one under a key stays."""
        text = json.dumps(asdict(judgement))
        self._do(
            lambda db: db.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, text)) and db
        )

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def _do(self, work: Callable[[sqlite3.Connection], Found]) -> Found | None:
        """Work on the database; without one (disk full, no rights) say so once and do without."""
        with self._lock:
            for _ in range(2):
                try:
                    if self._open is None:
                        self._open = self._connect()
                    return work(self._open)
                except sqlite3.OperationalError as error:
                    self._tell(f"{self.path} cannot be used ({error}): answers are not kept")
                    return None
                except sqlite3.DatabaseError as error:
                    self._move_aside(error)
                except OSError as error:
                    self._tell(f"{self.path} cannot be made ({error}): answers are not kept")
                    return None
        return None

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Autocommit: each answer is a transaction of its own. Used under a lock, from any thread.
        db = sqlite3.connect(self.path, _WAIT, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(_TABLE)
        except BaseException:
            db.close()
            raise
        return db

    def _move_aside(self, error: sqlite3.Error) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.broken-{number}")).exists():
            number += 1
        log.warning("%s is broken (%s): moved to %s; a new one is begun", self.path, error, aside)
        for ending in ("-wal", "-shm"):  # they belong to the broken file
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            log.debug("another process has moved %s already", self.path)

    def _tell(self, message: str) -> None:
        if not self._told:
            log.warning("%s", message)
            self._told = True
