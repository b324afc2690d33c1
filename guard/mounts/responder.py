"""One guarded request on an application: its body in, the application's answer out, both screened."""

from __future__ import annotations

import logging
from functools import partial

from guard.answers import Headers
from guard.call import Call
from guard.clearance import Cleared
from guard.doors import CallDoors
from guard.engine import Exchange
from guard.errors import BadRequest, Refused
from guard.forwarding import to_application
from guard.guard import Guard, current_exchange
from guard.judging import Moderation
from guard.mounts.messages import (
    ASGIApp,
    ClientLeft,
    Message,
    Receive,
    Scope,
    Send,
    closing,
    failed,
    read_body,
    send_reply,
)
from guard.mounts.pump import Pump
from guard.mounts.routes import BODILESS, Target
from guard.mounts.transport import header, incoming, own
from guard.outside.upstream import ANSWER_BYTES
from guard.policy.decide import judges
from guard.refusals import Reply, refuse
from guard.services.drivers import drive
from guard.trace import spans
from guard.types import Action, Identity

log = logging.getLogger("guard")

# Of the request: what is true only of the bytes that came.
_CODED = (b"content-length", b"transfer-encoding", b"content-encoding")
# Of the answer: what is true only of the bytes that guard has changed (case A08), and guard's own headers.
_OF_BYTES = frozenset(
    b"content-encoding transfer-encoding etag content-md5 digest repr-digest content-digest accept-ranges"
    b" last-modified trailer".split()
)
_OWN = frozenset((b"content-length", b"x-guard-action", b"x-guard-trace"))


