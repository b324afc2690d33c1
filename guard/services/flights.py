"""Requests to the judge under way: texts board one together, it leaves under the quota, everyone gets its scores.

A request that still waits for others, or for the quota, takes on more texts until it is full. Equal texts share
a seat. A request for which nobody waits any more is cancelled. A text that fails fails those who asked about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from guard.errors import Unavailable

Scores = dict[str, float]
Landed = dict[bytes, Scores | Unavailable]
_Place = tuple[asyncio.AbstractEventLoop, bytes]
Fly = Callable[["Flight"], Awaitable[Landed]]


@dataclass(eq=False, slots=True, repr=False)
class Flight:
    """One request: its texts by name, whether more may board, how many callers wait for it."""

    size: int
    loop: asyncio.AbstractEventLoop
    batch: dict[bytes, str] = field(default_factory=dict)
    boarding: bool = True
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    task: asyncio.Task[Landed] | None = None

    @property
    def full(self) -> bool:
        """Whether no further text has a seat."""
        return len(self.batch) >= self.size

    def depart(self) -> dict[bytes, str]:
        """Close the doors and hand out the texts."""
        self.boarding = False
        return self.batch

    @property
    def running(self) -> asyncio.Task[Landed]:
        """The task that brings the scores."""
        assert self.task is not None
        return self.task


class Flights:
    """All requests under way, by the event loop that they belong to. `fly` sends one; `size` is its seats."""

    def __init__(self, fly: Fly, size: int) -> None:
        self._fly = fly
        self._size = size
        self._seats: dict[_Place, Flight] = {}
        self._open: dict[asyncio.AbstractEventLoop, Flight] = {}

    @property
    def open(self) -> int:
        """How many texts are being asked about."""
        return len(self._seats)

    async def bring(self, texts: dict[bytes, str], *, alone: bool) -> dict[bytes, Scores]:
        """Bring the scores of texts by name; `alone`: leave at once, without waiting for others to board.

        Raises Unavailable as soon as one request failed.
        """
        landed: Landed = {}
        for scores in await self._wait(self._board(texts, alone=alone)):
            landed.update(scores)
        return {name: _good(landed[name]) for name in texts}

    def _board(self, texts: dict[bytes, str], *, alone: bool) -> list[Flight]:
        loop = asyncio.get_running_loop()
        flights = dict.fromkeys(self._seat(loop, name, text) for name, text in texts.items())
        for flight in flights:
            if alone or flight.full:
                flight.ready.set()
        return list(flights)

    def _seat(self, loop: asyncio.AbstractEventLoop, name: bytes, text: str) -> Flight:
        flight = self._seats.get((loop, name))
        if flight is None:
            flight = self._seats[loop, name] = self._boarding(loop)
            flight.batch[name] = text
        return flight

    def _boarding(self, loop: asyncio.AbstractEventLoop) -> Flight:
        flight = self._open.get(loop)
        if flight is None or not flight.boarding or flight.full:
            flight = self._open[loop] = Flight(self._size, loop)
            flight.task = loop.create_task(self._bring(flight))
            flight.task.add_done_callback(partial(self._landed, flight))
        return flight

    async def _bring(self, flight: Flight) -> Landed:
        return await self._fly(flight)

    def _landed(self, flight: Flight, task: asyncio.Task[Landed]) -> None:
        self._forget(flight)

    def _forget(self, flight: Flight) -> None:
        flight.boarding = False
        if self._open.get(flight.loop) is flight:
            del self._open[flight.loop]
        for name in flight.batch:
            if self._seats.get((flight.loop, name)) is flight:
                del self._seats[flight.loop, name]

    async def _wait(self, flights: Sequence[Flight]) -> list[Landed]:
        """Wait for all of them or the first failure; a request that nobody waits for any more is cancelled."""
        if not flights:
            return []
        for flight in flights:
            flight.waiting += 1
        try:
            await asyncio.wait({flight.running for flight in flights}, return_when=asyncio.FIRST_EXCEPTION)
            return [_result(flight.running) for flight in sorted(flights, key=lambda f: not f.running.done())]
        finally:
            for flight in flights:
                flight.waiting -= 1
                if not flight.waiting and flight.running.cancel():
                    self._forget(flight)


def _good(scores: Scores | Unavailable) -> Scores:
    if isinstance(scores, Unavailable):
        raise Unavailable(scores.what, scores.reason)  # its own, for each that waited
    return scores


def _result(task: asyncio.Task[Landed]) -> Landed:
    if task.cancelled():
        raise Unavailable("moderation", "the request was cancelled")
    failure = task.exception()
    if isinstance(failure, Unavailable):
        raise Unavailable(failure.what, failure.reason)
    if failure is not None:
        raise Unavailable("moderation", f"the request failed ({type(failure).__name__})")
    return task.result()
