"""First answers by idempotency key in one SQLite file, shared by all processes of this machine."""

from __future__ import annotations

import sqlite3
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from guard.outside.stores.holders import gone
from guard.outside.stores.sqlite import Writer

VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
  id TEXT PRIMARY KEY, print TEXT NOT NULL, created REAL NOT NULL, holder TEXT NOT NULL, until REAL NOT NULL,
  sealed BLOB) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (created);
"""

KEPT_S = 86400.0
"""How long an answer is kept: a day (docs.stripe.com/api/idempotent_requests)."""


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """What there is for a key: nothing yet (it is `ours` now), another's call under way, or an answer.

    `other` says that it came with another request.
    """

    ours: bool = False
    other: bool = False
    sealed: bytes | None = None


class AnswerStore:
    """First answers, each commit synced to the disk; those older than a day are deleted by the next call."""

    def __init__(self, path: Path, *, wait_s: float = 2.0) -> None:
        self.writer = Writer(path, SCHEMA, VERSION, wait_s=wait_s)
        self.writer.check()

    def begin(self, id: str, print: str, holder: str, until: float, now: float) -> Future[Found]:
        """Take a key for a call, or say what there is for it."""
        return self.writer.submit(partial(_begin, id=id, print=print, holder=holder, until=until, now=now))

    def keep(self, id: str, holder: str, sealed: bytes) -> Future[None]:
        """Keep the answer of a call that holds its key."""
        return self.writer.submit(partial(_keep, id=id, holder=holder, sealed=sealed))

    def release(self, id: str, holder: str) -> Future[None]:
        """Give a key back: its call came to no answer."""
        return self.writer.submit(partial(_release, id=id, holder=holder))

    def close(self) -> None:
        """Write what is queued."""
        self.writer.close()


def _begin(
    connection: sqlite3.Connection, id: str, print: str, holder: str, until: float, now: float
) -> Found:
    connection.execute("DELETE FROM answers WHERE created <= ?", (now - KEPT_S,))
    query = "SELECT print, holder, until, sealed FROM answers WHERE id = ?"
    row = connection.execute(query, (id,)).fetchone()
    if row is None or (row[3] is None and (row[2] <= now or gone(row[1]))):
        connection.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, NULL)", (id, print, now, holder, until)
        )
        return Found(ours=True)
    return Found(other=row[0] != print, sealed=row[3])


def _keep(connection: sqlite3.Connection, id: str, holder: str, sealed: bytes) -> None:
    connection.execute("UPDATE answers SET sealed = ? WHERE id = ? AND holder = ?", (sealed, id, holder))


def _release(connection: sqlite3.Connection, id: str, holder: str) -> None:
    query = "DELETE FROM answers WHERE id = ? AND holder = ? AND sealed IS NULL"
    connection.execute(query, (id, holder))
