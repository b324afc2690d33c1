"""The end of a gateway's process: new requests are refused, what runs is waited for up to a limit, then cut short."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections import Counter
from types import FrameType
from typing import Any

from guard.mounts.operations import Operations

log = logging.getLogger("guard")

SIGNALS = (signal.SIGTERM, signal.SIGINT)

_LAST_S = 3.0
"""Seconds in which what was cut short must have ended."""


class Draining:
    """Stands before the server's own signal handlers. The same signal twice cuts short, thrice it is the server's."""

    def __init__(self, operations: Operations, limit_s: float) -> None:
        self._operations, self._limit_s = operations, limit_s
        self._before: dict[int, Any] = {}
        self._seen: Counter[int] = Counter()
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def install(self) -> None:
        """Take over the signals of this process, where a server has set handlers for them."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._loop = asyncio.get_running_loop()
        for number in SIGNALS:
            before = signal.getsignal(number)
            if callable(before):
                self._before[number] = before
                signal.signal(number, self._caught)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self._seen[number] += 1
        if self._seen[number] > 2:
            return self._pass_on(number)
        if self._seen.total() == 1:
            self._loop.call_soon_threadsafe(self._begin, number)
        elif self._seen[number] == 2:
            self._loop.call_soon_threadsafe(self._hurry.set)

    def _begin(self, number: int) -> None:
        self._operations.draining = True
        self._task = asyncio.ensure_future(self._drain(number))

    async def _drain(self, number: int) -> None:
        if why := await self._waited():
            log.warning("%s: what still runs is cut short", why)
            self._operations.cut()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_S):
                    await self._operations.idle()
        self._pass_on(number)

    async def _waited(self) -> str:
        """Wait until nothing runs; why no longer, where something does."""
        idle, hurry = (asyncio.ensure_future(wait()) for wait in (self._operations.idle, self._hurry.wait))
        done, waiting = await asyncio.wait(
            (idle, hurry), timeout=self._limit_s, return_when="FIRST_COMPLETED"
        )
        for task in waiting:
            task.cancel()
        if idle in done:
            return ""
        return (
            "told twice to stop" if done else f"draining took longer than {self._limit_s:g} s (GUARD_DRAIN_S)"
        )

    def _pass_on(self, number: int) -> None:
        self._before[number](number, None)
