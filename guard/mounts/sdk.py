"""Mount (b): HTTP transports for the official SDK, asynchronous and blocking."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Literal, overload

import httpx2

from guard import destinations
from guard.answers import Headers
from guard.call import Call, Prepared
from guard.doors import CallDoors, SyncCallDoors
from guard.errors import BadRequest, Outage, Refused
from guard.forwarding import forward_sync
from guard.guard import Guard, current_exchange, current_identity
from guard.judging import Moderation, SyncModeration
from guard.mounts.messages import failed, failure_event
from guard.mounts.once import once
from guard.mounts.sockets import shut_sockets
from guard.mounts.transport import (
    Streaming,
    SyncStreaming,
    base_of,
    destination,
    giving_up,
    incoming,
    is_stream,
    outgoing,
    own,
    provider_url,
    run,
    written,
)
from guard.outside.egress import Timeouts, UpstreamError
from guard.outside.upstream import ANSWER_BYTES
from guard.policy.decide import judges
from guard.policy.model import Policy
from guard.refusals import Reply, failed_as, refuse
from guard.services.drivers import drive_stream_sync, drive_sync
from guard.trace import spans
from guard.types import Identity
from guard.wire import bodies

log = logging.getLogger("guard")


def new_call(guard: Guard, request: httpx2.Request) -> Call:
    """Open a call for an intercepted request: its exchange is the surrounding mount's, if there is one."""
    exchange = current_exchange.get()
    if exchange is not None and exchange.lease is not None and exchange.lease.guard.root is guard.root:
        guard = exchange.lease.guard  # one exchange sees one version of the policy
    if exchange is None or exchange.closed:
        exchange = guard.open_exchange(current_identity.get() or Identity())
    exchange.judge = (base_of(request.url), request.headers.get("authorization", ""))
    return Call(
        guard,
        "client",
        request.method,
        request.url.path,
        exchange,
        url=request.url,
        parent=spans.current_parent(),
    )


def _judge(call: Call) -> tuple[str, str]:
    """In this mount the judge is asked at the intercepted request's host with its bearer."""
    assert call.exchange.judge is not None
    return call.exchange.judge


