"""Mount (a): pure ASGI middleware on an existing application. What it does not guard passes byte for byte."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from guard.call import ANSWER_BYTES, Call, Reply, refuse
from guard.doors import CallDoors
from guard.errors import BadRequest, GuardError, Refused
from guard.guard import Guard, current_exchange
from guard.mounts import routes
from guard.mounts.transport import header, incoming, own
from guard.policy.decide import judges
from guard.policy.model import Policy
from guard.services.drivers import drive, drive_stream
from guard.trace import spans
from guard.types import Identity

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Identify = Callable[[Scope], Identity]

log = logging.getLogger("guard")


class ClientLeft(Exception):
    """The client closed the connection before its request was whole."""


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


class GuardMiddleware:
    """Guard the known model-API paths of an application, and the routes that its policy names.

    `identify` says who calls, from the ASGI scope. `inner=True` says that every model call of the application
    goes through a guarded client (as `guard.install` sees to): the input is then screened for blocks here, and
    redacted and restored there.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        policy: str | Path | Policy = "default",
        identify: Identify | None = None,
        guard: Guard | None = None,
        inner: bool = False,
    ) -> None:
        self.app = app
        self.guard = guard or Guard.from_policy(policy)
        self._identify = identify
        self._inner = inner
        self._routes = routes.compile_routes(self.guard.policy)
        self._checked = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            return await self._lifespan(scope, receive, send)
        path, route = self._guarded(scope)
        if path is None:
            return await self.app(scope, receive, send)
        if scope["type"] == "websocket":
            return await _close_websocket(receive, send)
        await self._check(scope)
        await _Responder(self, scope, receive, send, path, route).respond()

    def _guarded(self, scope: Scope) -> tuple[str | None, routes.Route | None]:
        """The path to screen this connection as, or None where it passes."""
        if scope["type"] not in ("http", "websocket"):
            return None, None
        method = scope.get("method", "GET")
        for path in routes.paths(scope):
            route = routes.match(self._routes, method, path)
            if route is not None:
                return path, route
            if routes.model_endpoint(method, path) is not None:
                return path, None
        return None, None

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watch() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._check(scope)
            return message

        try:
            await self.app(scope, watch, send)
        except GuardError as failure:
            log.error("guard cannot start: %s", failure)
            await send({"type": "lifespan.startup.failed", "message": str(failure)})

    async def _check(self, scope: Scope) -> None:
        """Once: say which routes are unguarded, and ask whether the judge is there."""
        if self._checked:
            return
        self._checked = True
        unguarded = routes.unguarded(scope.get("app"), self._routes)
        inner = (
            "" if self._inner else "; the app's own model calls are guarded only if they use guarded_client()"
        )
        log.warning("guard: policy %s; unguarded routes: %s%s", self.guard.policy.policy, unguarded, inner)
        if self._inner and not self.guard.default_moderation()[1]:
            return  # the inner client's own host and key judge; they are known at its first call
        try:
            await self.guard.check_moderation()
        except GuardError:
            self._checked = False
            raise


