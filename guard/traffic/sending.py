"""Send a model call as the machine of `retries` says: one driver that awaits, one that blocks.

A try is over when its answer has begun: a whole answer is read, of a stream the first bytes have come. What fails
before that may be tried again; from then on the answer is the caller's, and nothing is sent twice (case C09).
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

import httpx2
import orjson

from guard.clearance import Cleared
from guard.errors import Outage
from guard.outside.upstream import ANSWER_BYTES, UpstreamError
from guard.traffic.health import Destinations, Health
from guard.traffic.retries import Ended, Outcome, Pause, Rules, Steps, Try, trying
from guard.types import Admission

_T = TypeVar("_T")

Headers = Sequence[tuple[bytes, bytes]]

_SHOULD_RETRY = b"x-should-retry"

_SPENT = ("insufficient_quota", "billing_hard_limit_reached")
"""Codes of a 429 that no waiting helps against."""


@dataclass(frozen=True, slots=True, repr=False)
class Sending:
    """The request to one who may answer: `name` is how the record calls the model, `model` how its provider does.

    `number` counts them from 0; `settled` is what was decided of this request, beyond its host.
    """

    number: int
    name: str
    model: str
    url: httpx2.URL
    headers: Headers
    body: Cleared
    settled: Admission | None = None

    @property
    def origin(self) -> tuple[str, str, int | None]:
        """Whose health it is, beside the model's."""
        return self.url.scheme, self.url.host, self.url.port


@dataclass(frozen=True, slots=True, repr=False)
class Outbound:
    """A call as it is to be sent: the requests to those who may answer, in order."""

    method: str
    sendings: Sequence[Sending]


@dataclass(frozen=True, slots=True)
class Tried:
    """One try, for the record: which model, where, how it ended, and how long it took (seconds)."""

    number: int
    model: str
    settled: Admission | None
    status: int
    error: str
    seconds: float


Note = Callable[[Tried], None]


