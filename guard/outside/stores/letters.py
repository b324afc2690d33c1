"""Dead letters in one SQLite file, shared by all processes of this machine: sealed bodies, and what became of them.

A letter is `waiting`, `sending` (claimed by a replay), `answered` or `poisoned`. A claim that was not settled is
`uncertain`: nobody knows whether the call went out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import astuple, dataclass, fields
from functools import partial
from pathlib import Path

from guard.outside.stores.holders import gone
from guard.outside.stores.sqlite import Writer

VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS letters (
  id TEXT PRIMARY KEY, created REAL NOT NULL, tenant TEXT NOT NULL, user TEXT NOT NULL, model TEXT NOT NULL,
  endpoint TEXT NOT NULL, method TEXT NOT NULL, url TEXT NOT NULL, policy TEXT NOT NULL, sha256 TEXT NOT NULL,
  reason TEXT NOT NULL, attempts INTEGER NOT NULL, trace TEXT NOT NULL, tools INTEGER NOT NULL,
  streamed INTEGER NOT NULL, key_id TEXT NOT NULL, sealed BLOB NOT NULL,
  state TEXT NOT NULL, replays INTEGER NOT NULL, due REAL NOT NULL, outcome TEXT NOT NULL, changed REAL NOT NULL,
  holder TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS letters_by_age ON letters (created);
CREATE TABLE IF NOT EXISTS proof (id INTEGER PRIMARY KEY, number INTEGER NOT NULL);
"""

WAITING, SENDING, ANSWERED, POISONED, UNCERTAIN = "waiting", "sending", "answered", "poisoned", "uncertain"

ROOM = 64 * 1024
"""Bytes by which the file must still be able to grow for a call to go out."""


@dataclass(frozen=True, slots=True, repr=False)
class Row:
    """One letter as it is stored; `user` is a keyed hash, times are seconds since 1970, `sealed` opens with the key."""

    id: str
    created: float
    tenant: str
    user: str
    model: str
    endpoint: str
    method: str
    url: str
    policy: str
    sha256: str
    reason: str
    attempts: int
    trace: str
    tools: bool
    streamed: bool
    key_id: str
    sealed: bytes
    state: str = WAITING
    replays: int = 0
    due: float = 0.0
    outcome: str = ""
    changed: float = 0.0
    holder: str = ""
    until: float = 0.0

    def state_at(self, now: float) -> str:
        """The state as it really is: a claim that ran out, or whose process is gone, leaves a letter uncertain."""
        lost = self.state == SENDING and (self.until <= now or gone(self.holder))
        return UNCERTAIN if lost else self.state


_COLUMNS = ", ".join(field.name for field in fields(Row))
_PLACES = ", ".join("?" for _ in fields(Row))


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a replay: the new state, its outcome as a code, when it is due again, and how often it failed."""

    state: str
    outcome: str
    due: float = 0.0
    failed: int = 0
    streamed: bool = False


class LetterStore:
    """Dead letters in one SQLite file, each commit synced to the disk."""

    def __init__(self, path: Path, *, wait_s: float = 2.0) -> None:
        self.writer = Writer(path, SCHEMA, VERSION, wait_s=wait_s)
        self.writer.check()

    def keep(self, row: Row) -> Future[None]:
        """Store a letter; the future is done once it is on the disk."""
        return self.writer.submit(partial(_keep, row=row))

    def prove(self) -> Future[bool]:
        """Whether a letter could be stored now: a commit shows that the file takes writes; and there must be room."""
        return self.writer.submit(_prove)

    def rows(self, states: Sequence[str] = (), tenant: str = "") -> Future[list[Row]]:
        """List letters without their bodies, the oldest first; of some stored states, of one tenant."""
        return self.writer.submit(partial(_rows, states=states, tenant=tenant))

    def find(self, start: str) -> Future[list[Row]]:
        """The letters whose id begins with a text, two at most."""
        return self.writer.submit(partial(_find, start=start))

    def claim(self, row: Row, holder: str, until: float, now: float) -> Future[bool]:
        """Take a letter for sending, if it is still as it was read; True where it is the holder's."""
        return self.writer.submit(partial(_claim, row=row, holder=holder, until=until, now=now))

    def hold(self, id: str, holder: str, until: float) -> Future[bool]:
        """Prolong a claim."""
        return self.writer.submit(partial(_hold, id=id, holder=holder, until=until))

    def settle(self, id: str, holder: str, settled: Settled, now: float) -> Future[bool]:
        """Record what became of a claim; the body of an answered letter is deleted."""
        return self.writer.submit(partial(_settle, id=id, holder=holder, settled=settled, now=now))

    def drop(self, ids: Sequence[str], now: float) -> Future[int]:
        """Delete letters; one that is being sent stays. Returns how many went."""
        return self.writer.submit(partial(_drop, ids=ids, now=now))

    def close(self) -> None:
        """Write what is queued."""
        self.writer.close()


