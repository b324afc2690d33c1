"""One aiohttp session an event loop: no proxies, no cookies, no redirects, own resolver, one TLS context."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from functools import cache
from inspect import signature
from typing import Any, NamedTuple

import aiohttp
import httpx2
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.hdrs import CONTENT_LENGTH
from aiohttp.http_writer import StreamWriter
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from guard.outside.admission import PublicNames

KEPT_ALIVE_S = 4.0
"""Seconds that an idle connection is kept: less than the 5 after which uvicorn (so vLLM) and Node close it, since a
request that is sent while the server closes is lost."""


@cache
def tls() -> ssl.SSLContext:
    """The process's one TLS context: the system's trust store, and nothing from the environment."""
    context: ssl.SSLContext = httpx2.create_ssl_context(trust_env=False)
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)  # RFC 8996
    return context


_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_NONE_OF_THEM: CIMultiDict[None] = CIMultiDict((name, None) for name in _NOT_ADDED)


_SHORT_BODY = 64 * 1024
"""As much is written without waiting for the socket, as aiohttp has it."""


def _takes(call: Callable[..., Any], *arguments: None, **named: None) -> bool:
    try:
        signature(call).bind(*arguments, **named)
    except (TypeError, ValueError):
        return False
    return True


SHORT_CUT = (
    _takes(
        aiohttp.ClientResponse, None, None, writer=None, continue100=None, timer=None, request_info=None,
        traces=None, loop=None, session=None, stream_writer=None,
    )
    and _takes(
        aiohttp.ClientRequest, None, None, headers=None, data=None, loop=None, response_class=None, session=None
    )
    and _takes(aiohttp.TCPConnector.connect, None, None, traces=None, timeout=None)
    and _takes(
        ResponseHandler.set_response_params, None, read_until_eof=None, auto_decompress=None, read_timeout=None
    )
    and _takes(StreamWriter.write, None, None, drain=None)
)  # fmt: skip
"""Whether this aiohttp takes what `post` and `Request.send` hand it: 3.14 does, 3.13 does not and goes its own way."""


class Request(aiohttp.ClientRequest):
    """An aiohttp request that says nothing of itself: what goes out are the headers that were let through.

    So does the session's `skip_auto_headers`, which sorts and copies all headers for each request. A short body is
    written with the head: aiohttp makes a task for it, which on Python 3.11 waits for its turn.
    """

    _short = b""

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Add no headers, here and where the body is written."""
        self._skip_auto_headers = _NONE_OF_THEM

    def update_body_from_data(self, body: Any, *more: Any, **named: Any) -> None:
        """Take the body; a short one of a POST, which aiohttp never sends again, is written here."""
        if SHORT_CUT and type(body) is bytes and len(body) <= _SHORT_BODY and self.method == "POST":
            self._short = body
            self.headers[CONTENT_LENGTH] = str(len(body))
        else:
            super().update_body_from_data(body, *more, **named)

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Write the head, and the body with it."""
        if not self._short:
            return await super().send(conn)
        protocol = conn.protocol
        assert protocol is not None
        writer = StreamWriter(protocol, self.loop)
        target = str(self.url) if self.proxy and not self.is_ssl() else self.url.raw_path_qs
        await writer.write_headers(f"{self.method} {target} HTTP/1.1", self.headers)
        await writer.write(self._short, drain=False)
        writer.set_eof()
        protocol.start_timeout()
        return self.response_class(
            self.method,
            self.original_url,
            writer=None,
            continue100=None,
            timer=self._timer,
            request_info=self.request_info,
            traces=[],
            loop=self.loop,
            session=self.session,
            stream_writer=writer,
        )


class Response(aiohttp.ClientResponse):
    """An aiohttp response that remembers the address it came from (at its end it drops the connection)."""

    peer: str = ""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Note the peer, then read the head."""
        transport = connection.transport
        address = transport.get_extra_info("peername") if transport is not None else None
        self.peer = str(address[0]) if address else ""
        return await super().start(connection)


async def post(
    session: aiohttp.ClientSession,
    url: URL,
    headers: CIMultiDictProxy[str],
    body: Any,
    limits: aiohttp.ClientTimeout,
) -> aiohttp.ClientResponse:
    """Send a body and return the answer once its head is in, as `session.post` does without redirects.

    Left out is what guard's session has none of: cookies, credentials in the URL, a total timeout, tracing, a
    middleware, a second try.
    """
    if not SHORT_CUT:
        return await session.post(url, headers=headers, data=body, allow_redirects=False, timeout=limits)
    connector, loop = session.connector, asyncio.get_running_loop()
    assert connector is not None
    request = Request(
        "POST", url, headers=headers, data=body, loop=loop, response_class=Response, session=session
    )
    connection = await connector.connect(request, traces=[], timeout=limits)
    try:
        assert connection.protocol is not None
        connection.protocol.set_response_params(
            read_until_eof=True, auto_decompress=False, read_timeout=limits.sock_read
        )
        response = await request.send(connection)
        try:
            return await response.start(connection)
        except BaseException:
            response.close()
            raise
    except BaseException:
        connection.close()
        raise


class _Resolver(AbstractResolver):
    """Resolve once; what is checked here is what is connected to."""

    def __init__(self, public: PublicNames) -> None:
        self._inner = aiohttp.ThreadedResolver()
        self._public = public

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        self._public.check(host, [result["host"] for result in found])
        return found

    async def close(self) -> None:
        await self._inner.close()


class _Open(NamedTuple):
    session: aiohttp.ClientSession
    keeper: AsyncGenerator[None]


class Sessions:
    """The sessions of one gate, made lazily, each closed with its loop."""

    def __init__(self, public: PublicNames, context: ssl.SSLContext | None) -> None:
        self._public = public
        self._context = context
        self._lock = threading.Lock()
        self._open: dict[asyncio.AbstractEventLoop, _Open] = {}

    async def get(self) -> aiohttp.ClientSession:
        """The running loop's session."""
        loop = asyncio.get_running_loop()
        found = self._open.get(loop)
        if found is None or found.session.closed:
            found = await self._make()
            with self._lock:
                self._open = {old: kept for old, kept in self._open.items() if not old.is_closed()}
                self._open[loop] = found
        return found.session

    async def aclose(self) -> None:
        """Close the running loop's session."""
        with self._lock:
            found = self._open.pop(asyncio.get_running_loop(), None)
        if found is not None:
            await found.keeper.aclose()

    async def _make(self) -> _Open:
        session = self._session()
        keeper = _keep(session)
        await anext(keeper)
        return _Open(session, keeper)

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,  # the server's own concurrency is the bound; a second queue here would only hide it
            keepalive_timeout=KEPT_ALIVE_S,
            ssl=self._context or tls(),
            resolver=_Resolver(self._public),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            request_class=Request,
            response_class=Response,
            skip_auto_headers=_NOT_ADDED,  # should an aiohttp have no such method any more
        )


async def _keep(session: aiohttp.ClientSession) -> AsyncGenerator[None]:
    # A loop that ends closes its asynchronous generators: so the session closes where it was made, without
    # anybody having to remember it.
    try:
        yield
    finally:
        await session.close()
