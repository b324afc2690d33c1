"""Mount (c): the OpenAI-compatible gateway, a bare ASGI callable over guard's own egress."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import re
import signal
import threading
from collections.abc import AsyncGenerator, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import httpx2

from guard import destinations, residency
from guard.call import Call
from guard.doors import CallDoors
from guard.errors import BadRequest, GuardError, Refused, SetupError, Unavailable
from guard.guard import OPENAI, Guard
from guard.judging import Moderation
from guard.keyring import key_file
from guard.mounts.clients import Clients
from guard.mounts.draining import Draining
from guard.mounts.messages import (
    ClientLeft,
    Receive,
    Scope,
    Send,
    close_websocket,
    closing,
    failed,
    failure_event,
    read_body,
    send_reply,
)
from guard.mounts.operations import Operations, Request, cut_short, leaving
from guard.mounts.pulse import Pulse
from guard.mounts.transport import Streaming, header, outgoing, own, run
from guard.outside.collecting import settle
from guard.outside.egress import UpstreamError
from guard.outside.stores.clientkeys import Watched
from guard.outside.upstream import Timeouts
from guard.placement import depends
from guard.policy.decide import judges
from guard.refusals import Reply, refuse
from guard.reload import Watch
from guard.routing import check_keys
from guard.services.outages import OUTAGES
from guard.settings import Settings
from guard.trace import records, spans
from guard.types import Action, Identity
from guard.wire import jsonbody, refusal

_T = TypeVar("_T")

log = logging.getLogger("guard")

_PATHS = 256
"""Paths whose URL is kept: those of the API, and not whatever a client may think of."""

_CONNECT_S = 10.0

LOOPBACK = ("127.0.0.1", "::1", "localhost")

# What every server routes alike: no empty or dot segments, no codes, parameters, queries or backslashes.
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9_.:@~-]*)+")


class ClientKeys:
    """The gateway's own clients: `tenant:key,…`, kept as hashes and compared in constant time."""

    def __init__(self, spec: str) -> None:
        self._tenants: dict[bytes, str] = {}
        for entry in filter(None, (part.strip() for part in spec.split(","))):
            tenant, _, key = entry.partition(":")
            if not tenant or not key:
                raise SetupError("GUARD_CLIENT_KEYS is a list of tenant:key, separated by commas")
            self._tenants[hashlib.sha256(key.encode()).digest()] = tenant

    def __bool__(self) -> bool:
        return bool(self._tenants)

    def tenant(self, authorization: bytes) -> str | None:
        """The tenant whose key was presented, or None."""
        scheme, _, key = authorization.partition(b" ")
        digest = hashlib.sha256(key.strip()).digest()
        found = None
        for known, tenant in self._tenants.items():
            if hmac.compare_digest(known, digest):
                found = tenant
        return found if scheme.lower() == b"bearer" else None