def _response(reply: Reply, request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(reply.status, headers=list(reply.headers), content=reply.body, request=request)


def _upstream_failure(failure: UpstreamError, request: httpx2.Request) -> httpx2.TransportError:
    """Give the SDK the error it knows how to retry."""
    kinds = {"connect": httpx2.ConnectError, "timeout": httpx2.ReadTimeout, "proxy": httpx2.ProxyError}
    return kinds.get(failure.kind, httpx2.RemoteProtocolError)(str(failure), request=request)


def _refusal(refused: Refused | BadRequest, call: Call, request: httpx2.Request) -> httpx2.Response:
    return _response(written(refused, call), request)


def _failed(failure: Exception, call: Call) -> Refused:
    """The refusal where guard itself failed: nothing went anywhere, or nothing comes back (case A20)."""
    log.error("guard failed while screening: %s", type(failure).__name__)
    call.finish(None, error=type(failure).__name__)
    return failed()


class _AsyncBody(httpx2.AsyncByteStream):
    """The body of a streamed answer: an upstream's failure is the client's error, guard's own the last event."""

    def __init__(self, answer: Streaming, request: httpx2.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.chunks:
                yield chunk
        except UpstreamError as failure:
            raise _upstream_failure(failure, self._request) from None
        except Exception as failure:
            log.error("guard failed while screening: %s", type(failure).__name__)
            yield failure_event(failure)

    async def aclose(self) -> None:
        await self._answer.aclose()


class GuardTransport(httpx2.AsyncBaseTransport):
    """The transport of a guarded asynchronous client; closing it closes a guard that it `owns`."""

    def __init__(self, guard: Guard, *, owns: bool = False) -> None:
        self.guard = guard
        self._owns = owns

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Run one model call under the policy."""
        call = new_call(self.guard.current, request)

        def judge(guard: Guard) -> Moderation | None:
            return guard.moderation(*_judge(call), sync=False) if judges(guard.policy) else None

        try:
            answer = await self._run(call, request, CallDoors(call, judge, call.parent, call.tenant))
        except (Refused, BadRequest) as refused:
            return _refusal(refused, call, request)
        except UpstreamError as failure:
            raise _upstream_failure(failure, request) from None
        except Exception as failure:
            return _refusal(_failed(failure, call), call, request)
        if isinstance(answer, Reply):
            return _response(answer, request)
        body = _AsyncBody(answer, request)
        return httpx2.Response(answer.status, headers=list(answer.headers), stream=body, request=request)

    async def _run(self, call: Call, request: httpx2.Request, doors: CallDoors) -> Reply | Streaming:
        headers = request.headers.raw
        limits = request.extensions.get("timeout", {})
        timeouts = Timeouts(limits.get("connect"), limits.get("read"))
        url, body = destination(request.url, call), await request.aread()
        return await run(call, url, headers, outgoing(headers), body, doors, timeouts)

    async def aclose(self) -> None:
        """Close the guard where it was made for this client; one that clients share stays open."""
        if self._owns:
            await self.guard.disconnect()
            await asyncio.to_thread(self.guard.close)


class _SyncBody(httpx2.SyncByteStream):
    """The same for a blocking client."""

    def __init__(self, answer: SyncStreaming, call: Call) -> None:
        self._chunks = answer.chunks
        self._upstream = answer.upstream
        self._leave = answer.leave
        self._call = call

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        except httpx2.TransportError:
            raise
        except Exception as failure:
            log.error("guard failed while screening: %s", type(failure).__name__)
            yield failure_event(failure)

    def close(self) -> None:
        self._chunks.close()
        self._leave()
        self._upstream.close()
        self._call.left()


class SyncGuardTransport(httpx2.BaseTransport):
    """The transport of a guarded blocking client; closing it closes a guard that it `owns`."""

    def __init__(self, guard: Guard, *, owns: bool = False) -> None:
        self.guard = guard
        self._owns = owns

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Run one model call under the policy."""
        call = new_call(self.guard.current, request)

        def judge(guard: Guard) -> SyncModeration | None:
            return guard.moderation(*_judge(call), sync=True) if judges(guard.policy) else None

        doors = SyncCallDoors(call, judge, call.parent, call.tenant)
        try:
            return self._run(call, request, doors)
        except (Refused, BadRequest) as refused:
            return _refusal(refused, call, request)
        except UpstreamError as failure:
            raise _upstream_failure(failure, request) from None
        except httpx2.TransportError:
            raise
        except Exception as failure:
            return _refusal(_failed(failure, call), call, request)

    def _run(self, call: Call, request: httpx2.Request, doors: SyncCallDoors) -> httpx2.Response:
        headers = request.headers.raw
        prepared = drive_sync(call.open(headers, request.read()), doors)
        doors.settled = call.admission
        work = partial(self._sent, call, request, prepared, doors)
        guarded = once(call, headers, written)
        answer = work() if guarded is None else guarded.run_sync(work)
        if isinstance(answer, Reply):
            return _response(answer, request)
        body = _SyncBody(answer, call)
        return httpx2.Response(answer.status, headers=list(answer.headers), stream=body, request=request)

    def _sent(
        self, call: Call, request: httpx2.Request, prepared: Prepared, doors: SyncCallDoors
    ) -> Reply | SyncStreaming:
        """Let a screened call in, forward it, screen its answer."""
        headers = request.headers.raw
        if call.guard.dispatch is not None:
            prepared = call.guard.dispatch.enter_sync(call, prepared, request.url, headers)
        call.start_model(prepared, request.url.host, request.url.port)
        try:
            answer = self._forward(call, request, prepared, headers)
        except Outage as outage:
            return self._given_up(call, request, outage)
        except BaseException as failure:
            call.finish(None, error=failed_as(failure))
            raise
        raw = answer.headers.raw
        if call.unscreened:
            chunks = _untouched_sync(call, answer)
        elif is_stream(raw) and 200 <= answer.status_code < 300:
            chunks = _stream_sync(call, answer, doors, partial(self._cut, call, request))
        else:
            return _whole_sync(call, answer, doors)
        return SyncStreaming(answer.status_code, incoming(raw, call), chunks, answer)

    def _given_up(self, call: Call, request: httpx2.Request, outage: Outage) -> Reply:
        """Say that the provider failed for good; where the policy keeps such calls this one is stored first."""
        with giving_up(call, outage):
            self._keep(call, request, outage.code)
        return own(refuse(outage), call)

    def _cut(self, call: Call, request: httpx2.Request) -> None:
        """Store a call whose answer broke off, before its caller hears of it."""
        call.cut = True
        self._keep(call, request, "cut")

    def _keep(self, call: Call, request: httpx2.Request, reason: str) -> None:
        if call.guard.dispatch is not None:
            url = provider_url(destination(request.url, call), call)
            call.guard.dispatch.keep_sync(call, url, outgoing(request.headers.raw), reason)

    def _forward(
        self, call: Call, request: httpx2.Request, prepared: Prepared, headers: Headers
    ) -> httpx2.Response:
        dispatch, fields = call.guard.dispatch, outgoing(headers)
        url = provider_url(destination(request.url, call), call)
        like = httpx2.Request(request.method, url, headers=fields, extensions=request.extensions)
        if dispatch is None:
            return forward_sync(call, like, fields, prepared.body)
        return dispatch.send_sync(call, prepared, like)

    def close(self) -> None:
        """Close the guard where it was made for this client; one that clients share stays open."""
        if self._owns:
            self.guard.close()


def _whole_sync(call: Call, answer: httpx2.Response, doors: SyncCallDoors) -> Reply:
    raw = answer.headers.raw
    try:
        reply = drive_sync(call.answer(answer.status_code, raw, _read_sync(answer)), doors)
    except BaseException as failure:
        call.finish(None, error=failed_as(failure))
        raise
    return Reply(reply.status, reply.body, incoming(raw, call, written=True))


def _read_sync(answer: httpx2.Response) -> bytes:
    # Closed before it is judged: the connection is free again, and idle from when its server says so too.
    try:
        return bodies.bounded(answer.stream, ANSWER_BYTES)  # type: ignore[arg-type]
    finally:
        answer.close()


def _untouched_sync(call: Call, answer: httpx2.Response) -> Generator[bytes]:
    error = "truncated"
    try:
        yield from iter(answer.stream)  # type: ignore[arg-type]
        error = ""
    except BaseException as failure:
        error = failed_as(failure)
        raise
    finally:
        call.finish(None, error=error, status=answer.status_code)
        answer.close()


def _watched_sync(call: Call, answer: httpx2.Response) -> Iterator[bytes]:
    for chunk in answer.stream:  # type: ignore[union-attr]
        call.first_chunk()
        yield chunk


def _stream_sync(
    call: Call, answer: httpx2.Response, doors: SyncCallDoors, cut: Callable[[], None]
) -> Generator[bytes]:
    gate = call.gate()
    error = ""
    try:
        yield from map(call.told, drive_stream_sync(gate, _watched_sync(call, answer), doors))
        if not gate.complete and not gate.code:
            error = "truncated"
            cut()
    except httpx2.TransportError as failure:
        error = failed_as(failure)
        cut()
        raise
    except BaseException as failure:
        error = failed_as(failure)
        raise
    finally:
        call.finish_stream(gate, error)
        answer.close()


@overload
def guarded_client(
    policy: str | Path | Policy = ...,
    *,
    sync: Literal[False] = ...,
    base_url: str | None = ...,
    guard: Guard | None = ...,
) -> httpx2.AsyncClient: ...


@overload
def guarded_client(
    policy: str | Path | Policy = ...,
    *,
    sync: Literal[True],
    base_url: str | None = ...,
    guard: Guard | None = ...,
) -> httpx2.Client: ...


def guarded_client(
    policy: str | Path | Policy = "default",
    *,
    sync: bool = False,
    base_url: str | None = None,
    guard: Guard | None = None,
) -> httpx2.AsyncClient | httpx2.Client:
    """Make the HTTP client to hand to `openai.AsyncOpenAI(http_client=…)`, or with `sync=True` to `OpenAI`.

    `base_url` names a host beside the shipped table (a private endpoint, a local server). Redirects are
    refused, environment proxies are ignored, and the SDK's websockets refuse (`connect` raises Refused). Raises
    PolicyError, or SetupError where `OPENAI_BASE_URL` points to a host that the policy does not admit.
    """
    owns = guard is None
    guard = guard or Guard.from_policy(policy)
    if base_url is not None:
        guard.name(base_url)
    destinations.check(guard, "environment", "judge")
    shut_sockets(is_guarded)
    timeout = httpx2.Timeout(guard.settings.read_timeout_s, connect=10.0)
    if sync:
        blocking = SyncGuardTransport(guard, owns=owns)
        return httpx2.Client(transport=blocking, timeout=timeout, follow_redirects=False, trust_env=False)
    transport = GuardTransport(guard, owns=owns)
    return httpx2.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)


def is_guarded(client: object) -> bool:
    """Whether an HTTP client was made by `guarded_client`."""
    return isinstance(getattr(client, "_transport", None), GuardTransport | SyncGuardTransport)
