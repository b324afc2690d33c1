"""`as: faker`: values of the same shape that are nobody's, and the sign by which each is known again.

Every family writes into a range that is reserved, unassigned or impossible, so `is_fake` needs no key.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from guard.pii import fakehosts, fakemarks, fakenumbers, fakephones, fakewords, shapes
from guard.pii.draw import Draw

_SUFFIX = re.compile(r"#\d+\Z")
_NEAR = 96
"""Characters around a finding in which the fake may stand that it is a part of: five cards in a row, joined."""


@dataclass(frozen=True, slots=True)
class Family:
    """How one family of kinds is faked: draw a fake, and know one."""

    make: Callable[[str, Draw], str]
    known: Callable[[str], bool]


GENERIC = Family(shapes.generic, shapes.is_generic)


def _sized(sizes: Collection[int], family: Family, letters: bool = False) -> Family:
    """The family for numbers of these lengths, the generic one for what else bears the kind's name."""

    def chosen(value: str) -> Family:
        places = shapes.alnums(value)
        return family if len(places) in sizes and (letters or places.isdigit()) else GENERIC

    return Family(
        lambda value, draw: chosen(value).make(value, draw), lambda value: chosen(value).known(value)
    )


def _dialled(value: str) -> Family:
    return Family(fakephones.phone, fakephones.is_phone) if fakephones.is_dialled(value) else GENERIC


_PHONE = Family(lambda v, draw: _dialled(v).make(v, draw), lambda v: _dialled(v).known(v))
_CARD = _sized(range(12, 20), Family(fakenumbers.card, fakenumbers.is_card))
_URL = Family(fakehosts.url, fakehosts.is_url)
FAMILIES: dict[str, Family] = {
    "pii.email": Family(fakewords.email, fakewords.is_email),
    "pii.phone": _PHONE,
    "pii.za.mobile_number": _PHONE,
    "pii.za.telephone_number": _PHONE,
    "pii.card": _CARD,
    "pii.cn.bank_account": _CARD,
    "pii.iban": _sized(range(15, 65), Family(fakenumbers.iban, fakenumbers.is_iban), True),
    "pii.ip": Family(fakehosts.ip, fakehosts.is_ip),
    "pii.mac": Family(fakehosts.mac, fakehosts.is_mac),
    "pii.uuid": _sized((32,), Family(fakehosts.uuid, fakehosts.is_uuid), True),
    "pii.url": _URL,
    "secret.url_credentials": _URL,
    "secret.connection_string": _URL,
    "secret.slack_webhook": _URL,
    "pii.us.ssn": _sized((9,), Family(fakenumbers.ssn, fakenumbers.is_ssn)),
    "pii.us.itin": _sized((9,), Family(fakenumbers.itin, fakenumbers.is_itin)),
    "pii.uk.nhs": _sized((10,), Family(fakenumbers.nhs, fakenumbers.is_nhs)),
    "pii.uk.nino": _sized((9,), Family(fakenumbers.nino, fakenumbers.is_nino), True),
    "pii.cn.resident_id": _sized((15, 18), Family(fakenumbers.resident_id, fakenumbers.is_resident_id), True),
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
    if end - start > _NEAR:
        return False
    low = max(0, start - _NEAR)
    blanks = len(text[start:end]) - len(text[start:end].lstrip())
    return fakemarks.covers(text[low : end + _NEAR], start + blanks - low, end - low)


def canonical(kind: str, value: str) -> str:
    """What of a value decides the draw: of numbers and codes the letters and digits, else all but case."""
    if kind.startswith("secret."):
        return value
    folded = " ".join(value.casefold().split())
    if kind in _WORDS or kind in ("pii.email", "pii.url", "secret.url_credentials"):
        return folded
    return "".join(filter(str.isalnum, folded)) or folded


def warm(locale: Sequence[str]) -> None:
    """Load Faker's lists now, so that the first fake need not; raises SetupError for an unknown locale."""
    for kind in _WORDS:
        for value in ("Ada Lovelace", "王小明"):
            fake(b"", kind, value, locale=locale)


def _plain(value: str) -> str:
    if value.isascii():
        return value
    seen = (c for c in unicodedata.normalize("NFKC", value) if unicodedata.category(c) != "Cf")
    return "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in seen)


def _family(kind: str) -> Family:
    return FAMILIES.get(kind, GENERIC)