class Gateway:
    """One upstream, one policy. `upstream=None` is the OpenAI API at the host that the policy's residency asks for.

    With `owns=True` the guard is closed when the server shuts down.
    """

    def __init__(self, guard: Guard, *, upstream: str | None = None, owns: bool = False) -> None:
        self.guard = guard
        self._owns = owns
        self._watch: Watch | None = None
        settings = guard.settings
        self.upstream = (upstream or default_upstream(guard)).rstrip("/")
        guard.name(self.upstream)
        self._urls: dict[str, httpx2.URL] = {}
        self._timeouts = Timeouts(_CONNECT_S, settings.read_timeout_s)
        listed = ClientKeys(settings.client_keys.get_secret_value() if settings.client_keys else "")
        self._clients = Clients(listed or None, _virtual(guard, bool(listed)), self._limited)
        self.operations = Operations(guard, keyed=bool(self._clients))
        key = settings.upstream_key or settings.openai_api_key
        self._authorization = f"Bearer {key.get_secret_value()}".encode() if key else None

    def check(self, host: str) -> None:
        """Refuse to start where a client could spend the owner's key, or where the upstream may not be reached."""
        if host not in LOOPBACK and not self._clients:
            raise SetupError(
                f"bound to {host}, the gateway needs GUARD_CLIENT_KEYS (tenant:key,…) or virtual keys"
                " (guard keys create): anyone could call it"
            )
        if self._clients and self._authorization is None:
            raise SetupError(
                "with GUARD_CLIENT_KEYS or virtual keys the gateway needs GUARD_UPSTREAM_KEY: a client key is"
                " never forwarded"
            )
        admission = self.guard.admit(self.upstream)
        if not admission.allowed and not depends(admission):
            raise SetupError(f"the upstream may not be reached: {admission.reason}")
        destinations.check(self.guard, "judge", "provider")
        check_keys(self.guard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        if scope["type"] == "websocket":
            return await close_websocket(receive, send)
        told = await self.operations.answer(scope)
        if told is not None:
            return await send_reply(send, told)
        request = self.operations.begin(scope, send)
        try:
            await self._take(scope, receive, request)
        except asyncio.CancelledError:
            if not request.cut:
                raise
            await cut_short(request)
        finally:
            if request.call is not None:
                request.call.write_outcome()
            self.operations.end(request)

    async def _take(self, scope: Scope, receive: Receive, request: Request) -> None:
        """Serve one request of a client."""
        if self.operations.draining:
            return await send_reply(request.send, leaving())
        try:
            who = self._clients.of(scope, header(scope["headers"], b"authorization"))
        except Refused as refused:
            call = request.call = self._call(scope, Identity(""))
            return await send_reply(request.send, _refusal(refused, call))
        call = request.call = self._call(scope, who)
        if self._clients and call.guard.dispatch is not None:
            call.entitled = partial(self._clients.knows, header(scope["headers"], b"authorization"))
        await self._serve(scope, receive, request.send, call)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.start()
                except GuardError as failure:
                    return await send({"type": "lifespan.startup.failed", "message": str(failure)})
                if self._owns:
                    Draining(self.operations, self.guard.settings.drain_s).install()
                    self._watching()
                    settle()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.guard.disconnect()
                self.operations.close()
                if self._watch is not None:
                    await asyncio.to_thread(self._watch.stop)
                if self._owns:
                    self.guard.close()
                return await send({"type": "lifespan.shutdown.complete"})

    def _watching(self) -> None:
        """Look for a changed policy from now on, and at SIGHUP (a server's own process gets its signals)."""
        self._watch = Watch(self.guard, self.guard.settings.reload_s)
        self._watch.start()
        if threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._watch.now)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    async def start(self) -> None:
        """Ask the judge, once; raises SetupError in one sentence."""
        if self.operations.judged:
            return
        auth = self._authorization.decode("latin-1") if self._authorization else ""
        await self.guard.current.check_moderation(self.upstream, auth)
        self.operations.judged = True

    async def _serve(self, scope: Scope, receive: Receive, send: Send, call: Call) -> None:
        try:
            answer = await self._run(scope, receive, call)
            if isinstance(answer, Reply):
                return await send_reply(send, answer)
            try:
                idle_s = self.guard.settings.heartbeat_s
                await _while_connected(receive, _send_stream(send, answer, idle_s))
            finally:
                await answer.aclose()
        except ClientLeft:
            call.left()
        except (Refused, BadRequest) as refused:
            await send_reply(send, closing(refused, _refusal(refused, call), scope))
        except UpstreamError as failure:
            await send_reply(send, own(_bad_gateway(failure), call))

    async def _run(self, scope: Scope, receive: Receive, call: Call) -> Reply | Streaming:
        headers = scope["headers"]
        authorization = self._authorization or header(headers, b"authorization")
        body = await _body(scope, receive, self.guard, call)
        work = run(
            call,
            self._url(call.path),
            headers,
            outgoing(headers, authorization or None),
            body,
            self._doors(call, authorization),
            self._timeouts,
        )
        try:
            return await _while_connected(receive, work)
        except (ClientLeft, GuardError):
            raise
        except Exception as failure:
            log.error("guard failed while screening: %s", type(failure).__name__)
            call.finish(None, error=type(failure).__name__)
            raise failed() from None

    def _limited(self, failed: int) -> None:
        """Failed logins from one address were so many that no more are looked at for a while: that is on record."""
        log.warning("%d wrong keys came from one address: it must wait", failed)
        told = {spans.LOGINS_FAILED: failed, spans.MOUNT: "gateway"}
        with contextlib.suppress(Unavailable):
            self.guard.ledger.append(records.lifecycle(self.guard.recorder, spans.LOGINS_LIMITED, told))

    def _call(self, scope: Scope, who: Identity) -> Call:
        remote = spans.remote_parent(scope["headers"])
        path = _plain(scope["path"])
        guard = self.guard.current
        return Call(
            guard,
            "gateway",
            scope["method"],
            path,
            guard.open_exchange(who),
            url=self._url(path),
            links=(remote,) if remote is not None else (),
            defers=True,
        )

    def _url(self, path: str) -> httpx2.URL:
        """The upstream URL: the client's path under the upstream's base; its query does not go on."""
        known = self._urls.get(path)
        if known is None:
            known = httpx2.URL(self.upstream + (path[3:] if path.startswith("/v1/") else path))
            if len(self._urls) < _PATHS:
                self._urls[path] = known
        return known

    def _doors(self, call: Call, authorization: bytes) -> CallDoors:
        def judge(guard: Guard) -> Moderation | None:
            if not judges(guard.policy):
                return None
            found: Moderation = guard.moderation(self.upstream, authorization.decode("latin-1"), sync=False)
            return found

        return CallDoors(call, judge, call.parent, call.tenant)


