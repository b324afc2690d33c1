"""The one gate: every HTTP connection of guard is admitted here, before anything is resolved or connected."""

from __future__ import annotations

import io
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import aiohttp
import httpx2
from multidict import CIMultiDict, CIMultiDictProxy
from pydantic import SecretStr
from yarl import URL

from guard.outside.admission import Admit as Admit
from guard.outside.admission import PublicNames, admitted
from guard.outside.admission import admitter as admitter
from guard.outside.blocking import SyncAdmittingTransport as SyncAdmittingTransport
from guard.outside.sessions import Response, Sessions, post
from guard.outside.upstream import (
    ANSWER_BYTES,
    Header,
    client_errors,
    decoding,
    outgoing,
    proxy_failure,
    proxy_fields,
    refuse_redirect,
)
from guard.outside.upstream import Timeouts as Timeouts
from guard.outside.upstream import UpstreamError as UpstreamError
from guard.residency import PORTS
from guard.types import Admission

_LARGE_BODY = 1024 * 1024

_HEADS = 64
"""Sets of headers that are kept as aiohttp takes them: a client sends the same ones with each of its calls."""


class _UpstreamErrors:
    """Turns the failures of aiohttp into UpstreamError."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, failure: BaseException | None, _: object) -> None:
        if failure is None:
            return
        if isinstance(failure, TimeoutError):
            raise UpstreamError("timeout") from None
        if isinstance(failure, aiohttp.ClientConnectorError):
            raise UpstreamError("connect") from None
        if isinstance(failure, aiohttp.ClientHttpProxyError):
            raise proxy_failure(failure.status) from None
        if isinstance(failure, aiohttp.ClientError | OSError):
            raise UpstreamError("closed") from None


_UPSTREAM_ERRORS = _UpstreamErrors()


class Answer:
    """An upstream's answer: `status`, raw `headers`, its `peer` address, and `chunks` as they come in.

    Whoever takes one ends it: by reading `chunks` to their end, or with `aclose`, which closes the
    connection and so stops the upstream.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.peer = response.peer if isinstance(response, Response) else ""
        self.headers, self._decoder = decoding(response.raw_headers, ANSWER_BYTES)

    @cached_property
    def chunks(self) -> AsyncIterator[bytes]:
        """The pieces. Made when asked for: they hold the answer, and left unread both would wait for the collector."""
        return self._read()

    async def read(self, limit: int) -> bytes:
        """Read the whole body; an answer over `limit` bytes is closed and raises UpstreamError."""
        length = self._response.content_length
        if self._decoder is None and length is not None and length <= limit:
            with _UPSTREAM_ERRORS:
                return await self._response.read()
        body = bytearray()
        async for chunk in self.chunks:
            body += chunk
            if len(body) > limit:
                await self.aclose()
                raise UpstreamError("closed")
        return bytes(body)

    async def aclose(self) -> None:
        """Close the connection if the answer is not at its end (A05); safe to call twice."""
        self._response.close()

    async def _read(self) -> AsyncIterator[bytes]:
        try:
            with _UPSTREAM_ERRORS:
                async for chunk in self._response.content.iter_any():
                    for piece in self._decoder.feed(chunk) if self._decoder else (chunk,):
                        yield piece
            if self._decoder is not None:
                self._decoder.finish()
        finally:
            self._response.close()


