"""The simulated provider for benchmarks: a bare ASGI app that sends prepared bytes and records nothing."""

from __future__ import annotations

import asyncio

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from guard.simulator.answers import event_bytes
from guard.simulator.chat import chunks, completion
from guard.simulator.responses import events, response
from guard.simulator.scores import TRIGGERS, inputs, moderation
from guard.simulator.script import Script

_JSON = [(b"content-type", b"application/json")]
_EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8")]
_STREAMED = (b'"stream":true', b'"stream": true')


def create_fast_app(text: str, *, chunk: int = 20, pause_s: float = 0.0) -> ASGIApp:
    """Make an app that answers every chat and Responses request with `text`, streams in deltas of `chunk`
    characters, `pause_s` seconds apart, and moderation requests with low scores."""
    script = Script(reply=lambda body: text, chunk=chunk)
    whole = {
        "/v1/chat/completions": orjson.dumps(completion({}, script)),
        "/v1/responses": orjson.dumps(response({}, script)),
    }
    streams = {
        "/v1/chat/completions": [*map(event_bytes, chunks({}, script)), b"data: [DONE]\n\n"],
        "/v1/responses": [event_bytes(event) for event in events({}, script)],
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is simulated")
        path, body = scope["path"], await _body(receive)
        if path == "/v1/moderations":
            await _send(send, _moderation(body))
        elif path not in whole:
            await _send(send, b'{"error": {"message": "not simulated"}}', 404)
        elif any(mark in body for mark in _STREAMED):
            await _send_all(send, streams[path], pause_s)
        else:
            await _send(send, whole[path])

    return app


def _moderation(body: bytes) -> bytes:
    texts = inputs(orjson.loads(body)["input"])
    return orjson.dumps(moderation({"input": texts}, TRIGGERS, "modr-simulated"))


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def _send(send: Send, body: bytes, status: int = 200) -> None:
    headers = [*_JSON, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_all(send: Send, pieces: list[bytes], pause_s: float) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        if pause_s:
            await asyncio.sleep(pause_s)
    await send({"type": "http.response.body", "body": b""})
