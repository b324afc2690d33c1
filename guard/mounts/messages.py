"""ASGI messages: a request's body in, whole answers and the ends of broken streams out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping, Sequence
from typing import Any

from guard.errors import BadRequest, Refused
from guard.outside.egress import UpstreamError
from guard.refusals import Reply, type_of
from guard.sentences import sentence
from guard.types import Stage
from guard.wire import refusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

FAILED = "guard.unavailable.detect"
"""The code of a failure of guard itself, in whichever check (case A20)."""

AMBIGUOUS = "ambiguous_length"


class ClientLeft(Exception):
    """The client closed the connection before its request was whole, or its answer."""


async def read_body(scope: Scope, receive: Receive, limit: int, seconds: float) -> bytes:
    """Read a whole request body.

    Raises BadRequest 400 where its length is told in two ways, 413 above the limit, 408 where it takes longer
    than `seconds`, and ClientLeft where it never ends.
    """
    check_framing(scope["headers"])
    reading = _read(receive, limit)
    try:
        waits = reading.send(None)
    except StopIteration as whole:  # as nearly all bodies are when their request is taken: no timer
        return whole.value  # type: ignore[no-any-return]
    try:
        async with asyncio.timeout(seconds):
            return await _Begun(reading, waits)
    except TimeoutError:
        pass
    raise BadRequest(
        408, "request_timeout", f"the body was not whole after {seconds:g} seconds (GUARD_BODY_TIMEOUT_S)"
    )


class _Begun:
    """A coroutine that was begun by hand, and waits: awaited, it goes on."""

    def __init__(self, coroutine: Coroutine[Any, Any, bytes], waits: Any) -> None:
        self._coroutine, self._waits = coroutine, waits

    def __await__(self) -> Generator[Any, Any, bytes]:
        waits, step = self._waits, self._coroutine.send
        try:
            while True:
                try:
                    came = yield waits
                except BaseException as failure:
                    waits = self._coroutine.throw(failure)
                else:
                    waits = step(came)
        except StopIteration as whole:
            return whole.value  # type: ignore[no-any-return]


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BadRequest(
                413, "body_too_large", f"the body is larger than {limit} bytes (GUARD_MAX_BODY_BYTES)"
            )
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def check_framing(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Refuse what two servers could cut into two requests (RFC 9112, section 6.1; cases A37, A38), and two callers."""
    length = callers = 0
    for name, value in headers:
        if name == b"content-length":
            length += 1
        elif name == b"authorization":
            callers += 1
        elif name == b"transfer-encoding":
            length += 1 if value.strip().lower() == b"chunked" else 2
    if length > 1:
        raise BadRequest(400, AMBIGUOUS, "send Content-Length or Transfer-Encoding: chunked, once")
    if callers > 1:
        raise BadRequest(400, "repeated_header", "send authorization once")


def closing(error: Exception, reply: Reply, scope: Scope) -> Reply:
    """The refusal of a request of which more may follow: on HTTP/1.1 its connection ends."""
    last = isinstance(error, BadRequest) and error.code in (AMBIGUOUS, "request_timeout")
    if not last or not scope.get("http_version", "1.1").startswith("1"):
        return reply
    return Reply(reply.status, reply.body, (*reply.headers, (b"connection", b"close")))


async def send_reply(send: Send, reply: Reply) -> None:
    """Send a whole answer."""
    headers = [*reply.headers, (b"content-length", str(len(reply.body)).encode())]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def close_websocket(receive: Receive, send: Send) -> None:
    """Refuse a websocket: its messages are not screened (case A15)."""
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": "guard does not screen websockets"})


def failed() -> Refused:
    """The refusal of a request while guard itself failed."""
    return Refused(FAILED, "a check could not run, so nothing was let through; try again later", status=503)


def failure_event(failure: Exception, letter: str = "") -> bytes:
    """The last event of a stream that cannot go on: an error in the API's form; no `[DONE]` follows.

    `letter` is the dead letter under which the call is kept: the headers, which name those of others, are gone.
    """
    if isinstance(failure, UpstreamError):
        kept = f"; the call is kept: guard letters show {letter}" if letter else ""
        return refusal.error_event(f"upstream_{failure.kind}", f"{failure}{kept}", "upstream_error")
    if isinstance(failure, BadRequest | Refused):
        return refusal.error_event(failure.code, failure.message, type_of(failure))
    return refusal.error_event(FAILED, sentence(FAILED, "", Stage.OUTPUT))
