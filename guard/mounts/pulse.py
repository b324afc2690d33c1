"""A sign of life on a stream that has nothing to say: a comment, which every reader of event streams skips."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from starlette.types import Message, Send

COMMENT = b": waiting\n\n"
"""A line that begins with a colon is ignored (WHATWG HTML, server-sent events, section 9.2.6)."""


class Pulse:
    """Send messages, and a comment whenever nothing was sent for `idle_s` seconds while the block lasts.

    What is sent through it must end with an event, so that a comment never stands inside of one.
    """

    def __init__(self, send: Send, idle_s: float) -> None:
        self._send = send
        self._idle_s = idle_s
        self._lock = asyncio.Lock()
        self._last = 0.0
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._last = asyncio.get_running_loop().time()
        self._beating = asyncio.ensure_future(self._beat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._beating is not None
        beating, self._beating = self._beating, None  # what it ended of holds this: nothing may hold it
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)

    async def send(self, message: Message) -> None:
        """Send a message."""
        async with self._lock:
            await self._send(message)
        self._last = asyncio.get_running_loop().time()

    async def _beat(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            rest = self._last + self._idle_s - clock()
            if rest > 0:
                await asyncio.sleep(rest)
            else:
                await self.send({"type": "http.response.body", "body": COMMENT, "more_body": True})
