"""Texts packed into a run of letters: base64, base64url and hex, one level deep (RFC 4648)."""

from __future__ import annotations

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

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
LETTERS = frozenset(_ALPHABET + b"+/_-")
"""The bytes of such a run."""
_CLASSES = bytes(ord("a") if code in LETTERS else 0 for code in range(256))
_RUN = b"a" * SHORTEST
_PART = re.compile(rb"[A-Za-z0-9+]{16,}")
_ON = rb"[89ABab][0-9A-Fa-f]"
_HEX = re.compile(
    rb"(?:0[xX])?(?=.{16})((?:[2-7][0-9A-Fa-f]|0[9ADad]|[Cc][2-9A-Fa-f]%b|[Dd][0-9A-Fa-f]%b|[Ee][0-9A-Fa-f](?:%b){2}"
    rb"|[Ff][0-4](?:%b){3})++)" % (_ON, _ON, _ON, _ON)
)
"""Hex of what may be UTF-8 (RFC 3629, section 4): digits fail at the first that is none."""
_DECIMAL = frozenset(b"%02d" % pair for pair in (9, *range(20, 80)))
"""The hex of each byte of a text that decimal digits alone can write."""
_STANDARD = bytes.maketrans(b"-_", b"+/")
_TEXT = re.compile(
    rb"(?:[\t\n\r -~]++|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})*+"
)
"""UTF-8 (RFC 3629, section 4) without control characters."""

_SIXES = [*enumerate(_ALPHABET), (62, ord("+")), (62, ord("-")), (63, ord("/")), (63, ord("_"))]
_FIRST = frozenset(
    bytes((one, two))
    for high, one in _SIXES
    for low, two in _SIXES
    if _TEXT.fullmatch(bytes([high << 2 | low >> 4])) or 0xC2 <= (high << 2 | low >> 4) <= 0xF4
)
"""What a run of base64 begins with whose first byte begins a text."""
_FIRST_HEX = frozenset(
    b"%c%c" % (one, two)
    for one in b"0234567cdefCDEF"
    for two in b"0123456789abcdefABCDEFxX"
    if one != ord("0") or two in b"9adADxX"
)
"""What a run of hex begins with whose first byte begins a text; or its mark."""
_BEGINS = _FIRST | _FIRST_HEX
_PADDING = (b"", b"", b"==", b"=")
_HEAD = 12
"""The characters of a run that are looked at first: whole groups of four, of which each run has as many."""


def packed_in(text: bytes) -> Iterator[Unit]:
    """Each run of a projection that unpacks to text, with that text; a run that does not may hold one that does.

    Runs that are too short or too long are left out.
    """
    classes = text.translate(_CLASSES)
    low = classes.find(_RUN)
    while low >= 0:
        high = classes.find(0, low)
        if high < 0:
            high = len(classes)
        if high - low <= LONGEST:
            run = text[low:high]
            # So are most runs that are no text.
            number = run.isdigit() and not (run[2:4] in _DECIMAL and run[4:6] in _DECIMAL)
            if not number and run[:2] in _BEGINS and (whole := unpack(run)):
                yield low, _padded(text, high), whole, 0
            elif not run.isalnum():
                for part in _PART.finditer(text, low, high):  # between dashes and slashes
                    run = part.group()
                    if run[:2] in _BEGINS and (inner := unpack(run)):
                        yield part.start(), _padded(text, part.end()), inner, 0
        low = classes.find(_RUN, high)


def _padded(text: bytes, end: int) -> int:
    """The end of a run with its padding."""
    return end + len(text[end : end + 2]) - len(text[end : end + 2].lstrip(b"="))


def unpack(run: bytes) -> str:
    """The text that a run stands for, empty where it is none: UTF-8 without control characters.

    Digits alone are hex or a number, never base64.
    """
    digits = run[:2] in _FIRST_HEX and _HEX.fullmatch(run)
    if digits and (read := _readable(bytes.fromhex(digits.group(1).decode("ascii")))):
        return read
    if run[:2] not in _FIRST or len(run) % 4 == 1 or run.isdigit():
        return ""
    head = binascii.a2b_base64(run[:_HEAD].translate(_STANDARD))
    # It may end within a character; `_TEXT` matches wherever it is asked, be it nothing.
    return _readable(_decoded(run)) if _TEXT.match(head).end() > len(head) - 4 else ""  # type: ignore[union-attr]


def _decoded(run: bytes) -> bytes:
    """A run of base64, its padding left off, as bytes."""
    try:
        return binascii.a2b_base64(run.translate(_STANDARD) + _PADDING[len(run) % 4])
    except binascii.Error:
        return b""


def _readable(data: bytes) -> str:
    """Bytes as text, empty where a control character or no UTF-8 says that they are none."""
    return data.decode("utf-8") if _TEXT.fullmatch(data) else ""
