"""What every connection shares: its failures, its time limits, its headers, and bounded decoding."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
from pydantic import SecretStr

from guard.errors import BadRequest, GuardError, Refused, SetupError

Header = tuple[bytes, bytes]

ANSWER_BYTES = 64 * 1024 * 1024
"""The most of one answer that is read, decoded: an upstream may not fill the memory of the process (case A11)."""

_REASONS = {
    "connect": "the upstream could not be reached",
    "timeout": "the upstream did not answer in time",
    "closed": "the upstream closed the connection or did not speak HTTP",
    "proxy": "the proxy of egress.proxy refused the connection: does it allow the host, is GUARD_PROXY_AUTH right?",
    "encoding": "the upstream answered in an encoding that was not asked for and cannot be read",
}

# Of one connection (RFC 9110 7.6.1), or decided here: the host is the admitted one, answers come plain.
_DROPPED = frozenset(
    b"host connection keep-alive proxy-authorization proxy-connection te trailer transfer-encoding upgrade "
    b"expect accept-encoding".split()
)
_breaks = re.compile(rb"[\r\n\0]").search


class UpstreamError(GuardError):
    """The upstream failed; `kind` is connect, timeout, closed, proxy or encoding. It never quotes a body."""

    def __init__(self, kind: str) -> None:
        super().__init__(_REASONS[kind])
        self.kind = kind


_CLIENT_ERRORS = {
    "connect": httpx2.ConnectError,
    "timeout": httpx2.ReadTimeout,
    "closed": httpx2.ReadError,
    "proxy": httpx2.ProxyError,
    "encoding": httpx2.DecodingError,
}


@contextmanager
def client_errors() -> Iterator[None]:
    """Turn an UpstreamError into the error that users of httpx2 know, so that the SDK's own retries work."""
    try:
        yield
    except UpstreamError as error:
        raise _CLIENT_ERRORS[error.kind](str(error)) from None


def proxy_failure(status: int) -> UpstreamError:
    """Read the status by which a proxy answered CONNECT: 5xx is the upstream's failure, the rest its own refusal."""
    return UpstreamError("connect" if status >= 500 else "proxy")


def proxy_fields(auth: SecretStr | None) -> list[Header]:
    """The headers that a proxy is shown; raises SetupError for what is no `user:password`."""
    if auth is None:
        return []
    user, _, password = auth.get_secret_value().partition(":")
    if not user or not password:
        raise SetupError("GUARD_PROXY_AUTH: write user:password")
    given = base64.b64encode(f"{user}:{password}".encode())
    return [(b"Proxy-Authorization", b"Basic " + given)]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait: for a connection, and for the next bytes of an answer; None waits for ever."""

    connect: float | None = 10.0
    read: float | None = 600.0


def outgoing(headers: Iterable[Header], *, sized: bool) -> list[Header]:
    """Keep the headers that may be forwarded and ask for a plain answer.

    `sized` says that the body's length is known here, so that a Content-Length that came along is dropped.
    Raises Refused for an upgrade to a websocket.
    """
    kept = [(b"accept-encoding", b"identity")]
    for name, value in headers:
        lower = name.lower()
        if _breaks(name) or _breaks(value):
            raise BadRequest(400, "invalid_header", "a header holds a line break")
        if lower == b"upgrade" and b"websocket" in value.lower():
            raise Refused("egress.host", "guard opens no websockets", status=451)
        if lower not in _DROPPED and not (sized and lower == b"content-length"):
            kept.append((name, value))
    return kept


def refuse_redirect(status: int, headers: Iterable[Header]) -> None:
    """Raise Refused for an answer that points elsewhere (C23: a 307 would carry the whole prompt along)."""
    if 300 <= status < 400 and any(name.lower() == b"location" for name, _ in headers):
        raise Refused(
            "egress.redirect", "the upstream answered with a redirect, which guard never follows", status=451
        )


class Decoder:
    """Decode a gzip or deflate answer that came unasked: step by step, and never more than `limit` bytes."""

    STEP = 64 * 1024

    def __init__(self, encoding: bytes, limit: int) -> None:
        if encoding not in (b"gzip", b"x-gzip", b"deflate"):
            raise UpstreamError("encoding")
        self._left = limit
        self._inflate = zlib.decompressobj(wbits=47)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decoded pieces of at most 64 KB; raises UpstreamError for bad data or too much of it."""
        while data:
            piece = self._step(data)
            data = self._inflate.unconsumed_tail
            if self._inflate.eof:
                data = self._next_member()
            if piece:
                yield piece

    def finish(self) -> None:
        """Raise UpstreamError if the data ended early."""
        if not self._inflate.eof:
            raise UpstreamError("encoding")

    def _step(self, data: bytes) -> bytes:
        try:
            piece = self._inflate.decompress(data, self.STEP)
        except zlib.error:
            raise UpstreamError("encoding") from None
        self._left -= len(piece)
        if self._left < 0:
            raise UpstreamError("encoding")
        return piece

    def _next_member(self) -> bytes:
        rest = self._inflate.unused_data
        if rest:
            self._inflate = zlib.decompressobj(wbits=47)
        return rest


def decoding(headers: Iterable[Header], limit: int) -> tuple[list[Header], Decoder | None]:
    """Split off a content encoding: the headers that stay true, and the decoder if one is needed.

    `x-guard-*` is what guard says of a call: from a provider it is nothing, and ends here.
    """
    kept: list[Header] = []
    codings: list[bytes] = []
    for header in headers:
        name = header[0].lower()
        if name == b"content-encoding":
            codings.append(header[1].strip().lower())
        if not name.startswith(b"x-guard-"):
            kept.append(header)
    codings = [coding for coding in codings if coding not in (b"", b"identity")]
    if not codings:
        return kept, None
    if len(codings) > 1:
        raise UpstreamError("encoding")
    kept = [h for h in kept if h[0].lower() not in (b"content-encoding", b"content-length")]
    return kept, Decoder(codings[0], limit)