class Egress:
    """The gate: admits a URL, then forwards over this loop's one session. Cheap to make, lazy to connect."""

    def __init__(
        self, admit: Admit, *, context: ssl.SSLContext | None = None, proxy_auth: SecretStr | None = None
    ) -> None:
        self.admit = admit
        self._public = PublicNames()
        self._sessions = Sessions(self._public, context)
        self._proxy_fields = _fields(proxy_fields(proxy_auth))
        self._last: tuple[httpx2.URL | str, Admission | None, _Target] = ("", None, _Target(URL()))

    async def forward(
        self,
        method: str,
        url: httpx2.URL | str,
        headers: Iterable[Header],
        body: bytes | AsyncIterable[bytes] = b"",
        timeouts: Timeouts | None = None,
        settled: Admission | None = None,
    ) -> Answer:
        """Send one request and return its answer as soon as the head is in.

        `settled` is what was decided of this one request, beyond its host (`guard.placement`). Raises Refused (451:
        `egress.host`, `egress.jurisdiction`, `egress.redirect`) and UpstreamError.
        """
        target = self._admitted(url, settled)
        fields = _forwarded(tuple(headers), isinstance(body, bytes))
        session = await self._sessions.get()
        limits = _limits(timeouts.connect, timeouts.read) if timeouts else _LIMITS
        with _UPSTREAM_ERRORS:
            if method == "POST" and target.proxy is None:
                return _answer(await post(session, target.url, fields, _payload(body), limits))
            response = await session.request(
                method,
                target.url,
                headers=fields,
                data=_payload(body),
                allow_redirects=False,
                proxy=target.proxy,
                proxy_headers=self._proxy_fields if target.proxy else None,
                timeout=limits,
            )
        return _answer(response)

    def _admitted(self, url: httpx2.URL | str, settled: Admission | None) -> _Target:
        """Admit a URL, and write it for aiohttp; the last one written is kept, since a gateway has few."""
        admission = admitted(self.admit, url if isinstance(url, httpx2.URL) else httpx2.URL(url), settled)
        known, decided, target = self._last
        if known is not url or decided is not admission:
            self._public.note(admission)
            target = _target(admission, httpx2.URL(url))
            self._last = (url, admission, target)
        return target

    async def aclose(self) -> None:
        """Close the running loop's connections."""
        await self._sessions.aclose()


class _Target(NamedTuple):
    """Where aiohttp connects: the admitted URL, and the proxy that carries it."""

    url: URL
    proxy: URL | None = None


def _target(admission: Admission, url: httpx2.URL) -> _Target:
    # Built from the admitted parts, so that no second parser may read another host out of the text.
    proxy = admission.proxy
    to = URL.build(
        scheme=url.scheme,
        host=admission.host,
        port=url.port or PORTS[url.scheme],
        path=url.raw_path.partition(b"?")[0].decode("ascii"),
        query_string=url.query.decode("ascii"),
        encoded=True,
    )
    return _Target(to, URL(proxy.origin) if proxy else None)


@lru_cache(_HEADS)
def _forwarded(headers: tuple[Header, ...], sized: bool) -> CIMultiDictProxy[str]:
    """The headers that may go on, as aiohttp takes them; raises as `outgoing`."""
    return CIMultiDictProxy(_fields(outgoing(headers, sized=sized)))


def _fields(headers: Iterable[Header]) -> CIMultiDict[str]:
    return CIMultiDict((name.decode("latin-1"), _text(value)) for name, value in headers)


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _payload(body: bytes | AsyncIterable[bytes]) -> Any:
    if not isinstance(body, bytes):
        return body
    return io.BytesIO(body) if len(body) > _LARGE_BODY else body or None


@lru_cache
def _limits(connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=connect, sock_read=read)


_LIMITS = _limits(Timeouts().connect, Timeouts().read)


def _answer(response: aiohttp.ClientResponse) -> Answer:
    try:
        refuse_redirect(response.status, response.raw_headers)
        return Answer(response)
    except BaseException:
        response.close()
        raise


# The two transports for httpx2 clients, and so for the official SDK.


class _AsyncStream(httpx2.AsyncByteStream):
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with client_errors():
            async for chunk in self._answer.chunks:
                yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


class AsyncAdmittingTransport(httpx2.AsyncBaseTransport):
    """The gate as an httpx2 transport; closing it closes the gate only if it `owns` it."""

    def __init__(self, egress: Egress, *, owns: bool = False) -> None:
        self._egress = egress
        self._owns = owns

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Forward one request; raises Refused, and httpx2's own errors for failures of the upstream."""
        limits = request.extensions.get("timeout", {})
        timeouts = Timeouts(limits.get("connect"), limits.get("read"))
        with client_errors():
            answer = await self._egress.forward(
                request.method, request.url, request.headers.raw, _body(request), timeouts
            )
        return httpx2.Response(
            answer.status,
            headers=answer.headers,
            stream=_AsyncStream(answer),
            request=request,
            extensions={"http_version": b"HTTP/1.1", "peer": answer.peer},
        )

    async def aclose(self) -> None:
        """Close the gate if this transport owns it."""
        if self._owns:
            await self._egress.aclose()


def _body(request: httpx2.Request) -> bytes | AsyncIterable[bytes]:
    try:
        return request.content
    except httpx2.RequestNotRead:
        if not isinstance(request.stream, httpx2.AsyncByteStream):
            raise TypeError("an asynchronous client needs an asynchronous body") from None
        return request.stream
