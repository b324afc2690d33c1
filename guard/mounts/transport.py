"""Mount (b): HTTP transports for the official SDK, and the model call that the gateway shares with them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, overload

import httpx2

from guard import destinations
from guard.answers import Headers
from guard.call import Call, Prepared
from guard.doors import CallDoors, SyncCallDoors
from guard.errors import BadRequest, Outage, Refused
from guard.forwarding import forward, forward_sync
from guard.guard import Guard, current_exchange, current_identity
from guard.judging import Moderation, SyncModeration
from guard.mounts.messages import failed, failure_event
from guard.mounts.once import once
from guard.mounts.sockets import shut_sockets
from guard.outside.egress import Timeouts, UpstreamError
from guard.outside.upstream import ANSWER_BYTES
from guard.policy.decide import judges
from guard.policy.model import Policy
from guard.refusals import Reply, failed_as, refuse
from guard.routing import spoken, toward
from guard.services.drivers import drive, drive_stream, drive_stream_sync, drive_sync
from guard.trace import spans
from guard.types import Action, Identity
from guard.wire import bodies
from guard.wire.legacy import without_engine

log = logging.getLogger("guard")

# Headers that may go to a provider; all others stay here: they can carry personal data (case B22).
_OUTGOING = frozenset(
    b"authorization api-key content-type accept user-agent idempotency-key x-client-request-id"
    b" openai-organization openai-project openai-beta openai-version x-api-key".split()
)
_OUTGOING_BUT_KEYS = _OUTGOING - {b"authorization", b"api-key", b"x-api-key"}
_OUTGOING_PREFIXES = (b"x-stainless-",)
_PLAIN = (b"accept-encoding", b"identity")
_TYPE, _EVENTS = b"content-type", b"text/event-stream"
_TYPE_LENGTH = len(_TYPE)
# The one query parameter that a provider needs (Azure); all others stay here, too.
_VERSION = re.compile(r"[A-Za-z0-9.-]{1,32}")
# Headers of an answer that are about bytes which guard writes anew (case A08), or about one connection.
_DROPPED = frozenset(
    b"content-length content-encoding transfer-encoding connection keep-alive etag content-md5 digest"
    b" repr-digest content-digest accept-ranges set-cookie alt-svc trailer upgrade".split()
)
# And what the gateway's own server says of itself: an answer has one date.
_DROPPED_SERVING = _DROPPED | {b"date", b"server"}
_TYPED = {dropped: dropped | {b"content-type"} for dropped in (_DROPPED, _DROPPED_SERVING)}
_JSON = (b"content-type", b"application/json")


def _stay() -> None:
    """What an answer has to do when it is closed: nothing."""


@dataclass(slots=True)
class Streaming:
    """A streamed answer: what may be sent, when; `aclose` ends the upstream call."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    chunks: AsyncGenerator[bytes]
    upstream: Any
    call: Call
    leave: Any = _stay

    async def aclose(self) -> None:
        """End the upstream call and write its outcome, also where nothing of the answer was read."""
        await self.chunks.aclose()
        self.leave()
        await self.upstream.aclose()
        self.call.left()


@dataclass(slots=True)
class SyncStreaming:
    """The same for a blocking client, which closes `upstream` itself."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    chunks: Generator[bytes]
    upstream: httpx2.Response
    leave: Any = _stay


def outgoing(headers: Headers, authorization: bytes | None = None) -> list[tuple[bytes, bytes]]:
    """The headers that go to the provider; compression is declined, so that every answer can be read."""
    names = _OUTGOING if authorization is None else _OUTGOING_BUT_KEYS
    kept = [
        (name, v) for k, v in headers if (name := k.lower()) in names or name.startswith(_OUTGOING_PREFIXES)
    ]
    if authorization is not None:
        kept.append((b"authorization", authorization))
    kept.append(_PLAIN)
    return kept


def destination(url: httpx2.URL, call: Call) -> httpx2.URL:
    """The URL that is called, without the query parameters that a provider does not need."""
    if call.unscreened or not url.query:
        return url
    version = url.params.get("api-version", "")
    return url.copy_with(params={"api-version": version} if _VERSION.fullmatch(version) else None)


def incoming(headers: Headers, call: Call, *, written: bool = False) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that go to the caller, with guard's own; a body that guard has `written` is JSON."""
    dropped = _DROPPED_SERVING if call.mount == "gateway" else _DROPPED
    if written:
        dropped = _TYPED[dropped]
    kept = [header for header in headers if header[0].lower() not in dropped]
    if written:
        kept.append(_JSON)
    if call.notes:
        kept.append((b"x-guard-notes", ", ".join(call.notes).encode()))
    if call.target and not call.asked:
        kept.append((b"x-guard-model", call.target.name.encode()))
    if call.letter:
        kept.append((b"x-guard-letter", call.letter.encode()))
    kept.append((b"x-guard-action", call.action.word.encode()))
    kept.append((b"x-guard-trace", call.trace_id.encode()))
    return tuple(kept)


def own(reply: Reply, call: Call) -> Reply:
    """Add guard's own headers to an answer that guard wrote."""
    return Reply(reply.status, reply.body, incoming(reply.headers, call))


def provider_url(url: httpx2.URL, call: Call) -> httpx2.URL:
    """The URL of a screened request at the provider."""
    path = call.called(url.path)
    return url if path == url.path else url.copy_with(path=path)


def base_of(url: httpx2.URL) -> str:
    """The API's base URL of a model call, where its moderation endpoint stands."""
    path = without_engine(url.path)
    for suffix in ("/chat/completions", "/completions", "/responses", "/embeddings"):
        if path.endswith(suffix):
            path = path.removesuffix(suffix)
            break
    return str(url.copy_with(raw_path=path.encode()))


