"""Texts packed into a run of letters: base64, base64url and hex, one level deep (RFC 4648)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from guard.pii.splice import Unit

SHORTEST = 16
"""The characters of the shortest run that is unpacked."""

LONGEST = 4096
"""The characters of the longest: as much as a stream holds back without a place for a cut (`cuts.BOUND`)."""

HINT = rf"[A-Za-z0-9+/_-]{{{SHORTEST}}}"
"""What a text with such a run contains, for the gate (RE2)."""

_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-")
_CLASSES = bytes(ord("a") if code in _LETTERS else 0 for code in range(256))
_RUN = re.compile(rb"a{16,}")
_PART = re.compile(rb"[A-Za-z0-9+]{16,}")
_HEX = re.compile(rb"(?:0[xX])?((?:[0-9A-Fa-f]{2}){8,})")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_PRINTABLE = bytes([9, 10, 13, *range(32, 127), *range(128, 256)])
_HEAD = 12


def packed_in(text: bytes) -> Iterator[Unit]:
    """Each run of a projection that unpacks to text, with that text; a run that does not may hold one that does."""
    for match in _RUN.finditer(text.translate(_CLASSES)):
        low, high = match.span()
        if high - low <= LONGEST:
            yield from _unpacked(text, low, high)


def _unpacked(text: bytes, low: int, high: int) -> Iterator[Unit]:
    whole = unpack(text[low:high])
    if whole:
        yield low, _padded(text, high), whole
        return
    for part in _PART.finditer(text, low, high):
        inner = unpack(part.group()) if part.span() != (low, high) else ""
        if inner:
            yield part.start(), _padded(text, part.end()), inner


def _padded(text: bytes, end: int) -> int:
    """The end of a run with its padding."""
    return end + len(text[end : end + 2]) - len(text[end : end + 2].lstrip(b"="))


def unpack(run: bytes) -> str:
    """The text that a run stands for, empty where it is none: UTF-8 without control characters."""
    digits = _HEX.fullmatch(run)
    if digits and (read := _readable(bytes.fromhex(digits.group(1).decode("ascii")))):
        return read
    if len(run) % 4 == 1 or _decoded(run[:_HEAD]).translate(None, _PRINTABLE):
        return ""
    return _readable(_decoded(run))


def _decoded(run: bytes) -> bytes:
    """A run of base64, its padding left off, as bytes."""
    try:
        return base64.b64decode(run.translate(_STANDARD) + b"=" * (-len(run) % 4))
    except binascii.Error:
        return b""


def _readable(data: bytes) -> str:
    """Bytes as text, empty where a control character or no UTF-8 says that they are none."""
    if data.translate(None, _PRINTABLE):
        return ""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
