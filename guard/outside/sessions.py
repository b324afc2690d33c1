"""One aiohttp session an event loop: no proxies, no cookies, no redirects, own resolver, one TLS context."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, Iterable
from functools import cache
from typing import NamedTuple

import aiohttp
import httpx2
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from multidict import CIMultiDict

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


class Request(aiohttp.ClientRequest):
    """An aiohttp request that says nothing of itself: what goes out are the headers that were let through.

    So does the session's `skip_auto_headers`, which sorts and copies all headers for each request.
    """

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Add no headers, here and where the body is written."""
        self._skip_auto_headers = _NONE_OF_THEM


class Response(aiohttp.ClientResponse):
    """An aiohttp response that remembers the address it came from (at its end it drops the connection)."""

    peer: str = ""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Note the peer, then read the head."""
        transport = connection.transport
        address = transport.get_extra_info("peername") if transport is not None else None
        self.peer = str(address[0]) if address else ""
        return await super().start(connection)


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
