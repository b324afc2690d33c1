"""Floor 6, whether a guard takes new calls: what each call needs before its model is called."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from guard.errors import Unavailable

if TYPE_CHECKING:
    from guard.guard import Guard

OK = "ok"

REMEMBERED_S = 1.0
"""Seconds for which an answer holds: whoever asks often does not ask the stores as often."""


class Readiness:
    """Asks a guard's record and stores whether they can be written; `clock` is steady."""

    def __init__(self, guard: Guard, clock: Callable[[], float] = time.monotonic) -> None:
        self._guard, self._clock = guard, clock
        self._known: tuple[float, dict[str, str]] | None = None

    async def checks(self) -> dict[str, str]:
        """Each thing that calls need: `ok`, or in a few words what it is not."""
        now = self._clock()
        if self._known is None or now - self._known[0] >= REMEMBERED_S:
            self._known = (now, {"record": self._record(), **await self._stores()})
        return self._known[1]

    def _record(self) -> str:
        """Where the outcome of a call could not be written, no call is begun until it is."""
        try:
            return OK if self._guard.ledger.ready else "the last write failed"
        except Unavailable as failure:
            return failure.reason

    async def _stores(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, answer in [row for dispatch in self._guard.dispatches for row in dispatch.stores()]:
            try:
                await asyncio.wait_for(asyncio.wrap_future(answer), self._guard.settings.store_timeout_s)
                found.setdefault(name, OK)
            except (Unavailable, TimeoutError) as failure:
                found[name] = getattr(failure, "reason", "it does not answer")
        return found
