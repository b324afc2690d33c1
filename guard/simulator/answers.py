"""How the simulated provider's answers go over the wire: whole, in pieces, compressed, cut short, or wrong."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from guard.simulator.script import Headers, Script, last_text

JSON = b"application/json"
EVENTS = b"text/event-stream; charset=utf-8"
_ERRORS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


class Answer:
    """An ASGI answer in pieces. `keep` is the share of them that is sent; `cut` drops the connection there."""

    def __init__(
        self,
        pieces: Sequence[bytes],
        script: Script,
        *,
        status: int = 200,
        content_type: bytes = JSON,
        headers: Headers | None = None,
        keep: float = 1.0,
        cut: bool = False,
    ) -> None:
        self._script = script
        self._status = status
        self._streamed = content_type == EVENTS
        self._cut = cut
        self._headers = [(b"content-type", content_type), (b"x-simulated", b"true"), *(headers or ())]
        self._pieces = self._shape(pieces, keep)
        if not self._streamed:
            self._headers.append((b"content-length", str(sum(map(len, self._pieces))).encode()))
        if cut:
            self._pieces = self._pieces[: max(1, len(self._pieces) // 2)]

    def add(self, headers: Headers) -> Answer:
        """Send these headers too."""
        self._headers += headers
        return self

    def _shape(self, pieces: Sequence[bytes], keep: float) -> list[bytes]:
        kept = list(pieces)
        if keep < 1.0:
            whole = b"".join(kept)
            kept = [whole[: int(len(whole) * keep)]]
        if self._script.gzip:
            self._headers.append((b"content-encoding", b"gzip"))
            kept = list(_compressed(kept))
        size = self._script.recut or (4 if self._cut and not self._streamed else 0)
        return list(_recut(kept, size)) if size else kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if self._streamed and self._script.pause_s:
                await asyncio.sleep(self._script.pause_s)
        if not self._cut:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class Hang:
    """An answer that never comes: it ends when the client leaves."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


def whole(value: Any, script: Script, **changes: Any) -> Answer:
    """A JSON answer."""
    return Answer([orjson.dumps(value)], script, **changes)


def stream(events: Iterable[dict[str, Any]], script: Script, *, done: bool, **changes: Any) -> Answer:
    """Server-sent events, each its own piece; named by their `type` where they have one, then `[DONE]`."""
    pieces = [event_bytes(event) for event in events]
    if done:
        pieces.append(b"data: [DONE]\n\n")
    headers = [(b"cache-control", b"no-cache")]
    return Answer(pieces, script, content_type=EVENTS, headers=headers, **changes)


def error(status: int, message: str, script: Script) -> Answer:
    """The API's error envelope."""
    kind, code = _ERRORS.get(status, ("server_error", None))
    headers = list(script.error_headers) or ([(b"retry-after", b"1")] if status == 429 else [])
    body = {"error": {"message": message, "type": kind, "param": None, "code": script.error_code or code}}
    return whole(body, script, status=status, headers=headers)


def broken(fault: str, body: dict[str, Any], script: Script) -> Answer | Hang | None:
    """The answer of a fault that needs no real one; None for the faults that spoil a real answer."""
    if fault.isdigit():
        return error(int(fault), f"simulated failure {fault}", script)
    if fault == "hang":
        return Hang()
    if fault == "bad_json":
        return Answer([b'{"id": "simulated", "choices": ['], script)
    if fault == "html":
        return Answer(
            [b"<html><body>Bad gateway (simulated)</body></html>"], script, content_type=b"text/html"
        )
    if fault == "redirect":
        return whole({}, script, status=307, headers=[(b"location", script.redirect_to.encode())])
    if fault == "echo":
        return error(400, f"Invalid prompt: {last_text(body)}", script)
    return None


def event_bytes(event: dict[str, Any]) -> bytes:
    """One server-sent event, named by its `type` where it has one."""
    name = b"event: " + event["type"].encode() + b"\n" if "type" in event else b""
    return name + b"data: " + orjson.dumps(event) + b"\n\n"


def _compressed(pieces: Sequence[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for piece in pieces:
        yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


def _recut(pieces: Sequence[bytes], size: int) -> Iterator[bytes]:
    whole = b"".join(pieces)
    return (whole[at : at + size] for at in range(0, len(whole), size))
