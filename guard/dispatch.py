"""Floor 6, what stands between a screened call and the door: retries. Made only where a policy asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx2

from guard.outside.upstream import Timeouts
from guard.traffic.sending import Headers, Held, Note, Outbound, Sender, Tried, keyed

if TYPE_CHECKING:
    from guard.call import Call, Prepared
    from guard.outside.egress import Answer
    from guard.policy.traffic import Traffic

Forwarded = Callable[[str, httpx2.URL, Headers, bytes, Timeouts | None], Awaitable[Any]]


class Dispatch:
    """Sends screened calls as a policy's `traffic` says. Thread-safe; one for a guard."""

    def __init__(self, traffic: Traffic) -> None:
        self.sender = Sender(traffic.retries)

    def forwarder(self, call: Call, prepared: Prepared) -> Forwarded:
        """What forwards this call: the egress itself for an endpoint that guard does not read."""
        egress = call.guard.egress
        if call.unscreened:
            return egress.forward

        async def forward(
            method: str, url: httpx2.URL, headers: Headers, body: bytes, timeouts: Timeouts | None
        ) -> Held:
            async def once(fields: Headers, sent: bytes) -> Answer:
                return await egress.forward(method, url, fields, sent, timeouts)

            return await self.sender.send(_outbound(method, url, headers, prepared), once, _note(call))

        return forward

    def send_sync(
        self,
        call: Call,
        prepared: Prepared,
        request: httpx2.Request,
        send: Callable[[httpx2.Request], httpx2.Response],
    ) -> httpx2.Response:
        """Send a blocking client's request."""
        if call.unscreened:
            return send(request)

        def once(fields: Headers, body: bytes, within_s: float) -> httpx2.Response:
            return send(_again(request, fields, body, within_s))

        headers = [(k.lower(), v) for k, v in request.headers.raw]
        outbound = _outbound(request.method, request.url, headers, prepared)
        return self.sender.send_sync(outbound, once, _note(call))


def _outbound(method: str, url: httpx2.URL, headers: Headers, prepared: Prepared) -> Outbound:
    origin = (url.scheme, url.host, url.port)
    fields = keyed(headers) if method == "POST" else headers
    return Outbound(method, origin, fields, ((prepared.model, prepared.body),))


def _note(call: Call) -> Note:
    def note(tried: Tried) -> None:
        call.tried(tried.number, tried.model, tried.status, tried.error, tried.seconds)

    return note


def _again(request: httpx2.Request, fields: Headers, body: bytes, within_s: float) -> httpx2.Request:
    """The request once more, each of its waits cut to the time that is left."""
    asked = request.extensions.get("timeout", {})
    waits = {
        name: min(within_s, asked.get(name) or within_s) for name in ("connect", "read", "write", "pool")
    }
    headers = [(k, v) for k, v in fields if k != b"content-length"]
    return httpx2.Request(
        request.method,
        request.url,
        headers=[*headers, (b"content-length", str(len(body)).encode())],
        content=body,
        extensions={**request.extensions, "timeout": waits},
    )
