"""The durable record: one writer thread a process, group commit, a deadline, recovery by itself.

A commit is acknowledged after the write and the fdatasync of the batch it rode in. While a batch is in flight
the next one gathers, so that one fdatasync serves everyone who waits. The pending list is shared under a lock
and not owned by one loop: sync clients, and async clients of several loops, commit to the same files.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import errno
import math
import os
import re
import secrets
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from guard.errors import Unavailable
from guard.trace.chain import Link
from guard.trace.exportfile import Disk, ExportFile, Origin
from guard.trace.heads import Receiver
from guard.trace.signing import Signer, load_signer
from guard.trace.waiters import Awaited, Bell, Entry, Waiter, resolve, settle

__all__ = ["Ledger", "Signer", "load_signer"]

_RIDERS = 32
"""Records that nobody awaits wait for so many others, or for `linger_s` after the writer's next look."""

_IDLE_S = 0.05
"""How often an idle writer looks for records that nobody awaits."""

_BACKLOG_BYTES = 64 * 1024 * 1024


class Ledger:
    """Append-only, chained, signed export files of one process.

    A record whose commit failed is not written later; a record that was appended is kept until it is. After a
    failure the ledger is not `ready`; it tries again on every commit and every `retry_s` seconds. `copy` is
    offered each line once it is durable (`OtlpCopy.offer`); `heads` is a second place for signed heads.
    """

    def __init__(
        self,
        folder: Path,
        *,
        signer: Signer,
        writer: str = "",
        rotate_bytes: int = 64 * 1024 * 1024,
        sign_every: int = 256,
        sign_after_s: float = 10.0,
        timeout_s: float = 5.0,
        linger_s: float = 0.02,
        retry_s: float = 0.5,
        copy: Callable[[bytes], None] | None = None,
        disk: Disk | None = None,
        heads: Path | Receiver | None = None,
    ) -> None:
        self._label = re.sub(r"[^a-z0-9]+", "-", writer.lower())[:32].strip("-")
        self._origin = Origin(folder, "", signer, sign_every, sign_after_s, disk or Disk(), heads)
        self._rotate_bytes, self._timeout_s = rotate_bytes, timeout_s
        self._linger_s, self._retry_s = linger_s, retry_s
        self._copy = copy
        self._closed = False
        self._reset()
        _LEDGERS.add(self)

    def _reset(self) -> None:
        token = secrets.token_hex(4)
        name = "-".join(filter(None, (self._label, str(os.getpid()), token)))
        self._origin = self._origin._replace(writer=name)
        self._lock, self._bell = threading.Lock(), Bell()
        self._thread: threading.Thread | None = None
        self._pending: list[Entry] = []
        self._pending_bytes, self._pending_since = 0, 0.0
        self._urgent = self._failing = False
        self._rounds: set[asyncio.AbstractEventLoop] = set()
        self._retry_at: float = 0.0
        self._close_by: float = math.inf
        self._file: ExportFile | None = None
        self._end: Link | None = None

    @property
    def ready(self) -> bool:
        """Whether the last write succeeded (or none was tried yet), so that new calls may start."""
        return not (self._failing or self._closed)

    @property
    def closed(self) -> bool:
        """Whether `close` was called: it takes no more records."""
        return self._closed

    @property
    def waiting(self) -> int:
        """How many records wait to be written."""
        return len(self._pending)

    @property
    def writer(self) -> str:
        """The name of this process in its files' names; another one after a fork."""
        return self._origin.writer

    async def commit(self, line: bytes) -> None:
        """Make one record durable; raises Unavailable("record") where that fails or takes too long."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._put(Entry(line, loop, waiter))
        self._flush_soon(loop)
        timer = loop.call_later(self._timeout_s, self._expire, waiter)
        try:
            await waiter
        finally:
            timer.cancel()

    def commit_sync(self, line: bytes) -> None:
        """Make one record durable from any thread, with or without a loop; raises as `commit` does."""
        waiter = Awaited()
        self._put(Entry(line, None, waiter))
        self._flush()
        if not waiter.wait(self._timeout_s):
            self._expire(waiter)
            waiter.wait()

    def append(self, line: bytes) -> None:
        """Hand over a record that nobody awaits: it rides with the next batch and is kept until written."""
        self._put(Entry(line))

    def close(self) -> None:
        """Write what is pending, sign the end of the file, stop the thread; bounded by twice the deadline.

        Raises Unavailable where appended records could not be written within one deadline.
        """
        with self._lock:
            self._close_by = min(self._close_by, time.monotonic() + self._timeout_s)
            self._closed = True
        self._bell.ring()
        if self._thread is not None:
            self._thread.join(2 * self._timeout_s)
            if self._thread.is_alive():
                raise Unavailable("record", "the disk did not answer in time")
        _LEDGERS.discard(self)
        if self._pending:
            raise Unavailable("record", f"{len(self._pending)} records could not be written")

    def restart_in_child(self) -> None:
        """Begin as another writer after a fork: the parent's thread, files and records are not ours."""
        if self._file is not None:
            self._file.forget()
        self._reset()

    def _put(self, entry: Entry) -> None:
        if b"\n" in entry.line:
            raise ValueError("a record is one line")
        awaited = entry.waiter is not None
        with self._lock:
            self._start()
            if awaited and self._pending_bytes > _BACKLOG_BYTES:
                raise Unavailable("record", "too many records are waiting")
            self._pending.append(entry)
            self._pending_bytes += len(entry.line)
            if len(self._pending) == 1:
                self._pending_since = time.monotonic()
            full = len(self._pending) == _RIDERS
        # Waking the writer for every rider would cost the caller a thread switch a request.
        if full and not awaited:
            self._bell.ring()

    def _flush_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake the writer after the loop's current round: all that commit in one round share one batch."""
        if loop not in self._rounds:
            for other in tuple(self._rounds):
                if other.is_closed():  # in its round: it never comes back
                    self._rounds.discard(other)
            self._rounds.add(loop)
            loop.call_soon(self._flush, loop)

    def _flush(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        if loop is not None:
            self._rounds.discard(loop)
        with self._lock:
            first = bool(self._pending) and not self._urgent
            self._urgent = self._urgent or first
        if first:
            self._bell.ring()

    def _start(self) -> None:
        if self._closed:
            raise Unavailable("record", "the ledger is closed")
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._run, name="guard-ledger", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise Unavailable("record", "no thread can be started") from error
        self._thread = thread

    def _expire(self, waiter: Waiter) -> None:
        if not resolve(waiter, Unavailable("record", "not durable within the deadline")):
            return
        with self._lock:
            self._failing = True
        self._bell.ring()

    # In the writer's thread.

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            if not self._write(batch) and time.monotonic() >= self._close_by:
                break  # close() says what is left
        if self._file is not None:
            _end(self._file)

    def _take(self) -> list[Entry] | None:
        """The next batch, once it is due; None at the end."""
        while True:
            with self._lock:
                if self._due():
                    return self._batch()
                patience = self._patience()
            self._bell.wait(patience)

    def _batch(self) -> list[Entry] | None:
        if self._closed and not self._pending:
            return None
        batch = [entry for entry in self._pending if not entry.given_up]
        self._pending, self._pending_bytes, self._urgent = [], 0, False
        return batch

    def _due(self) -> bool:
        if self._failing:
            return self._urgent or time.monotonic() >= self._retry_at
        if self._closed or self._urgent:
            return True
        return len(self._pending) >= _RIDERS or (bool(self._pending) and self._lingered() <= 0)

    def _patience(self) -> float:
        if self._failing:
            return max(0.0, self._retry_at - time.monotonic())
        return max(0.0, self._lingered()) if self._pending else _IDLE_S

    def _lingered(self) -> float:
        return self._pending_since + self._linger_s - time.monotonic()

    def _write(self, batch: list[Entry]) -> bool:
        try:
            self._file = self._file or ExportFile(self._origin, self._end)
            self._file.append([entry.line for entry in batch])
        except Exception as error:  # whatever it was: nobody may be told that the batch is durable
            self._fail(batch, error)
            return False
        self._end = self._file.end
        self._failing = False
        settle(batch, None)
        self._tend(self._file)
        self._offer(batch)
        return True

    def _tend(self, file: ExportFile) -> None:
        """Sign and rotate; where that fails, the records are durable and only the file is given up."""
        if file.size >= self._rotate_bytes:
            self._file = None
            _end(file)
            self._end = file.end
            return
        try:
            file.sign_if_due()
        except OSError:
            self._file = None
            file.abandon()

    def _offer(self, batch: list[Entry]) -> None:
        if self._copy is not None:
            for entry in batch:
                self._copy(entry.line)

    def _fail(self, batch: list[Entry], error: Exception) -> None:
        if self._file is not None:
            self._file.abandon()
            self._file = None
        kept = [entry for entry in batch if entry.waiter is None]
        with self._lock:
            self._failing = True
            self._retry_at = time.monotonic() + self._retry_s
            self._pending[:0] = kept
            self._pending_bytes += sum(len(entry.line) for entry in kept)
        settle(batch, Unavailable("record", _reason(error)))


def _end(file: ExportFile) -> None:
    try:
        file.close()
    except OSError:
        file.abandon()


def _reason(error: Exception) -> str:
    """Why a write failed, without a path (it goes into an HTTP answer)."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"the record cannot be written ({errno.errorcode.get(error.errno, 'OSError')})"
    return f"the record cannot be written ({type(error).__name__})"


_LEDGERS: weakref.WeakSet[Ledger] = weakref.WeakSet()


def _close_all() -> None:
    for ledger in list(_LEDGERS):
        with contextlib.suppress(Unavailable):
            ledger.close()


def _after_fork() -> None:
    for ledger in list(_LEDGERS):
        ledger.restart_in_child()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork)
