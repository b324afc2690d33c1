"""From the bytes of a request to its JSON: content codings and media types, bounded or refused."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from guard.errors import BadRequest

Headers = Sequence[tuple[bytes, bytes]]

_STEP = 64 * 1024
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
# JSON under another name, as clients send it without knowing (A31).
_AS_JSON = frozenset({"", "text/plain", "text/json", "application/octet-stream", "application/json"})
_WBITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW_DEFLATE = -15


@dataclass(frozen=True, slots=True)
class BodyForm:
    """How a body is written: its content coding ("" for none) and its media type, lower-case; and as it was said."""

    coding: str = ""
    media_type: str = ""
    content_type: str = ""

    @property
    def json(self) -> bool:
        """Whether a known endpoint reads this as JSON."""
        return self.media_type in _AS_JSON or self.media_type.endswith("+json")


def form(headers: Headers) -> BodyForm:
    """Read Content-Encoding and Content-Type.

    Raises BadRequest 400 for two of one header, 415 for what guard cannot read: codings are
    gzip, deflate and identity, one at most; the charset is UTF-8 or ASCII.
    """
    codings, types = [], []
    for key, value in headers:
        length = len(key)
        if length == _TYPE_LENGTH and key.lower() == _TYPE:
            types.append(value)
        elif length == _CODING_LENGTH and key.lower() == _CODING:
            codings.append(value)
    return _form(_single(codings, _CODING), _single(types, _TYPE))


_CODING, _TYPE = b"content-encoding", b"content-type"
_CODING_LENGTH, _TYPE_LENGTH = len(_CODING), len(_TYPE)


@lru_cache(maxsize=256)
def _form(coding: bytes, media_type: bytes) -> BodyForm:
    encoding, content_type = coding.decode("latin-1").strip().lower(), media_type.decode("latin-1")
    if encoding not in ("", "identity", *_WBITS):
        raise BadRequest(415, "guard.opaque.encoding", "send the body as identity, gzip or deflate")
    named, _, parameters = content_type.partition(";")
    if _charset(parameters) not in _CHARSETS:
        raise BadRequest(415, "guard.opaque.encoding", "send the body in UTF-8")
    return BodyForm("" if encoding == "identity" else encoding, named.strip().lower(), content_type)


def json_form(headers: Headers) -> BodyForm:
    """Read the form of a body at a known endpoint; raises BadRequest 415 if it is not JSON under any name."""
    found = form(headers)
    if not found.json:
        raise BadRequest(415, "guard.opaque.encoding", "send the body as application/json")
    return found


def _single(values: Sequence[bytes], name: bytes) -> bytes:
    if len(values) > 1:
        raise BadRequest(400, "repeated_header", f"send {name.decode()} once")
    return values[0] if values else b""


def _charset(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'").lower()
    return "utf-8"


class _Inflate(Protocol):
    """What zlib.decompressobj returns."""

    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class BodyDecoder:
    """Undo one content coding step by step, holding at most `limit` decoded bytes.

    The limit counts decoded bytes, so that a small body that grows without end stops there (413).
    """

    def __init__(self, coding: str, limit: int) -> None:
        self._coding = coding
        self._limit = limit
        self._decoded = bytearray()
        self._coded = 0
        self._inflate: _Inflate | None = zlib.decompressobj(_WBITS[coding]) if coding else None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; raises BadRequest 413 beyond the limit, 400 for damaged data."""
        self._coded += len(chunk)
        if self._coded > self._limit:
            raise _too_large(self._limit)
        if self._inflate is None:
            self._decoded += chunk
        elif chunk:
            self._expand(self._inflate, chunk)

    def finish(self) -> bytes:
        """Return the whole decoded body; raises BadRequest 400 if the coded data broke off."""
        if self._inflate is not None and self._coded and not self._inflate.eof:
            raise _damaged()
        return bytes(self._decoded)

    def _expand(self, inflate: _Inflate, data: bytes) -> None:
        """Inflate in bounded steps until nothing is left to read or to write."""
        if (
            not self._decoded
            and self._coding == "deflate"
            and self._coded == len(data)
            and not _is_zlib(data)
        ):
            inflate = self._inflate = zlib.decompressobj(_RAW_DEFLATE)
        more = True
        while more:
            if inflate.eof:
                inflate = self._next_member(data)
            plain = _inflate(inflate, data)
            self._decoded += plain
            if len(self._decoded) > self._limit:
                raise _too_large(self._limit)
            data = inflate.unconsumed_tail or inflate.unused_data
            more = bool(data) or (len(plain) == _STEP and not inflate.eof)

    def _next_member(self, data: bytes) -> _Inflate:
        """Begin another gzip member (RFC 1952, 2.2); nothing may follow a deflate stream."""
        if self._coding == "deflate" or not data.startswith(b"\x1f"):
            raise _damaged()
        self._inflate = zlib.decompressobj(_WBITS[self._coding])
        return self._inflate


def _inflate(inflate: _Inflate, data: bytes) -> bytes:
    try:
        return inflate.decompress(data, _STEP)
    except zlib.error:
        pass
    raise _damaged()


def _is_zlib(data: bytes) -> bool:
    """Whether deflate data begins with the zlib header of RFC 1950 (some clients send it raw)."""
    return data[0] & 0x0F == 8 and (len(data) < 2 or (data[0] << 8 | data[1]) % 31 == 0)


def _damaged() -> BadRequest:
    return BadRequest(400, "guard.opaque.encoding", "the content coding of the body is damaged")


def _too_large(limit: int) -> BadRequest:
    return BadRequest(413, "body_too_large", f"the body is larger than {limit} bytes (GUARD_MAX_BODY_BYTES)")


def bounded(chunks: Iterable[bytes], limit: int) -> bytes:
    """Join the chunks of a body; raises BadRequest 413 as soon as they exceed the limit."""
    decoder = BodyDecoder("", limit)
    for chunk in chunks:
        decoder.feed(chunk)
    return decoder.finish()


def decode(data: bytes, coding: str, limit: int) -> bytes:
    """Undo the content coding of a whole body (see BodyDecoder)."""
    if not coding:
        return bounded((data,), limit) if len(data) > limit else data
    decoder = BodyDecoder(coding, limit)
    for start in range(0, len(data), _STEP):
        decoder.feed(data[start : start + _STEP])
    return decoder.finish()