async def run(
    call: Call,
    url: httpx2.URL,
    headers: Headers,
    outgoing_headers: Headers,
    body: bytes,
    doors: CallDoors,
    timeouts: Timeouts | None = None,
) -> Reply | Streaming:
    """Run one model call: screen, record, forward, screen. Raises Refused, BadRequest or UpstreamError."""
    prepared = await drive(call.open(headers, body), doors)
    doors.settled = call.admission
    if call.target is not None:
        url, outgoing_headers = toward(call, url, outgoing_headers)
        prepared = prepared if call.guard.dispatch is not None else spoken(call.target, prepared)

    async def work() -> Reply | Streaming:
        return await _sent(call, prepared, url, headers, outgoing_headers, doors, timeouts)

    guarded = once(call, headers, _written)
    return await (work() if guarded is None else guarded.run(work))


async def _sent(
    call: Call,
    prepared: Prepared,
    url: httpx2.URL,
    headers: Headers,
    outgoing_headers: Headers,
    doors: CallDoors,
    timeouts: Timeouts | None,
) -> Reply | Streaming:
    """Let a screened call in, forward it, screen its answer."""
    dispatch = call.guard.dispatch
    if dispatch is not None:
        prepared = await dispatch.enter(call, prepared, url, headers)
    call.start_model(prepared, url.host, url.port)
    try:
        url = provider_url(url, call)
        if dispatch is None:
            answer = await forward(call, url, outgoing_headers, prepared.body, timeouts)
        else:
            answer = await dispatch.forwarder(call, prepared)(url, outgoing_headers, timeouts)
    except Outage as outage:
        return await _given_up(call, url, outgoing_headers, outage)
    except BaseException as failure:
        call.finish(None, error=failed_as(failure))
        raise
    if call.unscreened:
        chunks = _untouched(call, answer)
    elif _is_stream(answer.headers) and 200 <= answer.status < 300:
        chunks = _stream(call, answer, doors, partial(_cut, call, url, outgoing_headers))
    else:
        return await _whole(call, answer, doors)
    return Streaming(answer.status, incoming(answer.headers, call), chunks, answer, call)


async def _given_up(call: Call, url: httpx2.URL, headers: Headers, outage: Outage) -> Reply:
    """Say that the provider failed for good; where the policy keeps such calls this one is stored first."""
    error = outage.code
    try:
        assert call.guard.dispatch is not None
        await call.guard.dispatch.keep(call, url, headers, outage.code)
    except BaseException as failure:
        error = failed_as(failure)
        raise
    finally:
        call.finish(None, error=error)
    return own(refuse(outage), call)


async def _cut(call: Call, url: httpx2.URL, headers: Headers) -> None:
    """Store a call whose answer broke off, before its caller hears of it."""
    call.cut = True
    if call.guard.dispatch is not None:
        await call.guard.dispatch.keep(call, url, headers, "cut")


async def _whole(call: Call, answer: Any, doors: CallDoors) -> Reply:
    try:
        body = await answer.read(ANSWER_BYTES)
        reply = await drive(call.answer(answer.status, answer.headers, body), doors)
    except BaseException as failure:
        call.finish(None, error=failed_as(failure))
        raise
    finally:
        await answer.aclose()
    return Reply(reply.status, reply.body, incoming(answer.headers, call, written=True))


async def _untouched(call: Call, answer: Any) -> AsyncGenerator[bytes]:
    """Pass the answer of an endpoint that the policy lets pass unscreened."""
    error = "truncated"
    try:
        async for chunk in answer.chunks:
            yield chunk
        error = ""
    except BaseException as failure:
        error = failed_as(failure)
        raise
    finally:
        call.finish(None, error=error, status=answer.status)
        await answer.aclose()


async def _watched(call: Call, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        call.first_chunk()
        yield chunk


async def _stream(
    call: Call, answer: Any, doors: CallDoors, cut: Callable[[], Awaitable[None]]
) -> AsyncGenerator[bytes]:
    gate = call.gate()
    error = ""
    try:
        async with contextlib.aclosing(drive_stream(gate, _watched(call, answer.chunks), doors)) as released:
            async for data in released:
                yield call.told(data)
        if not gate.complete and not gate.code:
            error = "truncated"
            await cut()
    except UpstreamError as failure:
        error = failure.kind
        await cut()
        raise
    except BaseException as failure:
        error = failed_as(failure)
        raise
    finally:
        call.finish_stream(gate, error)
        await answer.aclose()


def _is_stream(headers: Headers) -> bool:
    for name, value in headers:
        if len(name) == _TYPE_LENGTH and name.lower() == _TYPE and value.lower().startswith(_EVENTS):
            return True
    return False


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
    return _response(_written(refused, call), request)


def _written(refused: Refused | BadRequest, call: Call) -> Reply:
    call.action = Action.BLOCK
    return own(refuse(refused), call)


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
        guarded = once(call, headers, _written)
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
        elif _is_stream(raw) and 200 <= answer.status_code < 300:
            chunks = _stream_sync(call, answer, doors, partial(self._cut, call, request))
        else:
            return _whole_sync(call, answer, doors)
        return SyncStreaming(answer.status_code, incoming(raw, call), chunks, answer)

    def _given_up(self, call: Call, request: httpx2.Request, outage: Outage) -> Reply:
        """Say that the provider failed for good; where the policy keeps such calls this one is stored first."""
        error = outage.code
        try:
            self._keep(call, request, outage.code)
        except BaseException as failure:
            error = failed_as(failure)
            raise
        finally:
            call.finish(None, error=error)
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


def header(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> bytes:
    """The first value of a header, or nothing."""
    length = len(name)
    for key, value in headers:
        if len(key) == length and key.lower() == name:
            return value
    return b""
