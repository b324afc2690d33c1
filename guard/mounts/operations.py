"""The operator's side of a gateway: whether it lives and is ready, its numbers, and each request that it served."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from typing import Any

from guard.call import Call
from guard.guard import Guard
from guard.mounts.accesslog import AccessLog
from guard.mounts.messages import Scope, Send, send_reply
from guard.readiness import OK, Readiness
from guard.refusals import Reply
from guard.trace import exposition
from guard.trace import instruments as all_
from guard.trace.records import OTHER
from guard.wire import jsonbody, refusal

PATHS = HEALTHZ, READYZ, METRICS = "/healthz", "/readyz", "/metrics"

RETRY_AFTER = b"1"
"""Seconds after which to come again to a gateway that ends: another one is there, or soon will be."""

_JSON = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_HERE = ("127.0.0.1", "::1")
_CUT_S = 1.0
"""Seconds in which the end of a stream that is cut short must be taken."""


class Request:
    """One request of a client, and what became of it; `call` is known once its client is."""

    __slots__ = ("_send", "bytes", "call", "cut", "scope", "since", "status", "task")

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope, self._send = scope, send
        self.since = time.perf_counter()
        self.task = asyncio.current_task()
        self.call: Call | None = None
        self.status = self.bytes = 0
        self.cut = False

    async def send(self, message: Any) -> None:
        """Send a message of the answer, and note it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.bytes += len(message.get("body", b""))
        await self._send(message)


class Operations:
    """The operator's side of one gateway. With `keyed` its clients have keys."""

    def __init__(self, guard: Guard, *, keyed: bool) -> None:
        self._guard, self._keyed = guard, keyed
        settings = guard.settings
        key = settings.metrics_key.get_secret_value() if settings.metrics_key is not None else ""
        self._key = hashlib.sha256(key.encode()).digest() if key else None
        self._log = AccessLog(settings.access_log) if settings.access_log else None
        self._readiness = Readiness(guard)
        self._running: set[Request] = set()
        self._idle = asyncio.Event()
        self.draining = False
        self.judged = False
        guard.metering.also("gateway", self._numbers)

    async def answer(self, scope: Scope) -> Reply | None:
        """The answer to an operator's question; None where it is none."""
        if scope["path"] not in PATHS:
            return None
        if scope["method"] not in ("GET", "HEAD"):
            return Reply(405, b"", ((b"allow", b"GET, HEAD"),))
        if scope["path"] == HEALTHZ:
            return self._healthy(scope)
        return await (self._ready(scope) if scope["path"] == READYZ else self._metrics(scope))

    def _healthy(self, scope: Scope) -> Reply:
        """That it runs, and whether a changed policy could not be loaded; why not is told as for `/readyz`."""
        stale = self._guard.refused_reload
        told = {"policy": "a changed policy was not loaded; the one before holds"} if stale else {}
        return _status(200, "ok", **told, **({"problem": stale} if stale and self._may_see(scope) else {}))

    async def _ready(self, scope: Scope) -> Reply:
        """Whether new calls are taken; why not is told only to whom `/metrics` is."""
        checks = await self.checks()
        ready = all(said == OK for said in checks.values())
        told = {"checks": checks} if self._may_see(scope) else {}
        return _status(200 if ready else 503, "ready" if ready else "not ready", **told)

    async def _metrics(self, scope: Scope) -> Reply:
        if not self._may_see(scope):
            body = refusal.error_body("not_found", "there is nothing here")
            return Reply(404, jsonbody.dump(body), (*_JSON, (b"x-should-retry", b"false")))
        text = await asyncio.to_thread(self._guard.metering.prometheus)
        return Reply(200, text, ((b"content-type", exposition.CONTENT_TYPE), (b"cache-control", b"no-store")))

    async def checks(self) -> dict[str, str]:
        """What this gateway needs to take a call, and how it is."""
        own = {
            "policy": OK,
            "judge": OK if self.judged else "it was not asked yet",
            "draining": "the gateway is being stopped" if self.draining else OK,
        }
        return {**own, **await self._readiness.checks()}

    def _may_see(self, scope: Scope) -> bool:
        """Who has the operator's key; without one, whoever is on this machine, if callers need no key either."""
        if self._key is None:
            return not self._keyed and (scope.get("client") or ("",))[0] in _HERE
        given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        scheme, _, key = given.partition(b" ")
        same = hmac.compare_digest(hashlib.sha256(key.strip()).digest(), self._key)
        return same and scheme.lower() == b"bearer"

    # requests

    def begin(self, scope: Scope, send: Send) -> Request:
        """Note a request that begins."""
        request = Request(scope, send)
        self._running.add(request)
        self._idle.clear()
        return request

    def end(self, request: Request) -> None:
        """Note that it ended: in the numbers, and in the access log."""
        self._running.discard(request)
        if not self._running:
            self._idle.set()
        call, seconds = request.call, time.perf_counter() - request.since
        endpoint = call.endpoint.name if call is not None and call.endpoint is not None else OTHER
        method = request.scope["method"]
        self._guard.metrics.requested(method, endpoint, request.status, seconds)
        if self._log is not None:
            self._log.write(request, method, endpoint, seconds)

    async def idle(self) -> None:
        """Wait until no request runs."""
        if self._running:
            await self._idle.wait()

    def cut(self) -> None:
        """End what still runs: the time to drain is over."""
        for request in self._running:
            request.cut = True
            if request.call is not None:
                request.call.stopped = True
            if request.task is not None:
                request.task.cancel()

    def close(self) -> None:
        """Write what the access log has."""
        if self._log is not None:
            self._log.close()

    def _numbers(self) -> dict[all_.Instrument, list[tuple[tuple[str, ...], float]]]:
        return {all_.ACTIVE: [((), len(self._running))], all_.DRAINING: [((), int(self.draining))]}


def _status(status: int, word: str, **more: Any) -> Reply:
    return Reply(status, jsonbody.dump({"status": word, **more}), _JSON)


def leaving() -> Reply:
    """The answer to a new request while the gateway ends: come again, elsewhere."""
    body = refusal.error_body(
        "guard.draining", "this gateway is being stopped; try again", type="guard_refused"
    )
    headers = (
        (b"content-type", b"application/json"),
        (b"retry-after", RETRY_AFTER),
        (b"connection", b"close"),
    )
    return Reply(503, jsonbody.dump(body), headers)


async def cut_short(request: Request) -> None:
    """Answer a request that is cut short: with 503, or with an error as the last event of its stream."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
    try:
        async with asyncio.timeout(_CUT_S):
            if not request.status:
                return await send_reply(request.send, leaving())
            event = refusal.error_event("guard.draining", "this gateway is being stopped; try again")
            await request.send({"type": "http.response.body", "body": event, "more_body": True})
            await request.send({"type": "http.response.body", "body": b"", "more_body": False})
    except TimeoutError:
        pass  # the client does not read: its connection is closed
