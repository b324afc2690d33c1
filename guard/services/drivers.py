"""The two drivers of the engine: they answer its effects, one awaiting, one blocking, by the same law."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from guard.errors import Unavailable
from guard.services.outages import OUTAGES
from guard.stream import StreamGate
from guard.streaming.ops import Ask, Emit, End, Find, Op
from guard.types import Commit, Detect, Effect, Finding, Flow, Score

_T = TypeVar("_T")
_Scores = list[dict[str, float]]

# Two windows of a lane may be in flight (holdback).
_JUDGES = 2


class Doors(Protocol):
    """What an asynchronous driver needs of the world."""

    async def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Find spans in each text."""

    async def score(self, texts: Sequence[str]) -> _Scores:
        """Ask the moderation service; raises Unavailable."""

    def streaming(self) -> AbstractContextManager[None]:
        """Say, while the block lasts, that a stream is being judged: windows of several streams share requests."""

    async def commit(self, record: bytes) -> None:
        """Make a record durable; raises Unavailable."""


class SyncDoors(Protocol):
    """What a blocking driver needs of the world."""

    def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Find spans in each text."""

    def score(self, texts: Sequence[str]) -> _Scores:
        """Ask the moderation service; raises Unavailable."""

    def streaming(self) -> AbstractContextManager[None]:
        """Say, while the block lasts, that a stream is being judged: windows of several streams share requests."""

    def commit(self, record: bytes) -> None:
        """Make a record durable; raises Unavailable."""


async def drive(flow: Flow[_T], doors: Doors) -> _T:
    """Run a flow to its value, awaiting each effect."""
    result: Any = None
    failure: Unavailable | None = None
    while True:
        try:
            effect = flow.throw(failure) if failure else flow.send(result)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        failure = None
        try:
            result = await _answer(effect, doors)
        except Unavailable as raised:
            failure = raised
            OUTAGES.tell(raised)


async def _answer(effect: Effect, doors: Doors) -> Any:
    if isinstance(effect, Detect):
        return await doors.detect(effect.texts)
    if isinstance(effect, Score):
        return await doors.score(effect.texts)
    return await doors.commit(effect.record)


def drive_sync(flow: Flow[_T], doors: SyncDoors) -> _T:
    """Run a flow to its value, blocking on each effect."""
    result: Any = None
    failure: Unavailable | None = None
    while True:
        try:
            effect = flow.throw(failure) if failure else flow.send(result)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        failure = None
        try:
            result = _answer_sync(effect, doors)
        except Unavailable as raised:
            failure = raised
            OUTAGES.tell(raised)


def _answer_sync(effect: Effect, doors: SyncDoors) -> Any:
    if isinstance(effect, Detect):
        return doors.detect(effect.texts)
    if isinstance(effect, Score):
        return doors.score(effect.texts)
    assert isinstance(effect, Commit)
    return doors.commit(effect.record)


class _Stream:
    """What both stream drivers share: the gate's questions, and what it has emitted."""

    def __init__(self, gate: StreamGate) -> None:
        self.gate = gate
        self.ready: list[bytes] = []
        self.asks: list[Ask] = []
        self.ended = False

    def take(self, ops: Sequence[Op]) -> list[Find]:
        """Sort operations: bytes to send and questions to the judge are kept, finds are answered at once."""
        finds = []
        for op in ops:
            if isinstance(op, Emit):
                self.ready.append(op.data)
            elif isinstance(op, Ask):
                self.asks.append(op)
            elif isinstance(op, End):
                self.ended = True
            else:
                finds.append(op)
        return finds

    def drain(self) -> bytes:
        """Hand out what is ready: events that may leave at the same moment leave together."""
        ready, self.ready = self.ready, []
        return ready[0] if len(ready) == 1 else b"".join(ready)