class Answer(Protocol):
    """An upstream's answer, as `guard.outside.egress` gives it."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def chunks(self) -> AsyncIterator[bytes]: ...
    async def read(self, limit: int) -> bytes: ...
    async def aclose(self) -> None: ...


Forward = Callable[[Sending], Awaitable[Answer]]
SyncForward = Callable[[Sending, float], httpx2.Response]


class Held:
    """An answer whose beginning was read already; otherwise as the one it came from."""

    def __init__(self, answer: Answer, first: bytes, *, whole: bool) -> None:
        self._answer, self._first, self._whole = answer, first, whole
        self.status, self.headers = answer.status, _final(answer.status, answer.headers)

    @cached_property
    def chunks(self) -> AsyncIterator[bytes]:
        """The answer in pieces; made when asked for, since what reads them holds this."""
        return self._read()

    async def read(self, limit: int) -> bytes:
        """Read the whole body, of `limit` bytes at most."""
        if not self._whole:
            return self._first + await self._answer.read(limit)
        if len(self._first) > limit:
            raise UpstreamError("closed")
        return self._first

    async def aclose(self) -> None:
        """Close the connection if the answer is not at its end."""
        await self._answer.aclose()

    async def _read(self) -> AsyncIterator[bytes]:
        yield self._first
        if not self._whole:
            async for chunk in self._answer.chunks:
                yield chunk


class _HeldStream(httpx2.SyncByteStream):
    """The same for a blocking client."""

    def __init__(self, answer: httpx2.Response, first: bytes, rest: Iterator[bytes]) -> None:
        self._answer, self._first, self._rest = answer, first, rest

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        yield from self._rest

    def close(self) -> None:
        self._answer.close()


class Sender:
    """Sends calls with retries; one for a process, so that it knows how each destination is doing.

    `clock` is steady, `wall` is the time of day, `draw` a random number in [0, 1).
    """

    def __init__(
        self,
        rules: Rules,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        sleep_sync: Callable[[float], Any] = time.sleep,
    ) -> None:
        self._rules = rules
        self._clock, self._wall, self._draw = clock, wall, draw
        self._sleep, self._sleep_sync = sleep, sleep_sync
        self._destinations = Destinations()

    @property
    def deadline_s(self) -> float:
        """How long a call may take until its answer begins."""
        return self._rules.deadline_s

    async def send(self, call: Outbound, forward: Forward, note: Note) -> Held:
        """Send a call until its answer has begun; raises Outage where it was given up, and what `forward` refuses."""
        steps, tries = self._steps(call), 0
        held: Held | None = None
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    await self._sleep(step.seconds)
                    step = steps.send(self._clock())
                    continue
                tries, started = tries + 1, self._clock()
                held, outcome = await self._try(call, step, forward)
                note(_tried(call, step, tries, outcome, started))
                step = steps.send(outcome)
        except StopIteration as stop:
            return _given(stop.value, held)
        finally:
            steps.close()

    def send_sync(self, call: Outbound, forward: SyncForward, note: Note) -> httpx2.Response:
        """Send a call as `send` does, blocking."""
        steps, tries = self._steps(call), 0
        held: httpx2.Response | None = None
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    self._sleep_sync(step.seconds)
                    step = steps.send(self._clock())
                    continue
                tries, started = tries + 1, self._clock()
                held, outcome = self._try_sync(call, step, forward)
                note(_tried(call, step, tries, outcome, started))
                step = steps.send(outcome)
        except StopIteration as stop:
            return _given(stop.value, held)
        finally:
            steps.close()

    def health(self, origin: tuple[str, str, int | None], model: str) -> Health:
        """How a model at a host is doing."""
        return self._destinations.of((origin, model))

    def circuits(self) -> list[tuple[str, str, int]]:
        """The circuit of each model at each host: 0 closed, 1 probing, 2 open."""
        found = self._destinations.states(self._clock())
        return [(origin[1], model, state) for (origin, model), state in found]

    def _steps(self, call: Outbound) -> Steps:
        candidates = [self.health(sending.origin, sending.model) for sending in call.sendings]
        return trying(candidates, self._rules, self._clock(), self._draw)

    def _outcome(self, answer: Any = None, error: str = "", *, spent: bool = False) -> Outcome:
        if answer is None:
            return Outcome(self._clock(), self._wall(), error=error)
        status, headers = _head(answer)
        return Outcome(self._clock(), self._wall(), status, headers, spent=spent)

    async def _try(self, call: Outbound, step: Try, forward: Forward) -> tuple[Held | None, Outcome]:
        answer: Answer | None = None
        try:
            async with asyncio.timeout(step.within_s):
                answer = await forward(call.sendings[step.candidate])
                held = await _begun(answer)
        except TimeoutError:
            failed = "timeout"
        except UpstreamError as failure:
            failed = failure.kind
        except BaseException:
            if answer is not None:
                await answer.aclose()
            raise
        else:
            spent = held.status == 429 and _spent(await held.read(ANSWER_BYTES))
            return held, self._outcome(answer, spent=spent)
        if answer is not None:
            await answer.aclose()
        return None, self._outcome(error=failed)

    def _try_sync(
        self, call: Outbound, step: Try, forward: SyncForward
    ) -> tuple[httpx2.Response | None, Outcome]:
        answer: httpx2.Response | None = None
        try:
            answer = forward(call.sendings[step.candidate], step.within_s)
            held, first = self._begun_sync(answer, self._clock() + step.within_s)
        except httpx2.TransportError as failure:
            if answer is not None:
                answer.close()
            return None, self._outcome(error=_kind(failure))
        except BaseException:
            if answer is not None:
                answer.close()
            raise
        return held, self._outcome(answer, spent=held.status_code == 429 and _spent(first))

    def _begun_sync(self, answer: httpx2.Response, deadline: float) -> tuple[httpx2.Response, bytes]:
        rest = iter(answer.stream)  # type: ignore[arg-type]
        if _streams(answer.status_code, answer.headers.raw):
            first = next(rest, None)
            if first is None:
                raise httpx2.ReadError("the stream ended before it began")
        else:
            first = self._whole_sync(rest, deadline)
            answer.close()
        return _like(answer, first, rest), first

    def _whole_sync(self, chunks: Iterator[bytes], deadline: float) -> bytes:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if len(body) > ANSWER_BYTES:
                raise httpx2.ReadError("the answer is too long")
            if self._clock() > deadline:
                raise httpx2.ReadTimeout("the deadline passed")
        return bytes(body)


async def _begun(answer: Answer) -> Held:
    """Read a whole answer, or the first bytes of a stream."""
    if not _streams(answer.status, answer.headers):
        return Held(answer, await answer.read(ANSWER_BYTES), whole=True)
    first = await anext(answer.chunks, None)
    if first is None:
        raise UpstreamError("closed")
    return Held(answer, first, whole=False)


def _streams(status: int, headers: Headers) -> bool:
    """Whether an answer is a stream whose later bytes are not to be waited for; errors are read whole."""
    kind = next((v for k, v in headers if k.lower() == b"content-type"), b"")
    return 200 <= status < 300 and kind.lower().startswith(b"text/event-stream")


def _final(status: int, headers: Headers) -> Headers:
    """An error that is passed on is final: the caller's own retries would multiply these (case C06)."""
    if status < 400:
        return headers
    return [*((k, v) for k, v in headers if k.lower() != _SHOULD_RETRY), (_SHOULD_RETRY, b"false")]