async def _close_websocket(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": "guard does not screen websockets"})


class _Responder:
    """The state of one guarded request."""

    def __init__(
        self,
        mount: GuardMiddleware,
        scope: Scope,
        receive: Receive,
        send: Send,
        path: str,
        route: routes.Route | None,
    ) -> None:
        self.mount = mount
        self.guard = mount.guard
        self.scope = scope
        self.receive = receive
        self.send = send
        who = mount._identify(scope) if mount._identify else Identity()
        self.exchange = self.guard.open_exchange(who)
        self.exchange.stacked = mount._inner
        parent = spans.remote_parent(scope["headers"])
        self.call = Call(
            self.guard,
            "edge",
            scope["method"],
            path,
            self.exchange,
            route=(route.input, route.output) if route else None,
            parent=parent,
            change=not mount._inner,
        )
        self._replayed = False
        self._start: Message | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._queue: asyncio.Queue[bytes | None] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._sent = False
        self._passing = False

    def doors(self) -> CallDoors:
        """Detection, the ledger, and moderation: as the settings name it, else where the inner call's was."""
        moderation = None
        if judges(self.guard.policy):
            named = self.guard.default_moderation()
            inner = self.exchange.judge if self.mount._inner and not named[1] else None
            moderation = self.guard.moderation(*(inner or named), sync=False)
        return CallDoors(self.guard, moderation, self.call.parent)

    async def respond(self) -> None:
        """Read, screen, replay to the application, screen what it answers."""
        try:
            body = await read_body(self.receive, self.guard.limits.body_bytes)
            prepared = await drive(self.call.open(self.scope["headers"], body), self.doors())
        except ClientLeft:
            return self.call.left()
        except (Refused, BadRequest) as refusal:
            return await send_reply(self.send, own(refuse(refusal), self.call))
        except Exception as failure:
            return await self._fail_closed(failure)
        self._body = prepared.body
        token = current_exchange.set(self.exchange)
        try:
            with self.call.parent.current():
                await self.mount.app(self._rewritten(body), self._replay, self._take)
        except BaseException:
            self._abandon()
            raise
        finally:
            self.exchange.closed = True
            current_exchange.reset(token)
        if not self._sent and self._pump is None:
            self._abandon()

    async def _fail_closed(self, failure: Exception) -> None:
        """guard itself failed: the original goes nowhere (case A20)."""
        log.error("guard failed while screening a request: %s", type(failure).__name__)
        self.call.finish(None, error=type(failure).__name__)
        refusal = Refused("guard.unavailable.detect", "a check of the request could not run", status=503)
        await send_reply(self.send, own(refuse(refusal), self.call))

    def _rewritten(self, body: bytes) -> Scope:
        dropped: tuple[bytes, ...] = (
            b"content-length",
            b"transfer-encoding",
            b"content-encoding",
            b"accept-encoding",
        )
        if self._body == body and not header(self.scope["headers"], b"transfer-encoding"):
            dropped = (b"accept-encoding",)
        headers = [(k, v) for k, v in self.scope["headers"] if k.lower() not in dropped]
        if b"content-length" in dropped and (self._body or body):
            headers.append((b"content-length", str(len(self._body)).encode()))
        return {**self.scope, "headers": headers}

    async def _replay(self) -> Message:
        """Give the screened body once, then whatever really comes (case A03)."""
        if not self._replayed:
            self._replayed = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        return await self.receive()

    async def _take(self, message: Message) -> None:
        """Take what the application sends."""
        if message["type"] == "http.response.start":
            self._start = dict(message)
            self._start["headers"] = list(message.get("headers", []))
            return
        if message["type"] != "http.response.body" or self._start is None or self._sent:
            return
        if self.call.route is not None and self.call.route[1] == ():
            return await self._pass(message)
        if self._queue is None and self._is_stream():
            self._open_stream()
        data, more = message.get("body", b""), message.get("more_body", False)
        if self._queue is not None:
            return await self._push(data, more)
        await self._buffer(data, more)

    async def _pass(self, message: Message) -> None:
        """Pass an answer in which the policy names no texts, byte for byte."""
        if not self._passing:
            assert self._start is not None
            self._passing = True
            extra = [(b"x-guard-action", self.call.action.word.encode())]
            extra.append((b"x-guard-trace", self.call.trace_id.encode()))
            await self.send({**self._start, "headers": [*self._start["headers"], *extra]})
        await self.send(message)
        if not message.get("more_body", False):
            self._sent = True
            assert self._start is not None
            self.call.finish(None, status=self._start["status"])

    def _is_stream(self) -> bool:
        assert self._start is not None
        kind = header(self._start["headers"], b"content-type").lower()
        encoded = header(self._start["headers"], b"content-encoding")
        return (
            kind.startswith(b"text/event-stream")
            and not encoded
            and self.call.route is None
            and 200 <= self._start["status"] < 300
        )

    async def _buffer(self, data: bytes, more: bool) -> None:
        self._size += len(data)
        if self._size > ANSWER_BYTES:
            self._parts = []
            return await self._refuse(
                Refused("guard.opaque.encoding", "the answer is too large to screen", status=502)
            )
        self._parts.append(data)
        if more:
            return
        assert self._start is not None
        status, headers = self._start["status"], self._start["headers"]
        try:
            reply = await drive(self.call.answer(status, headers, b"".join(self._parts)), self.doors())
        except Refused as refusal:
            return await self._refuse(refusal)
        except BadRequest as bad:
            return await self._refuse(
                Refused("guard.opaque.encoding", f"the answer cannot be screened: {bad.message}", status=502)
            )
        except Exception as failure:
            self._sent = True
            return await self._fail_closed(failure)
        self._sent = True
        await send_reply(self.send, Reply(status, reply.body, incoming(headers, self.call)))

    async def _refuse(self, refusal: Refused) -> None:
        self._sent = True
        self.call.finish(None, error=refusal.code)
        await send_reply(self.send, own(refuse(refusal), self.call))

    def _open_stream(self) -> None:
        self._queue = asyncio.Queue(maxsize=1)
        self._pump = asyncio.create_task(self._send_stream())

    async def _push(self, data: bytes, more: bool) -> None:
        """Hand a chunk to the gate; wait where it is full, and for the end of the stream."""
        assert self._queue is not None
        assert self._pump is not None
        for item in (data, *(() if more else (None,))):
            put = asyncio.ensure_future(self._queue.put(item))
            await asyncio.wait({put, self._pump}, return_when=asyncio.FIRST_COMPLETED)
            if self._pump.done():
                put.cancel()
                break
        if not more:
            self._sent = True
            await self._pump

    async def _chunks(self) -> AsyncIterator[bytes]:
        assert self._queue is not None
        while (item := await self._queue.get()) is not None:
            yield item

    async def _send_stream(self) -> None:
        assert self._start is not None
        gate = self.call.gate()
        error = "truncated"
        start = {**self._start, "headers": list(incoming(self._start["headers"], self.call))}
        try:
            await self.send(start)
            async for data in drive_stream(gate, self._chunks(), self.doors()):
                await self.send({"type": "http.response.body", "body": data, "more_body": True})
            error = "" if gate.complete else "truncated"
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})
        except asyncio.CancelledError:
            error = "client_left"
            raise
        finally:
            self.call.finish_stream(gate, error)

    def _abandon(self) -> None:
        """The application raised or never answered: nothing that was cut may look complete (case A19)."""
        if self._pump is not None and not self._pump.done():
            self._pump.cancel()
        self.call.finish(None, error="app_error")
