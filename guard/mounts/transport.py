"""A model call over HTTP: what goes out, what comes back, and the road that gateway and asynchronous clients share."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2

from guard.answers import Headers
from guard.call import Call, Prepared
from guard.doors import CallDoors
from guard.errors import BadRequest, Outage, Refused
from guard.forwarding import forward
from guard.mounts.once import once
from guard.outside.egress import Timeouts, UpstreamError
from guard.outside.upstream import ANSWER_BYTES
from guard.refusals import Reply, failed_as, refuse
from guard.routing import spoken, toward
from guard.services.drivers import drive, drive_stream
from guard.types import Action
from guard.wire.legacy import without_engine

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
    if (
        not call.notes
    ):  # nothing was translated, so the path was not, which takes its time to be read out of a URL
        return url
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

    work = partial(_sent, call, prepared, url, headers, outgoing_headers, doors, timeouts)
    guarded = once(call, headers, written)
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
    elif is_stream(answer.headers) and 200 <= answer.status < 300:
        chunks = _stream(call, answer, doors, partial(_cut, call, url, outgoing_headers))
    else:
        return await _whole(call, answer, doors)
    return Streaming(answer.status, incoming(answer.headers, call), chunks, answer, call)


async def _given_up(call: Call, url: httpx2.URL, headers: Headers, outage: Outage) -> Reply:
    """Say that the provider failed for good; where the policy keeps such calls this one is stored first."""
    with giving_up(call, outage):
        assert call.guard.dispatch is not None
        await call.guard.dispatch.keep(call, url, headers, outage.code)
    return own(refuse(outage), call)


@contextlib.contextmanager
def giving_up(call: Call, outage: Outage) -> Iterator[None]:
    """Write the outcome of a call whose provider failed for good, once what is done within is done, or failed."""
    error = outage.code
    try:
        yield
    except BaseException as failure:
        error = failed_as(failure)
        raise
    finally:
        call.finish(None, error=error)


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


def is_stream(headers: Headers) -> bool:
    """Whether an answer is a stream of events."""
    for name, value in headers:
        if len(name) == _TYPE_LENGTH and name.lower() == _TYPE and value.lower().startswith(_EVENTS):
            return True
    return False


def written(refused: Refused | BadRequest, call: Call) -> Reply:
    """The answer that says why a call was refused."""
    call.action = Action.BLOCK
    return own(refuse(refused), call)


def header(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> bytes:
    """The first value of a header, or nothing."""
    length = len(name)
    for key, value in headers:
        if len(key) == length and key.lower() == name:
            return value
    return b""