class Responder:
    """The state of one guarded request."""

    def __init__(
        self,
        app: ASGIApp,
        guard: Guard,
        scope: Scope,
        receive: Receive,
        send: Send,
        target: Target,
        who: Identity,
        *,
        inner: bool,
    ) -> None:
        self.app = app
        self.guard = guard
        self.scope = scope
        self.receive = receive
        self.send = send
        self.inner = inner
        self.exchange = guard.open_exchange(who)
        self.exchange.stacked = inner
        route = target.route
        self.call = Call(
            guard,
            "edge",
            _method(scope, target),
            target.path,
            self.exchange,
            route=(route.input, route.output) if route else None,
            parent=spans.remote_parent(scope["headers"]),
            change=not inner,
        )
        self.call.defers = True
        self._cleared: Cleared | None = None
        self._replayed = False
        self._left = False
        self._start: Message | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._pump: Pump | None = None
        self._untouched = route is not None and not route.output
        self._passing = False
        self._sent = False

    def doors(self) -> CallDoors:
        """Detection, the ledger, and moderation: as the settings name it, else where the inner call's was."""
        judge = partial(_judge, self.exchange, self.inner)
        return CallDoors(self.call, judge, self.call.parent, self.call.tenant)

    async def respond(self) -> None:
        """Read, screen, replay to the application, screen what it answers; write what came of it."""
        try:
            scope = await self._admitted()
            if scope is self.scope:
                await self.app(scope, self._replay, self.send)
            elif scope is not None:
                await self._run(scope)
        finally:
            self.call.write_outcome()

    async def _admitted(self) -> Scope | None:
        """The scope for the application: as it came where nothing is to screen, None where a refusal was sent."""
        try:
            settings = self.guard.settings
            limits = self.guard.limits.body_bytes, settings.body_timeout_s
            body = await read_body(self.scope, self.receive, *limits)
        except ClientLeft:
            self.call.left()
            return None
        except BadRequest as bad:
            await self._end(bad)
            return None
        if not body and self.scope["method"].upper() in BODILESS:
            return self.scope
        try:
            prepared = await drive(self.call.open(self.scope["headers"], body), self.doors())
        except (Refused, BadRequest) as refusal:
            await self._refuse(refusal)
        except Exception as failure:
            await self._fail_closed(failure)
        else:
            self._cleared = prepared.body
            return self._rewritten(body, prepared.body.body, prepared.content_type.encode())
        return None

    async def _run(self, scope: Scope) -> None:
        token = current_exchange.set(self.exchange)
        try:
            with self.call.parent.current():
                await self.app(scope, self._replay, self._take)
        except Exception:
            await self._abandon("app_error")
            if self._pump is None or not self._pump.stopped:
                raise
        except BaseException:
            await self._abandon("client_left")
            raise
        finally:
            self.exchange.closed = True
            current_exchange.reset(token)
        if not self._sent:
            await self._abandon("client_left" if self._left else "app_error")

    def _rewritten(self, body: bytes, screened: bytes, content_type: bytes) -> Scope:
        """The scope as it fits the screened body; the application answers in plain messages, uncompressed."""
        headers = self.scope["headers"]
        if content_type:
            kept = [(k, v) for k, v in headers if k.lower() != b"content-type"]
            headers = [*kept, (b"content-type", content_type)]
        if screened != body or header(headers, b"transfer-encoding"):
            headers = [(k, v) for k, v in headers if k.lower() not in _CODED]
            if screened or body:
                headers.append((b"content-length", b"%d" % len(screened)))
        if self._untouched:
            return {**self.scope, "headers": headers}
        headers = [(k, v) for k, v in headers if k.lower() != b"accept-encoding"]
        return {**self.scope, "headers": headers, "extensions": {}}

    async def _replay(self) -> Message:
        """Give the screened body once, then whatever really comes (case A03)."""
        if not self._replayed:
            self._replayed = True
            return to_application(self._cleared)
        message = await self.receive()
        self._left = self._left or message["type"] == "http.disconnect"
        return message

    async def _take(self, message: Message) -> None:
        """Take what the application sends; the outcome waits for no task that runs in the background after it."""
        await self._taken(message)
        if self._sent:
            self.call.write_outcome()

    async def _taken(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = {**message, "headers": list(message.get("headers", []))}
            return await self._begin(self._start)
        if message["type"] != "http.response.body" or self._start is None or self._sent:
            return
        if self._untouched:
            return await self._pass(self._start, message)
        if self._pump is None and self._is_stream(self._start):
            start = {**self._start, "headers": list(self._headers(same=False))}
            self._pump = Pump(self.call, self.doors(), start, self.send)
        data, more = message.get("body", b""), message.get("more_body", False)
        if self._pump is None:
            return await self._buffer(data, more)
        try:
            await self._pump.push(data, more)
        finally:
            self._sent = self._sent or self._pump.stopped or not more

    async def _begin(self, start: Message) -> None:
        """Decide at its first line about an answer that nobody can read: it may be large, or never end."""
        what = self.call.unreadable(start["status"], start["headers"])
        if what and not self._untouched:
            refusal = self.call.pass_unread(what)
            if refusal is None:
                self._untouched = True
            else:
                await self._refuse(refusal)

    def _is_stream(self, start: Message) -> bool:
        kind = header(start["headers"], b"content-type").lower()
        encoded = header(start["headers"], b"content-encoding")
        return (
            kind.startswith(b"text/event-stream")
            and not encoded
            and self.call.route is None
            and 200 <= start["status"] < 300
        )

    async def _pass(self, start: Message, message: Message) -> None:
        """Pass an answer in which the policy names no texts, byte for byte."""
        if not self._passing:
            self._passing = True
            await self.send({**start, "headers": [*start["headers"], *self._marks()]})
        await self.send(message)
        if not message.get("more_body", False):
            self._sent = True
            self._finish("" if start["status"] < 400 else str(start["status"]))

    # a whole answer

    async def _buffer(self, data: bytes, more: bool) -> None:
        self._size += len(data)
        if self._size > ANSWER_BYTES:
            self._parts = []
            return await self._end(_unreadable("it is too large"))
        self._parts.append(data)
        if more:
            return
        assert self._start is not None
        status, headers = self._start["status"], self._start["headers"]
        body = b"".join(self._parts)
        try:
            reply = await self._screened(status, headers, body)
        except Refused as refusal:
            return await self._end(refusal)
        except BadRequest as bad:
            return await self._end(_unreadable(bad.message))
        except Exception as failure:
            return await self._fail_closed(failure)
        self._sent = True
        kept = self._headers(same=reply.body == body, written=reply.headers)
        await send_reply(self.send, Reply(status, reply.body, kept))

    async def _screened(self, status: int, headers: Headers, body: bytes) -> Reply:
        if body:
            return await drive(self.call.answer(status, headers, body), self.doors())
        self.call.finish(None, status=status)  # a redirect, a 204: nothing to screen
        return Reply(status, b"")

    def _headers(self, *, same: bool, written: Headers = ()) -> tuple[tuple[bytes, bytes], ...]:
        """The application's headers that are still true of the bytes that leave, and those that guard wrote."""
        assert self._start is not None
        dropped = {*_OWN, *(k for k, _ in written)} | (set() if same else _OF_BYTES)
        kept = [(k, v) for k, v in self._start["headers"] if k.lower() not in dropped]
        return (*kept, *written, *self._marks())

    def _marks(self) -> tuple[tuple[bytes, bytes], ...]:
        return incoming((), self.call)

    async def _refuse(self, refusal: Refused | BadRequest) -> None:
        self._sent = True
        self.call.action = Action.BLOCK
        await send_reply(self.send, closing(refusal, own(refuse(refusal), self.call), self.scope))

    async def _end(self, refusal: Refused | BadRequest) -> None:
        self._finish(refusal.code)
        await self._refuse(refusal)

    async def _fail_closed(self, failure: Exception) -> None:
        """guard itself failed: nothing goes anywhere (case A20)."""
        log.error("guard failed while screening: %s", type(failure).__name__)
        self._finish(type(failure).__name__)
        await self._refuse(failed())

    def _finish(self, error: str) -> None:
        try:
            self.call.finish(None, error=error)
        except Exception as failure:  # the refusal must still go out
            log.error("the outcome of a call is not on record: %s", type(failure).__name__)

    async def _abandon(self, error: str) -> None:
        """The application raised, or its client left: nothing that was cut may look complete (case A19)."""
        if self._pump is not None:
            await self._pump.cancel(error)
        self._finish(error)


def _judge(exchange: Exchange, inner: bool, guard: Guard) -> Moderation | None:
    if not judges(guard.policy):
        return None
    named = guard.default_moderation()
    inside = exchange.judge if inner and not named[1] else None
    judge: Moderation = guard.moderation(*(inside or named), sync=False)
    return judge


def _method(scope: Scope, target: Target) -> str:
    """The method to screen as: a HEAD or OPTIONS with a body may be anything to the application."""
    method = str(scope["method"]).upper()
    return "POST" if target.route is None and method in BODILESS else method


def _unreadable(reason: str) -> Refused:
    return Refused("guard.opaque.encoding", f"the answer cannot be screened: {reason}", status=502)