def _like(answer: httpx2.Response, first: bytes, rest: Iterator[bytes]) -> httpx2.Response:
    return httpx2.Response(
        answer.status_code,
        headers=list(_final(answer.status_code, answer.headers.raw)),
        stream=_HeldStream(answer, first, rest),
        extensions=answer.extensions,
    )


def _head(answer: Any) -> tuple[int, Headers]:
    if isinstance(answer, httpx2.Response):
        return answer.status_code, answer.headers.raw
    return answer.status, answer.headers


def _kind(failure: httpx2.TransportError) -> str:
    """The word of an UpstreamError for a failure of the blocking transport."""
    if isinstance(failure, httpx2.ConnectError | httpx2.ConnectTimeout):
        return "connect"
    if isinstance(failure, httpx2.ProxyError):
        return "proxy"
    return "timeout" if isinstance(failure, httpx2.TimeoutException) else "closed"


def _spent(body: bytes) -> bool:
    """Whether a 429 says that the account's money is used up: no waiting helps."""
    try:
        error = orjson.loads(body).get("error")
    except (orjson.JSONDecodeError, AttributeError):
        return False
    return isinstance(error, dict) and (error.get("code") in _SPENT or error.get("type") in _SPENT)


def _tried(call: Outbound, step: Try, number: int, outcome: Outcome, started: float) -> Tried:
    sending = call.sendings[step.candidate]
    return Tried(
        number, sending.name, sending.settled, outcome.status, outcome.error, max(0.0, outcome.now - started)
    )


def _given(ended: Ended, held: _T | None) -> _T:
    """The answer, or an Outage that says how often it was tried and how the last try ended."""
    if not ended.code:
        if held is None:
            assert ended.outcome is not None
            raise UpstreamError(ended.outcome.error)
        return held
    last = ended.outcome
    status, how = 503, "the circuit to the provider is open after too many failures"
    if ended.code == "retries_exhausted" and last is not None:
        status = last.status or (504 if last.error == "timeout" else 502)
        how = f"the provider failed ({last.status or last.error}) and was tried {_times(ended.tries)}"
    raise Outage(ended.code, how, status=status, retry_after_s=ended.retry_after_s)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def keyed(headers: Headers) -> Headers:
    """The headers with an idempotency key: the caller's, or a new one, so that a retry is known as such."""
    if any(name == b"idempotency-key" for name, _ in headers):
        return headers
    return [*headers, (b"idempotency-key", f"guard-{uuid.uuid4()}".encode())]
