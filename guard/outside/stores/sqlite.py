"""One SQLite file behind one writer thread a process: group commit, every commit on the disk, bounded waits.

WAL with `synchronous=FULL`: a commit that returned survives a power cut (https://sqlite.org/wal.html). Several
processes may write to the file: each transaction begins IMMEDIATE, so it reads under the lock what it will change.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from guard.errors import SetupError, Unavailable

_T = TypeVar("_T")
Operation = Callable[[sqlite3.Connection], Any]
_Entry = tuple[Operation, "Future[Any]"]

_BATCH = 256
"""Operations that share one commit, at most."""


class Writer:
    """Runs operations one after the other, each batch of them in one transaction. Thread-safe.

    Without `synced` a commit is safe from a `kill -9`, but not from a power cut. `schema` makes the tables of
    `version` in an empty file. An operation that cannot be made durable within `wait_s`, or that finds `waiting`
    others before it, is Unavailable.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        version: int,
        *,
        wait_s: float = 2.0,
        waiting: int = 4096,
        synced: bool = True,
    ) -> None:
        self.path, self.wait_s = path, wait_s
        self._schema, self._version, self._waiting, self._synced = schema, version, waiting, synced
        self._lock = threading.Lock()
        self._pid = 0
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def check(self) -> None:
        """Make the file if there is none; raises SetupError where it is damaged, newer, or cannot be written."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = self._open()
        except (OSError, sqlite3.Error) as failure:
            raise SetupError(f"{self.path} cannot be opened for writing: {_reason(failure)}") from None
        try:
            self._prepare(connection)
        except sqlite3.Error as failure:
            raise SetupError(
                f"{self.path} cannot be used: {_reason(failure)}; restore it from a backup or move it"
            ) from None
        finally:
            connection.close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > self._version:
            raise SetupError(f"{self.path} was written by a newer guard (version {found}): use that one")
        [[state]] = connection.execute("PRAGMA quick_check(1)").fetchall()
        if state != "ok":
            raise SetupError(f"{self.path} is damaged: restore it from a backup or move it")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(
            f"BEGIN IMMEDIATE; {self._schema} PRAGMA user_version = {self._version}; COMMIT;"
        )

    def submit(self, operation: Callable[[sqlite3.Connection], _T]) -> Future[_T]:
        """Queue an operation; its future is done once it is on the disk, or raises Unavailable."""
        future: Future[_T] = Future()
        self._started()
        if self._queue.qsize() >= self._waiting:
            future.set_exception(Unavailable("store", "too many are waiting for it"))
        else:
            self._queue.put((operation, future))
        return future

    def reach(self) -> Future[Any]:
        """Ask for the lock to write, as every operation does, and change nothing."""
        return self.submit(lambda connection: connection.execute("PRAGMA user_version").fetchone())

    def close(self) -> None:
        """Write what is queued and end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and self._pid == os.getpid():
            self._queue.put(None)
            thread.join(10 * self.wait_s)

    def _started(self) -> None:
        """A thread for this process: after a fork the parent's is not there, and its connection is not ours."""
        if self._thread is not None and self._pid == os.getpid():
            return
        with self._lock:
            if self._thread is None or self._pid != os.getpid():
                self._pid, self._queue = os.getpid(), queue.SimpleQueue()
                self._thread = threading.Thread(
                    target=self._run, args=(self._queue,), name="guard-store", daemon=True
                )
                self._thread.start()

    def _run(self, entries: queue.SimpleQueue[_Entry | None]) -> None:
        connection: sqlite3.Connection | None = None
        ending = False
        while not ending:
            batch, ending = _gathered(entries)
            if not batch:
                continue
            try:
                connection = connection or self._connect()
                results = _transact(connection, batch)
            except (sqlite3.Error, OSError) as failure:
                _fail(batch, Unavailable("store", _reason(failure)))
            except (
                Exception
            ) as failure:  # an operation is wrong: its callers must hear of it, and the thread lives on
                _fail(batch, failure)
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    future.set_result(result)
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=self.wait_s, isolation_level=None, check_same_thread=False)

    def _connect(self) -> sqlite3.Connection:
        connection = self._open()
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={'FULL' if self._synced else 'OFF'}")
        except BaseException:
            connection.close()
            raise
        return connection


def _gathered(entries: queue.SimpleQueue[_Entry | None]) -> tuple[list[_Entry], bool]:
    """What waits, one at least; and whether this is the end. What nobody waits for any more is left out."""
    batch: list[_Entry] = []
    entry = entries.get()
    while entry is not None:
        if entry[1].set_running_or_notify_cancel():
            batch.append(entry)
        if len(batch) >= _BATCH or entries.empty():
            return batch, False
        entry = entries.get()
    return batch, True


def _transact(connection: sqlite3.Connection, batch: list[_Entry]) -> list[Any]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        results = [operation(connection) for operation, _ in batch]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return results


def _fail(batch: list[_Entry], failure: Exception) -> None:
    for _, future in batch:
        future.set_exception(failure)


def _reason(failure: Exception) -> str:
    """SQLite's own words, which quote no data; of other failures what the system says."""
    return getattr(failure, "strerror", None) or str(failure) or type(failure).__name__
