"""Floor 6, forwarding: how all three mounts let a request's body go on. Each way takes it `Cleared`, never as bytes."""

from __future__ import annotations

from collections.abc import Coroutine, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from guard.call import Call
    from guard.clearance import Cleared
    from guard.outside.egress import Answer
    from guard.outside.upstream import Timeouts
    from guard.types import Admission

Headers = Sequence[tuple[bytes, bytes]]


def forward(
    call: Call,
    url: httpx2.URL,
    headers: Headers,
    cleared: Cleared,
    timeouts: Timeouts | None,
    settled: Admission | None = None,
) -> Coroutine[Any, Any, Answer]:
    """Send a request to its provider, or to another for whom `settled` says what was decided, through the gate."""
    decided = settled or call.admission
    return call.guard.egress.forward(call.method, url, headers, cleared.body, timeouts, decided)


def forward_sync(
    call: Call,
    like: httpx2.Request,
    headers: Headers,
    cleared: Cleared,
    settled: Admission | None = None,
) -> httpx2.Response:
    """Send a blocking client's request to where `like` goes, within its time limits, through the gate."""
    body = cleared.body
    fields = [(k, v) for k, v in headers if k != b"content-length"]
    return call.guard.blocking.handle_request(
        httpx2.Request(
            like.method,
            like.url,
            headers=[*fields, (b"content-length", b"%d" % len(body))],
            content=body,
            extensions={**like.extensions, "settled": settled or call.admission},
        )
    )


def to_application(cleared: Cleared | None) -> MutableMapping[str, Any]:
    """The ASGI message that gives an application its request's body; None for a request without one."""
    body = b"" if cleared is None else cleared.body
    return {"type": "http.request", "body": body, "more_body": False}