def _virtual(guard: Guard, closed: bool) -> Watched | None:
    """The virtual keys, where keys are asked for when the gateway starts: an open gateway does not close by itself."""
    file = key_file(guard.settings, guard.keys)
    return Watched(file) if closed or guard.settings.virtual_keys or file.path.exists() else None


def default_upstream(guard: Guard) -> str:
    """The OpenAI API at the host that the policy's jurisdictions admit."""
    jurisdictions = guard.policy.egress.jurisdictions
    host = residency.resident_host("api.openai.com", jurisdictions) if jurisdictions is not None else ""
    return f"https://{host}/v1" if host else OPENAI


def _plain(path: str) -> str:
    """The path if no two servers could read it differently; else none at all, which no endpoint has (B20)."""
    path = path.removesuffix("/")
    return path if _PLAIN.fullmatch(path) else ""


async def _body(scope: Scope, receive: Receive, guard: Guard, call: Call) -> bytes:
    try:
        return await read_body(scope, receive, guard.limits.body_bytes, guard.settings.body_timeout_s)
    except BadRequest as bad:
        call.finish(None, error=bad.code)
        raise


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, _T]) -> _T:
    """Run the call while the client stays; a client that leaves ends the upstream call (cases A05, A06)."""
    task = asyncio.current_task()
    assert task is not None
    watch = task.get_loop().create_task(_cancel_when_gone(receive, task))
    try:
        result = await work
        if watch.done():
            await _taken_back(task)
        return result
    except asyncio.CancelledError:
        if watch.done() and not watch.cancelled() and not task.uncancel():
            raise ClientLeft from None
        raise
    finally:
        watch.cancel()


async def _taken_back(task: asyncio.Task[Any]) -> None:
    """Take back a cancellation that came when the work was done; whoever goes on sees the client gone.

    It may still be due, or it was swallowed below (`asyncio.wait_for` of Python 3.11, where both come in one round).
    """
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        if task.cancelling() > 1:
            raise
    task.uncancel()


async def _cancel_when_gone(receive: Receive, task: asyncio.Task[Any]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()


async def _send_stream(send: Send, answer: Streaming, idle_s: float) -> None:
    headers = [(k, v) for k, v in answer.headers if k.lower() != b"content-length"]
    async with contextlib.aclosing(_ended(answer)) as chunks:
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        async with Pulse(send, idle_s) as pulse:
            async for data in chunks:
                await pulse.send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _ended(answer: Streaming) -> AsyncGenerator[bytes]:
    """The chunks; where they break off, an error event is the last."""
    try:
        async for data in answer.chunks:
            yield data
    except Exception as failure:
        log.error("a stream broke off: %s", type(failure).__name__)
        yield failure_event(failure, answer.call.letter)


def _refusal(refused: Refused | BadRequest, call: Call) -> Reply:
    call.action = Action.BLOCK
    return own(refuse(refused), call)


def _bad_gateway(failure: UpstreamError) -> Reply:
    """One clear error of the provider's side; a client may retry it as it would without guard."""
    OUTAGES.say("upstream", str(failure))
    status = 504 if failure.kind == "timeout" else 502
    body = refusal.error_body(f"upstream_{failure.kind}", str(failure), type="upstream_error")
    return Reply(status, jsonbody.dump(body), ((b"content-type", b"application/json"),))


def from_environment() -> Gateway:
    """Make the gateway that `guard serve` describes in the environment, in each worker process."""
    import os

    settings = Settings()
    guard = Guard.from_policy(os.environ.get("GUARD_SERVE_POLICY") or settings.policy, settings)
    return Gateway(guard, upstream=os.environ.get("GUARD_SERVE_UPSTREAM") or None, owns=True)


def describe(gateway: Gateway) -> Mapping[str, str]:
    """What the start line says."""
    policy = gateway.guard.policy
    return {"policy": policy.policy, "sha256": policy.sha256[:12], "upstream": gateway.upstream}
