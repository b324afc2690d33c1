"""The end of a gateway's process: new requests are refused, what runs is waited for up to a limit, then cut short."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from types import FrameType
from typing import Any

from guard.mounts.operations import Operations

log = logging.getLogger("guard")

SIGNALS = (signal.SIGTERM, signal.SIGINT)

_LAST_S = 3.0
"""Seconds in which what was cut short must have ended."""


class Draining:
    """Stands before the server's own signal handlers. The same signal twice ends at once."""

    def __init__(self, operations: Operations, limit_s: float) -> None:
        self._operations, self._limit_s = operations, limit_s
        self._before: dict[int, Any] = {}
        self._seen: set[int] = set()
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
        if number in self._seen:
            return self._pass_on(number)
        first = not self._seen
        self._seen.add(number)
        if first:
            self._loop.call_soon_threadsafe(self._begin, number)

    def _begin(self, number: int) -> None:
        self._operations.draining = True
        self._task = asyncio.ensure_future(self._drain(number))

    async def _drain(self, number: int) -> None:
        try:
            async with asyncio.timeout(self._limit_s):
                await self._operations.idle()
        except TimeoutError:
            log.warning(
                "draining took longer than %g s (GUARD_DRAIN_S): what still runs is cut short", self._limit_s
            )
            self._operations.cut()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_S):
                    await self._operations.idle()
        self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        self._before[number](number, None)