async def drive_stream(gate: StreamGate, chunks: AsyncIterator[bytes], doors: Doors) -> AsyncGenerator[bytes]:
    """Yield what the gate releases of an answer; at most two windows are being judged at a time."""
    stream = _Stream(gate)
    reading: asyncio.Task[bytes | None] | None = None
    judging: dict[asyncio.Task[_Scores], int] = {}
    over = False
    with doors.streaming():
        try:
            while not stream.ended:
                if not judging and not over and reading is None:
                    chunk = await anext(chunks, None)  # nothing to wait for beside it: no task
                    over = chunk is None
                    finds = stream.take(gate.finish() if chunk is None else gate.feed(chunk))
                    if finds:
                        await _find(stream, finds, doors)
                else:
                    if reading is None and not over and not gate.full:
                        reading = asyncio.ensure_future(_next(chunks))
                    waiting: set[asyncio.Task[Any]] = {*judging, *([reading] if reading else [])}
                    if not waiting:
                        break
                    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    for task in [t for t in judging if t in done]:
                        await _find(stream, stream.take(gate.scored(judging.pop(task), _scores(task))), doors)
                    if reading is not None and reading in done and not stream.ended:
                        chunk, reading = reading.result(), None
                        over = chunk is None
                        ops = gate.finish() if chunk is None else gate.feed(chunk)
                        await _find(stream, stream.take(ops), doors)
                for ask in stream.asks:
                    judging[asyncio.ensure_future(doors.score(ask.texts))] = ask.key
                stream.asks = []
                if stream.ready:
                    yield stream.drain()
        finally:
            left: list[asyncio.Task[Any]] = [*judging, *([reading] if reading else [])]
            for waiter in left:
                waiter.cancel()
            if left:
                await asyncio.gather(*left, return_exceptions=True)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


def _scores(task: asyncio.Task[_Scores]) -> _Scores | Unavailable:
    failure = task.exception()
    return task.result() if failure is None else _unanswered(failure)


async def _find(stream: _Stream, pending: list[Find], doors: Doors) -> None:
    while pending:
        find = pending.pop(0)
        lists = await doors.detect(find.texts)
        pending += stream.take(stream.gate.found(find.key, lists))


def drive_stream_sync(gate: StreamGate, chunks: Iterator[bytes], doors: SyncDoors) -> Iterator[bytes]:
    """Yield what the gate releases of an answer; windows are judged in threads.

    While a window is held for its judge nothing is read: a blocking read could outlast the answer, and what the
    upstream sends meanwhile waits in the connection.
    """
    stream = _Stream(gate)
    judging: dict[Future[_Scores], int] = {}
    pool = ThreadPoolExecutor(_JUDGES, thread_name_prefix="guard-judge")
    over = False
    with doors.streaming():
        try:
            while not stream.ended:
                if judging and (over or gate.full or gate.held):
                    wait(judging, return_when=FIRST_COMPLETED)
                done = [future for future in judging if future.done()]
                for future in done:
                    _find_sync(stream, gate.scored(judging.pop(future), _scores_sync(future)), doors)
                if not done and (over or gate.full):
                    break
                if not done:
                    chunk = next(chunks, None)
                    over = chunk is None
                    _find_sync(stream, gate.finish() if chunk is None else gate.feed(chunk), doors)
                for ask in stream.asks:
                    judging[pool.submit(doors.score, ask.texts)] = ask.key
                stream.asks = []
                if stream.ready:
                    yield stream.drain()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _scores_sync(future: Future[_Scores]) -> _Scores | Unavailable:
    failure = future.exception()
    return future.result() if failure is None else _unanswered(failure)


def _unanswered(failure: BaseException) -> Unavailable:
    """Why the judge did not answer, told in the log."""
    known = failure if isinstance(failure, Unavailable) else Unavailable("moderation", type(failure).__name__)
    OUTAGES.tell(known)
    return known


def _find_sync(stream: _Stream, ops: Sequence[Op], doors: SyncDoors) -> None:
    pending = stream.take(ops)
    while pending:
        find = pending.pop(0)
        lists = doors.detect(find.texts)
        pending += stream.take(stream.gate.found(find.key, lists))
