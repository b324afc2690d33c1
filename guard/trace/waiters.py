"""Who waits for a record: a future of some event loop, one of a thread, or nobody."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from dataclasses import dataclass

Waiter = asyncio.Future[None] | concurrent.futures.Future[None]


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
    if waiter.done():
        return False
    try:
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
    except concurrent.futures.InvalidStateError:
        return False
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