def _keep(connection: sqlite3.Connection, row: Row) -> None:
    connection.execute(f"INSERT INTO letters ({_COLUMNS}) VALUES ({_PLACES})", astuple(row))


def _prove(connection: sqlite3.Connection) -> bool:
    connection.execute("INSERT INTO proof VALUES (1, 1) ON CONFLICT DO UPDATE SET number = number + 1")
    most, pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("max_page_count", "page_count", "freelist_count", "page_size")
    )
    return bool((most - pages + free) * size >= ROOM)


def _rows(connection: sqlite3.Connection, states: Sequence[str], tenant: str) -> list[Row]:
    names = _COLUMNS.replace("sealed", "x'' AS sealed")
    marks = ", ".join("?" for _ in states)
    where = [f"state IN ({marks})"] if states else []
    where += ["tenant = ?"] if tenant else []
    query = (
        f"SELECT {names} FROM letters {'WHERE ' + ' AND '.join(where) if where else ''} ORDER BY created, id"
    )
    found = connection.execute(query, (*states, *([tenant] if tenant else ())))
    return [_row(values) for values in found]


def _find(connection: sqlite3.Connection, start: str) -> list[Row]:
    query = (
        f"SELECT {_COLUMNS} FROM letters WHERE id >= ? AND substr(id, 1, length(?)) = ? ORDER BY id LIMIT 2"
    )
    return [_row(values) for values in connection.execute(query, (start, start, start))]


def _row(values: tuple[object, ...]) -> Row:
    row = dict(zip((field.name for field in fields(Row)), values, strict=True))
    return Row(**{**row, "tools": bool(row["tools"]), "streamed": bool(row["streamed"])})  # type: ignore[arg-type]


def _claim(connection: sqlite3.Connection, row: Row, holder: str, until: float, now: float) -> bool:
    claimed = connection.execute(
        "UPDATE letters SET state = ?, holder = ?, until = ?, changed = ?"
        " WHERE id = ? AND state = ? AND holder = ? AND changed = ? AND state != ?",
        (SENDING, holder, until, now, row.id, row.state, row.holder, row.changed, ANSWERED),
    )
    return claimed.rowcount == 1


def _hold(connection: sqlite3.Connection, id: str, holder: str, until: float) -> bool:
    query = "UPDATE letters SET until = ? WHERE id = ? AND state = ? AND holder = ?"
    return connection.execute(query, (until, id, SENDING, holder)).rowcount == 1


def _settle(connection: sqlite3.Connection, id: str, holder: str, settled: Settled, now: float) -> bool:
    changed = connection.execute(
        "UPDATE letters SET state = ?, outcome = ?, due = ?, replays = replays + ?, streamed = max(streamed, ?),"
        " changed = ?, until = 0, sealed = CASE WHEN ? THEN x'' ELSE sealed END"
        " WHERE id = ? AND state = ? AND holder = ?",
        (
            settled.state,
            settled.outcome,
            settled.due,
            settled.failed,
            settled.streamed,
            now,
            settled.state == ANSWERED,
            id,
            SENDING,
            holder,
        ),
    )
    return changed.rowcount == 1


def _drop(connection: sqlite3.Connection, ids: Sequence[str], now: float) -> int:
    gone = 0
    for id in ids:
        rows = [row for row in _find(connection, id) if row.id == id]
        if rows and rows[0].state_at(now) != SENDING:
            gone += connection.execute("DELETE FROM letters WHERE id = ?", (id,)).rowcount
    return gone
