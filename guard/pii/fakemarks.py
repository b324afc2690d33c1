"""Find fakes in a text without knowing their kinds: a recognizer may see a part of one, or take it for another kind.

Only shapes that real values do not have: an exact length, or a check that had to fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from guard.pii import fakehosts, fakenumbers, fakephones, fakewords
from guard.pii.shapes import is_long_generic
from guard.pii.validators import IBAN_LENGTHS

Span = tuple[int, int]

_RUN = re.compile(r"\+?\d(?:[ .()/_-]{0,3}\d)+")
_GROUP = re.compile(r"\+?\d+")
_GROUPS = 8
_NUMBERS: tuple[Callable[[str], bool], ...] = (
    fakephones.is_phone,
    fakenumbers.is_card,
    fakenumbers.is_ssn,
    fakenumbers.is_nhs,
    is_long_generic,
)
_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z]{2,}[._-]?[A-Za-z]{2,}\d\d@example\.(?:com|org|net)\b", re.IGNORECASE
)
_URL = re.compile(r"(?:\b[a-z][a-z0-9+.-]*://)?\bexample\.com/[0-9a-f]{8}\b", re.IGNORECASE)
_UUID = re.compile(r"\b0{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
_IPV6 = re.compile(r"\b2001:db8(?::[0-9a-f]{1,4}){6}\b", re.IGNORECASE)
_RESIDENT = re.compile(r"(?<![0-9A-Za-z])99\d{12}(?:\d{3})?[0-9Xx](?![0-9A-Za-z])")
_NINO = re.compile(r"\bQQ ?\d\d ?\d\d ?\d\d ?[A-D]\b", re.IGNORECASE)
_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Za-z]{2}00(?:[ -]?[0-9A-Za-z]){11,30}")
_MAC = re.compile(r"\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b", re.IGNORECASE)
_PLATE = re.compile(r"假[A-Z][·. -]?[0-9A-Z]{5,6}(?![0-9A-Z])")
_ITIN = re.compile(r"\b9\d\d-00-\d{4}\b")
_EXACT = (_EMAIL, _ITIN, _URL, _UUID, _IPV6, _NINO, _PLATE)
_CODE = re.compile(r"[^\s\"'<>,;=:&?()]{12,}")


def spans(text: str) -> Iterator[Span]:
    """Yield where fakes stand; they may overlap."""
    yield from fakewords.marked_spans(text)
    for pattern in _EXACT:
        yield from (match.span() for match in pattern.finditer(text))
    yield from _verified(_RESIDENT, fakenumbers.is_resident_id, text)
    yield from _verified(_MAC, fakehosts.is_mac, text)
    yield from _verified(_CODE, is_long_generic, text)
    yield from _ibans(text)
    yield from _numbers(text)


def _verified(pattern: re.Pattern[str], known: Callable[[str], bool], text: str) -> Iterator[Span]:
    return (match.span() for match in pattern.finditer(text) if known(match.group()))


def _ibans(text: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        size = IBAN_LENGTHS.get(match.group()[:2].upper(), 0)
        end = _after(match.group(), size)
        if end and fakenumbers.is_iban(match.group()[:end]):
            yield match.start(), match.start() + end


def _after(text: str, count: int) -> int:
    places = [i for i, c in enumerate(text) if c.isalnum()]
    return places[count - 1] + 1 if 0 < count <= len(places) else 0


def _numbers(text: str) -> Iterator[Span]:
    for run in _RUN.finditer(text):
        groups = [group.span() for group in _GROUP.finditer(text, run.start(), run.end())]
        for first, (start, _) in enumerate(groups):
            for _, end in groups[first : first + _GROUPS]:
                if any(known(text[start:end]) for known in _NUMBERS):
                    yield start, end
