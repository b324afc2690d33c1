"""A streamed answer on its way from an application, through the gate, to the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator

from guard.call import Call
from guard.doors import CallDoors
from guard.mounts.messages import Message, Send, failure_event
from guard.services.drivers import drive_stream
from guard.stream import StreamGate

log = logging.getLogger("guard")


class AnswerOver(OSError):
    """guard has ended the answer: the application may stop, as if its client had left."""


class Pump:
    """Takes chunks from the application's task and sends what the gate releases from a task of its own.

    Its end is the record of the outcome, however it comes.
    """

    def __init__(self, call: Call, doors: CallDoors, start: Message, send: Send) -> None:
        self.stopped = False
        self._call = call
        self._doors = doors
        self._start = start
        self._send = send
        self._error = "client_left"
        self._waiting: deque[bytes | None] = deque()  # one at most
        self._came, self._room = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: self._room.set())

    async def push(self, data: bytes, more: bool) -> None:
        """Hand over a chunk; wait where the gate is full, and for the end. Raises AnswerOver where it came early."""
        for item in (data,) if more else (data, None):
            while self._waiting and not self._task.done():
                self._room.clear()
                await self._room.wait()
            if self._task.done():
                break
            self._waiting.append(item)
            self._came.set()
        if not more:
            await self._task
        elif self._task.done():
            self._task.result()
            self.stopped = True
            raise AnswerOver("guard has ended the answer")

    async def cancel(self, error: str) -> None:
        """End it where it is, without a last message; `error` goes on record."""
        self._error = error
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        gate = self._call.gate()
        try:
            await self._send(self._start)
            async with contextlib.aclosing(self._released(gate)) as released:
                async for data in released:
                    await self._send({"type": "http.response.body", "body": data, "more_body": True})
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._call.finish_stream(gate, self._error)

    async def _released(self, gate: StreamGate) -> AsyncGenerator[bytes]:
        """What the gate releases; where guard itself fails, the event that says so is the last (case A20)."""
        try:
            async for data in drive_stream(gate, self._chunks(), self._doors):
                yield data
            self._error = "" if gate.complete else "truncated"
        except Exception as failure:
            log.error("guard failed while screening a stream: %s", type(failure).__name__)
            self._error = getattr(failure, "code", "") or type(failure).__name__
            yield failure_event(failure)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while (item := await self._next()) is not None:
            yield item

    async def _next(self) -> bytes | None:
        while not self._waiting:
            self._came.clear()
            await self._came.wait()
        self._room.set()
        return self._waiting.popleft()
