"""Who waits for a record: a future of some event loop, one of a thread, or nobody."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass


class Bell:
    """Wake one thread; a ring that comes before it waits is kept, several are one.

    A bare lock: a `threading.Condition` costs the sleeper and the waker 15 us more, each time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Wake the thread that waits, or the next one that would."""
        try:
            self._lock.release()
        except RuntimeError:
            return  # it was rung already

    def wait(self, timeout_s: float = -1) -> bool:
        """Wait until it was rung; False after so many seconds (-1: without end)."""
        return self._lock.acquire(timeout=timeout_s)


class Awaited:
    """A record that one thread waits for: told once how it ended, by whoever comes first."""

    def __init__(self) -> None:
        self._claim, self._bell = threading.Lock(), Bell()
        self._error: Exception | None = None

    def done(self) -> bool:
        """Whether it has ended."""
        return self._claim.locked()

    def tell(self, error: Exception | None) -> bool:
        """Say how it ended; False where that was said already."""
        if not self._claim.acquire(blocking=False):
            return False
        self._error = error
        self._bell.ring()
        return True

    def wait(self, timeout_s: float = -1) -> bool:
        """Wait for the end and raise what it ended with; False after so many seconds (-1: without end)."""
        if not self._bell.wait(timeout_s):
            return False
        if self._error is not None:
            raise self._error
        return True


Waiter = asyncio.Future[None] | Awaited


@dataclass(slots=True)
class Entry:
    """A record on its way to the disk, and who waits for it."""

    line: bytes
    loop: asyncio.AbstractEventLoop | None = None
    waiter: Waiter | None = None

    @property
    def given_up(self) -> bool:
        """Whether its owner was told that it is not durable, or left: it must not be written afterwards."""
        return self.waiter is not None and self.waiter.done()


def resolve(waiter: Waiter, error: Exception | None) -> bool:
    """Tell a waiter how it ended; False where it knew already or had left."""
    if isinstance(waiter, Awaited):
        return waiter.tell(error)
    if waiter.done():
        return False
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(error)
    return True


def _resolve_all(waiters: list[Waiter], error: Exception | None) -> None:
    for waiter in waiters:
        resolve(waiter, error)


def settle(batch: list[Entry], error: Exception | None) -> None:
    """Tell all waiters of a batch, with one wake-up a loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Waiter]] = {}
    for entry in batch:
        if entry.waiter is not None and entry.loop is not None:
            by_loop.setdefault(entry.loop, []).append(entry.waiter)
        elif entry.waiter is not None:
            resolve(entry.waiter, error)
    for loop, waiters in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve_all, waiters, error)
