"""The gate for synchronous clients: the same admission, over httpcore2's pool."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpcore2
import httpx2
from pydantic import SecretStr

from guard.outside.admission import Admit, PublicNames, admitted
from guard.outside.sessions import KEPT_ALIVE_S, tls
from guard.outside.upstream import (
    ANSWER_BYTES,
    Decoder,
    Header,
    client_errors,
    decoding,
    outgoing,
    proxy_failure,
    proxy_fields,
    refuse_redirect,
)
from guard.types import Admission, Proxy


class _Backend(httpcore2.SyncBackend):
    """Resolve once, check, and connect to what was checked."""

    def __init__(self, public: PublicNames) -> None:
        self._public = public

    def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore2.NetworkStream:
        addresses = self._addresses(host, port)
        self._public.check(host, addresses)
        for address in addresses[:-1]:
            try:
                return super().connect_tcp(address, port, *args, **options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return super().connect_tcp(addresses[-1], port, *args, **options)

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise httpcore2.ConnectError("the host's name could not be resolved") from None
        return list(dict.fromkeys(str(info[4][0]) for info in infos))


class _SyncStream(httpx2.SyncByteStream):
    def __init__(self, response: httpcore2.Response, decoder: Decoder | None) -> None:
        self._response = response
        self._decoder = decoder

    def __iter__(self) -> Iterator[bytes]:
        with client_errors(), _core_errors():
            for chunk in self._response.iter_stream():
                yield from self._decoder.feed(chunk) if self._decoder else (chunk,)
            if self._decoder:
                self._decoder.finish()

    def close(self) -> None:
        with _core_errors():
            self._response.close()


@contextmanager
def _core_errors() -> Iterator[None]:
    try:
        yield
    except httpcore2.ProxyError as error:  # its text begins with the status of CONNECT
        raise proxy_failure(int(str(error)[:3])) from None
    except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError) as error:
        raise getattr(httpx2, type(error).__name__)(str(error)) from None


class SyncAdmittingTransport(httpx2.BaseTransport):
    """The gate as a synchronous httpx2 transport."""

    def __init__(
        self, admit: Admit, *, context: ssl.SSLContext | None = None, proxy_auth: SecretStr | None = None
    ) -> None:
        self.admit = admit
        self._public = PublicNames()
        self._context = context or tls()
        self._proxy_fields = proxy_fields(proxy_auth)
        self._lock = threading.Lock()
        self._pools: dict[str, httpcore2.ConnectionPool] = {}

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Forward one request; raises Refused, and httpx2's own errors for failures of the upstream."""
        admission = admitted(self.admit, request.url, request.extensions.get("settled"))
        self._public.note(admission)
        with client_errors(), _core_errors():
            response = self._pool(admission.proxy).handle_request(_core_request(request, admission))
        try:
            return _client_response(request, response)
        except BaseException:
            response.close()
            raise

    def _pool(self, proxy: Proxy | None) -> httpcore2.ConnectionPool:
        """The connections that a proxy carries, or those that none does."""
        origin = proxy.origin if proxy is not None else ""
        with self._lock:
            found = self._pools.get(origin)
            if found is None:
                found = self._pools[origin] = self._opened(origin)
            return found

    def _opened(self, proxy: str) -> httpcore2.ConnectionPool:
        common: dict[str, Any] = {
            "ssl_context": self._context,
            "max_connections": None,
            "max_keepalive_connections": 20,
            "keepalive_expiry": KEPT_ALIVE_S,
            "network_backend": _Backend(self._public),
        }
        if not proxy:
            return httpcore2.ConnectionPool(**common)
        return httpcore2.HTTPProxy(proxy, proxy_headers=self._proxy_fields, **common)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()


def _core_request(request: httpx2.Request, admission: Admission) -> httpcore2.Request:
    url = httpcore2.URL(
        scheme=request.url.raw_scheme,
        host=admission.host.encode("ascii"),
        port=request.url.port,
        target=request.url.raw_path,
    )
    extensions = {"timeout": request.extensions.get("timeout", {})}
    return httpcore2.Request(
        request.method,
        url,
        headers=_fields(request, admission),
        content=request.stream,
        extensions=extensions,
    )


def _fields(request: httpx2.Request, admission: Admission) -> list[Header]:
    host = f"[{admission.host}]" if ":" in admission.host else admission.host
    host += f":{request.url.port}" if request.url.port else ""
    fields = [(b"host", host.encode("ascii")), *outgoing(request.headers.raw, sized=False)]
    if "transfer-encoding" in request.headers:
        fields.append((b"transfer-encoding", b"chunked"))
    return fields


def _client_response(request: httpx2.Request, response: httpcore2.Response) -> httpx2.Response:
    refuse_redirect(response.status, response.headers)
    with client_errors():
        headers, decoder = decoding(response.headers, ANSWER_BYTES)
    return httpx2.Response(
        response.status,
        headers=headers,
        stream=_SyncStream(response, decoder),
        request=request,
        extensions={"http_version": b"HTTP/1.1", "peer": _peer(response)},
    )


def _peer(response: httpcore2.Response) -> str:
    stream = response.extensions.get("network_stream")
    try:
        address = stream.get_extra_info("server_addr") if stream is not None else None
    except OSError:  # the server has hung up already; what it answered can still be read
        return ""
    return str(address[0]) if address else ""
