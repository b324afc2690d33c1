"""`as: faker`: values of the same shape that are nobody's, and the sign by which each is known again.

Every family writes into a range that is reserved, unassigned or impossible, so `is_fake` needs no key.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from guard.pii import fakehosts, fakenumbers, fakephones, fakewords, shapes
from guard.pii.draw import Draw

_SUFFIX = re.compile(r"#\d+\Z")
_NEAR = 48


@dataclass(frozen=True, slots=True)
class Family:
    """How one family of kinds is faked: draw a fake, and know one."""

    make: Callable[[str, Draw], str]
    known: Callable[[str], bool]


GENERIC = Family(shapes.generic, shapes.is_generic)
FAMILIES: dict[str, Family] = {
    "pii.email": Family(fakewords.email, fakewords.is_email),
    "pii.phone": Family(fakephones.phone, fakephones.is_phone),
    "pii.za.mobile_number": Family(fakephones.phone, fakephones.is_phone),
    "pii.za.telephone_number": Family(fakephones.phone, fakephones.is_phone),
    "pii.card": Family(fakenumbers.card, fakenumbers.is_card),
    "pii.cn.bank_account": Family(fakenumbers.card, fakenumbers.is_card),
    "pii.iban": Family(fakenumbers.iban, fakenumbers.is_iban),
    "pii.ip": Family(fakehosts.ip, fakehosts.is_ip),
    "pii.mac": Family(fakehosts.mac, fakehosts.is_mac),
    "pii.uuid": Family(fakehosts.uuid, fakehosts.is_uuid),
    "pii.url": Family(fakehosts.url, fakehosts.is_url),
    "pii.url_credentials": Family(fakehosts.url, fakehosts.is_url),
    "pii.us.ssn": Family(fakenumbers.ssn, fakenumbers.is_ssn),
    "pii.us.itin": Family(fakenumbers.itin, fakenumbers.is_itin),
    "pii.uk.nhs": Family(fakenumbers.nhs, fakenumbers.is_nhs),
    "pii.uk.nino": Family(fakenumbers.nino, fakenumbers.is_nino),
    "pii.cn.resident_id": Family(fakenumbers.resident_id, fakenumbers.is_resident_id),
    "pii.cn.plate": Family(fakenumbers.plate, fakenumbers.is_plate),
}
_WORDS = {
    "pii.person": fakewords.person,
    "pii.address": fakewords.address,
    "pii.place": fakewords.place,
    "pii.org": fakewords.organisation,
}


def fake(
    key: bytes, kind: str, value: str, *, locale: Sequence[str] = ("en_US", "zh_CN"), attempt: int = 0
) -> str:
    """Draw the fake of a value: one under one key, another for each `attempt`, never the value itself.

    A Chinese value gets a Chinese fake where `locale` has a Chinese one; other names come from the first
    other locale. Separators, character classes and letter case are kept. Raises SetupError for a locale that
    Faker lacks.
    """
    plain = _plain(value)
    draw = Draw(key, kind, canonical(kind, plain), attempt)
    made = _WORDS[kind](plain, draw, tuple(locale)) if kind in _WORDS else _family(kind).make(plain, draw)
    return made if made != value else f"{made}#0"


def is_fake(kind: str, value: str) -> bool:
    """Whether a value lies in the range that fakes of its kind are drawn from."""
    plain = _SUFFIX.sub("", _plain(value))
    if kind in _WORDS:
        return fakewords.is_marked(plain)
    return _family(kind).known(plain)


def is_fake_at(kind: str, text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is a fake, or lies inside one that a recognizer saw only a part of."""
    if is_fake(kind, text[start:end]):
        return True
    low = max(0, start - _NEAR)
    near = text[low : end + _NEAR]
    if kind not in _WORDS or end - start > _NEAR or not fakewords.may_hold_mark(near):
        return False
    return any(s <= start - low and end - low <= e for s, e in fakewords.marked_spans(near))


def canonical(kind: str, value: str) -> str:
    """What of a value decides the draw: of numbers and codes the letters and digits, else all but case."""
    if kind.startswith("secret."):
        return value
    folded = " ".join(value.casefold().split())
    if kind in _WORDS or kind in ("pii.email", "pii.url", "pii.url_credentials"):
        return folded
    return "".join(filter(str.isalnum, folded)) or folded


def warm(locale: Sequence[str]) -> None:
    """Load Faker's lists now, so that the first fake need not; raises SetupError for an unknown locale."""
    for kind in _WORDS:
        for value in ("Ada Lovelace", "王小明"):
            fake(b"", kind, value, locale=locale)


def _plain(value: str) -> str:
    seen = (c for c in unicodedata.normalize("NFKC", value) if unicodedata.category(c) != "Cf")
    return "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in seen)


def _family(kind: str) -> Family:
    return FAMILIES.get(kind, GENERIC)
