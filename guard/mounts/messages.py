"""ASGI messages: a request's body in, whole answers and the ends of broken streams out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from guard.call import Reply
from guard.errors import BadRequest, Refused
from guard.outside.egress import UpstreamError
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


class ClientLeft(Exception):
    """The client closed the connection before its request was whole, or its answer."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """Read a whole request body; raises BadRequest 413 above the limit, ClientLeft where it never ends."""
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


def failure_event(failure: Exception) -> bytes:
    """The last event of a stream that cannot go on: an error in the API's form; no `[DONE]` follows."""
    if isinstance(failure, UpstreamError):
        return refusal.error_event(f"upstream_{failure.kind}", str(failure))
    if isinstance(failure, BadRequest | Refused):
        return refusal.error_event(failure.code, failure.message)
    return refusal.error_event(FAILED, sentence(FAILED, "", Stage.OUTPUT))
